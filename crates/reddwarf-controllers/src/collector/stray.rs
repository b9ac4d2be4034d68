//! Owners that are there, but in a namespace from which the dependent cannot have them.
//!
//! Nothing depends on this but an event, which tells people why their object went.

use super::plan::{Owner, find};
use crate::meta::{Meta, OwnerRef, Uid};
use crate::recorder::{Involved, Said, Severity};
use reddwarf_core::{KindMap, ObjectKey, View};
use std::collections::HashSet;

/// Owners that are remembered as gone.
const GONE_MAX: usize = 4_096;
/// Objects that are searched between two calls of [`Strays::refill`].
const SEARCH_MAX: usize = 500_000;

/// Remembers which owners are gone: they need not be searched elsewhere.
#[derive(Debug)]
pub struct Strays {
    gone: HashSet<Uid>,
    search_left: usize,
}

impl Default for Strays {
    fn default() -> Self {
        Strays { gone: HashSet::new(), search_left: SEARCH_MAX }
    }
}

impl Strays {
    /// Remembers that an owner is gone.
    pub fn gone(&mut self, uid: &str) {
        if self.gone.len() >= GONE_MAX {
            self.gone.clear();
        }
        self.gone.insert(Uid::from(uid));
    }

    /// Allows searching again: it must not hold up the rest for long.
    pub fn refill(&mut self) {
        self.search_left = SEARCH_MAX;
    }

    /// What is to be said of the object's references to owners in other namespaces.
    pub fn said(&mut self, view: &View, kinds: &KindMap, key: &ObjectKey) -> Vec<Said> {
        let Some(stored) = view.get(key) else { return Vec::new() };
        let meta = Meta::read(stored);
        let lost = meta.owner_references.iter().filter(|reference| {
            let owner = find(view, kinds, key.namespace(), reference);
            matches!(owner, Owner::Absent | Owner::Impossible)
        });
        let strays: Vec<&OwnerRef> =
            lost.filter(|reference| self.is_elsewhere(view, kinds, key, reference)).collect();
        strays.into_iter().filter_map(|stray| said(kinds, key, &meta, stray)).collect()
    }

    fn is_elsewhere(
        &mut self,
        view: &View,
        kinds: &KindMap,
        key: &ObjectKey,
        reference: &OwnerRef,
    ) -> bool {
        let kind = kinds.referred(&reference.api_version, &reference.kind);
        let Some(kind) = kind.filter(|kind| kind.namespaced) else { return false };
        if self.gone.contains(&reference.uid) || self.search_left == 0 {
            return false;
        }
        let mut searched = 0;
        let found = view.list(&kind.collection, None, None).take(self.search_left).any(|object| {
            searched += 1;
            *object.index.uid == *reference.uid && object.key.namespace() != key.namespace()
        });
        self.search_left -= searched;
        if !found && self.search_left > 0 {
            self.gone(&reference.uid);
        }
        found
    }
}

fn said(kinds: &KindMap, key: &ObjectKey, meta: &Meta, stray: &OwnerRef) -> Option<Said> {
    let kind = kinds.of_key(key)?;
    let (owner, namespace) = (stray, key.namespace());
    let OwnerRef { api_version, kind: owner_kind, name, uid, .. } = owner;
    Some(Said {
        involved: Involved {
            api_version: kind.api_version(),
            kind: kind.kind.to_string(),
            namespace: namespace.to_owned(),
            name: key.name().to_owned(),
            uid: meta.uid.to_string(),
        },
        severity: Severity::Warning,
        reason: "OwnerRefInvalidNamespace",
        message: format!(
            "ownerRef [{api_version}/{owner_kind}, namespace: {namespace}, name: {name}, uid: {uid}] does not exist in namespace {namespace:?}"
        ),
    })
}
