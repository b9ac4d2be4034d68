//! The kinds that the API serves.
//!
//! A [`Registry`] never changes: the built-in kinds and those of definitions at one state. What
//! follows the state is the [`LiveRegistry`], which shares all but the changed definition between
//! one registry and the next: a change costs the same, however many definitions there are.

pub mod builder;
mod builtin;
pub mod conversion;
mod documents;
pub mod kind;
mod live;
pub mod prepare;
pub mod selectable;
mod served;

pub use documents::Document;
pub(crate) use documents::{Documents, GroupDocuments};
pub use live::LiveRegistry;

pub use kind::{
    Column, Doc, FieldSelectors, Generation, Hooks, Kind, RowContext, Scope, StorageVersion,
    Strategy, Subresource, Verbs,
};

use crate::custom::{Definition, Served};
use imbl::OrdMap;
use reddwarf_core::KindMap;
use served::served;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

/// All served kinds, by group, version and resource, and in the order of discovery: built-in
/// ones, then custom ones by group, plural and version. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    builtin: Arc<Builtin>,
    /// Established definitions by `group/plural`.
    custom: OrdMap<Box<str>, Arc<Served>>,
    /// The stored kinds as the leader's controllers see them.
    told: KindMap,
    /// Documents about each group that has kinds; a change makes only its own group's anew.
    groups: OrdMap<Box<str>, Arc<GroupDocuments>>,
    /// Whole documents about the kinds, made when they are first asked for.
    pub(crate) documents: Arc<Documents>,
}

#[derive(Clone, Default)]
struct Builtin {
    order: Vec<Arc<Kind>>,
    by_group: HashMap<Box<str>, Vec<Arc<Kind>>>,
    by_resource: HashMap<(String, String, String), Arc<Kind>>,
}

impl Registry {
    /// Adds a kind; a later entry of the same resource replaces the earlier one.
    pub fn add(&mut self, kind: Kind) {
        let kind = Arc::new(kind);
        let at = (kind.group.to_string(), kind.version.to_string(), kind.plural.to_string());
        let builtin = Arc::make_mut(&mut self.builtin);
        let of_group = builtin.by_group.entry(kind.group.as_ref().into()).or_default();
        if let Some(old) = builtin.by_resource.insert(at, kind.clone()) {
            builtin.order.retain(|k| !Arc::ptr_eq(k, &old));
            of_group.retain(|k| !Arc::ptr_eq(k, &old));
            self.told.remove(&served(&old));
        }
        builtin.order.push(kind.clone());
        of_group.push(kind.clone());
        if kind.stored() {
            self.told.add(served(&kind));
        }
        self.groups.insert(kind.group.as_ref().into(), Arc::default());
        self.documents = Arc::default();
    }

    /// The kind served at `/apis/{group}/{version}/{resource}`.
    pub fn resource(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Kind>> {
        let at = (group.to_owned(), version.to_owned(), resource.to_owned());
        self.builtin.by_resource.get(&at).or_else(|| {
            let served = self.custom.get(place(group, resource).as_str())?;
            served.kinds.iter().find(|kind| kind.version == version)
        })
    }

    /// All kinds in the order of discovery.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.builtin.order.iter().chain(self.custom.values().flat_map(|served| &served.kinds))
    }

    /// The kinds of a group in the order of discovery.
    pub fn kinds_of_group<'r>(&'r self, group: &str) -> impl Iterator<Item = &'r Arc<Kind>> {
        let prefix = format!("{group}/");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let custom = self.custom.range::<_, str>(from);
        let custom = custom.take_while(move |(place, _)| place.starts_with(&prefix));
        let builtin = self.builtin.by_group.get(group).into_iter().flatten();
        builtin.chain(custom.flat_map(|(_, served)| &served.kinds))
    }

    /// Names of the groups in the order of discovery, each once.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for kind in &self.builtin.order {
            if !groups.contains(&&*kind.group) {
                groups.push(&kind.group);
            }
        }
        let custom = self.groups.keys().map(|group| &**group);
        groups.extend(custom.filter(|group| !self.has_builtin_group(group)));
        groups
    }

    /// The documents about a group; `None` when it has no kinds.
    pub(crate) fn group_documents(&self, group: &str) -> Option<&GroupDocuments> {
        self.groups.get(group).map(AsRef::as_ref)
    }

    /// Whether a group has built-in kinds.
    pub fn has_builtin_group(&self, group: &str) -> bool {
        self.builtin.by_group.contains_key(group)
    }

    /// The established definition of a resource.
    pub fn definition(&self, group: &str, plural: &str) -> Option<&Arc<Served>> {
        self.custom.get(place(group, plural).as_str())
    }

    /// The stored kinds as the leader's controllers see them.
    pub(crate) fn told(&self) -> &KindMap {
        &self.told
    }

    /// Whether the same kinds are served as in the registry from which this one was made.
    pub(crate) fn shows_as(&self, before: &Registry) -> bool {
        Arc::ptr_eq(&self.documents, &before.documents)
    }

    /// Serves a definition as it is now, or not at all.
    pub(crate) fn define(&mut self, definition: &Arc<Definition>) {
        let old = self.definition(&definition.group, &definition.names.plural).cloned();
        self.replace(definition, definition.served_now(old.as_deref()));
    }

    /// Serves kinds that are described by a definition of the program's own.
    pub(crate) fn serve(&mut self, served: Served) {
        let definition = served.definition.clone();
        self.replace(&definition, Some(Arc::new(served)));
    }

    /// Serves a definition no more.
    pub(crate) fn undefine(&mut self, definition: &Definition) {
        self.replace(definition, None);
    }

    fn replace(&mut self, definition: &Definition, new: Option<Arc<Served>>) {
        let (group, plural) = (&*definition.group, &*definition.names.plural);
        let place = place(group, plural);
        let old = match &new {
            Some(served) => self.custom.insert(place.into(), served.clone()),
            None => self.custom.remove(place.as_str()),
        };
        let same = match (&old, &new) {
            (Some(old), Some(new)) => new.shows_as(old),
            (old, new) => old.is_none() && new.is_none(),
        };
        if !same {
            self.tell(group, plural, old.as_deref(), new.as_deref());
            self.forget_documents(group);
        }
    }

    /// Tells controllers of new kinds instead of old ones. A built-in resource stays theirs, as it
    /// stays that of requests.
    fn tell(&mut self, group: &str, plural: &str, old: Option<&Served>, new: Option<&Served>) {
        let mut builtin = self.builtin.by_group.get(group).into_iter().flatten();
        if builtin.any(|kind| kind.plural == plural) {
            return;
        }
        for kind in old.into_iter().flat_map(|old| &old.kinds) {
            self.told.remove(&served(kind));
        }
        // In the storage version no webhook stands between a controller and an object.
        let new = new.into_iter().flat_map(|new| &new.kinds);
        let mut new: Vec<_> = new.filter(|kind| kind.stored()).collect();
        new.sort_by_key(|kind| kind.is_converted());
        for kind in new {
            self.told.add(served(kind));
        }
    }

    fn forget_documents(&mut self, group: &str) {
        self.documents = Arc::default();
        let has_kinds = self.kinds_of_group(group).next().is_some();
        match has_kinds {
            true => self.groups.insert(group.into(), Arc::default()),
            false => self.groups.remove(group),
        };
    }
}

fn place(group: &str, plural: &str) -> String {
    format!("{group}/{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::aggregated;
    use reddwarf_core::Revision;
    use serde_json::{Value, json};

    fn definition(group: &str, served: bool, revision: u64) -> Arc<Definition> {
        let names = json!({"plural": "widgets", "singular": "widget", "kind": "Widget",
            "listKind": "WidgetList"});
        let stored = json!({
            "metadata": {"name": format!("widgets.{group}"), "uid": group},
            "spec": {"group": group, "scope": "Namespaced", "names": names,
                "versions": [{"name": "v1", "served": served, "storage": true}]},
            "status": {"acceptedNames": names,
                "conditions": [{"type": "Established", "status": "True"}]},
        });
        let bytes = stored.to_string().into_bytes();
        Arc::new(Definition::read(&bytes, Revision(revision), None).expect("a definition"))
    }

    fn discovered(registry: &Registry) -> Vec<String> {
        let document: Value =
            serde_json::from_slice(&aggregated(registry, false).bytes).expect("JSON");
        let groups = document["items"].as_array().expect("groups");
        groups.iter().map(|g| g["metadata"]["name"].as_str().expect("one").to_owned()).collect()
    }

    #[test]
    fn a_change_leaves_the_documents_of_other_groups() {
        let mut registry = Registry::builtin();
        let builtin = discovered(&registry);
        registry.define(&definition("a.example.com", true, 1));
        registry.define(&definition("b.example.com", true, 2));
        assert_eq!(discovered(&registry)[builtin.len()..], ["a.example.com", "b.example.com"]);
        let before = registry.clone();
        registry.define(&definition("b.example.com", false, 3));
        assert_eq!(discovered(&registry)[builtin.len()..], ["a.example.com"]);
        assert_eq!(discovered(&before).len(), builtin.len() + 2, "a registry stays as it is");
        let same = |group: &str| {
            let documents = |of: &'_ Registry| of.groups.get(group).cloned();
            let (old, new) = (documents(&before), documents(&registry));
            old.zip(new).is_some_and(|(old, new)| Arc::ptr_eq(&old, &new))
        };
        assert!(same("a.example.com") && same("apps") && !same("b.example.com"));
    }

    #[test]
    fn what_shows_as_before_makes_nothing_anew() {
        let mut registry = Registry::builtin();
        let first = definition("a.example.com", true, 1);
        registry.define(&first);
        let before = registry.clone();
        let again =
            Definition { revision: Revision(2), versions: first.versions.clone(), ..copy() };
        registry.define(&Arc::new(again));
        assert!(registry.shows_as(&before));
        registry.undefine(&first);
        assert!(!registry.shows_as(&before));
        assert!(registry.told().referred("a.example.com/v1", "Widget").is_none());
    }

    fn copy() -> Definition {
        Arc::into_inner(definition("a.example.com", true, 1)).expect("the only one")
    }
}
