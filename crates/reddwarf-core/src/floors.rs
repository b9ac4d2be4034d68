//! From where on the past is kept.
//!
//! Everything is kept above the floor of all. A scope, which is a collection or what of it stands in
//! one namespace, can have a higher floor. Whatever was superseded at or below the floor of its key
//! is gone; what is current there is not.

use crate::{Collection, ObjectKey, Revision};
use serde::{Deserialize, Serialize};

/// The floors; they only rise, by committed entries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors {
    /// That of everything, zero while all is kept.
    pub all: Revision,
    /// Higher ones, by what keys begin with: [`Collection::prefix`] or
    /// [`Collection::namespace_prefix`]. Sorted.
    pub scopes: Vec<(String, Revision)>,
}

impl Floors {
    /// The oldest revision as of which the object at `key` can be read.
    pub fn of_key(&self, key: &ObjectKey) -> Revision {
        let text = key.as_str();
        let mut slashes = text.match_indices('/').map(|(at, _)| at + 1).skip(1);
        let prefixes = [slashes.next(), slashes.next()].into_iter().flatten();
        let scoped = prefixes.filter_map(|end| self.of_scope(&text[..end]));
        scoped.fold(self.all, Revision::max)
    }

    /// The oldest revision as of which a collection, or what stands in one namespace, can be read.
    pub fn of_collection(&self, collection: &Collection, namespace: Option<&str>) -> Revision {
        let all = collection.prefix();
        match namespace {
            Some(namespace) => {
                let within = self.of_scope(&collection.namespace_prefix(namespace));
                [self.of_scope(&all), within].into_iter().flatten().fold(self.all, Revision::max)
            }
            None => {
                let scopes = self.scopes.iter().filter(|(prefix, _)| prefix.starts_with(&all));
                scopes.map(|(_, floor)| *floor).fold(self.all, Revision::max)
            }
        }
    }

    /// The floor of a scope itself.
    pub fn of_scope(&self, prefix: &str) -> Option<Revision> {
        let at = self.scopes.binary_search_by(|(known, _)| known.as_str().cmp(prefix));
        at.ok().map(|at| self.scopes[at].1)
    }

    /// Above it, nothing is gone.
    pub fn highest(&self) -> Revision {
        self.scopes.iter().map(|(_, floor)| *floor).fold(self.all, Revision::max)
    }

    /// Raises the floors to those of `asked` where these are higher, none of them above `limit`.
    pub fn raise(&mut self, asked: &Floors, limit: Revision) {
        self.all = self.all.max(asked.all.min(limit));
        for (prefix, floor) in &asked.scopes {
            let floor = (*floor).min(limit);
            match self.scopes.binary_search_by(|(known, _)| known.cmp(prefix)) {
                Ok(at) => self.scopes[at].1 = self.scopes[at].1.max(floor),
                Err(at) => self.scopes.insert(at, (prefix.clone(), floor)),
            }
        }
        let all = self.all;
        self.scopes.retain(|(_, floor)| *floor > all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floors(all: u64, scopes: &[(&str, u64)]) -> Floors {
        let mut floors = Floors::default();
        let scopes = scopes.iter().map(|(prefix, floor)| ((*prefix).to_owned(), Revision(*floor)));
        let asked = Floors { all: Revision(all), scopes: scopes.collect() };
        floors.raise(&asked, Revision::MAX);
        floors
    }

    #[test]
    fn the_highest_floor_that_holds_for_a_key_counts() {
        let floors = floors(5, &[("/events/", 9), ("/pods/shop/", 7), ("apps/deployments/", 3)]);
        assert_eq!(floors.scopes.len(), 2, "a scope below the floor of all says nothing");
        let of = |key| floors.of_key(&ObjectKey::parse(key).expect("a key")).0;
        assert_eq!(of("/events/shop/a"), 9);
        assert_eq!(of("/pods/shop/a"), 7);
        assert_eq!(of("/pods/other/a"), 5);
        assert_eq!(of("apps/deployments/shop/a"), 5);
        let pods = Collection::new("", "pods");
        assert_eq!(floors.of_collection(&pods, None).0, 7);
        assert_eq!(floors.of_collection(&pods, Some("other")).0, 5);
        assert_eq!(floors.of_collection(&Collection::new("", "events"), Some("x")).0, 9);
        assert_eq!(floors.highest().0, 9);
    }

    #[test]
    fn floors_never_fall_and_stay_below_the_limit() {
        let mut kept = floors(5, &[("/events/", 9)]);
        kept.raise(&floors(3, &[("/events/", 8), ("/pods/", 30)]), Revision(20));
        assert_eq!(kept, floors(5, &[("/events/", 9), ("/pods/", 20)]));
        kept.raise(&floors(40, &[]), Revision(15));
        assert_eq!(kept, floors(15, &[("/pods/", 20)]));
    }
}
