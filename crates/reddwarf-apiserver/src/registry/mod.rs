//! The kinds that the API serves.
//!
//! A [`Registry`] never changes: the built-in kinds and those of definitions at one state. What
//! follows the state is the [`LiveRegistry`], which shares all but the changed definition between
//! one registry and the next.

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
pub(crate) use documents::Documents;
pub use live::LiveRegistry;

pub use kind::{
    Column, Doc, FieldSelectors, Generation, Hooks, Kind, RowContext, Scope, StorageVersion,
    Strategy, Subresource, Verbs,
};

use crate::custom::Served;
use imbl::OrdMap;
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

/// All served kinds, by group, version and resource, and in the order of discovery: built-in
/// ones, then custom ones by group, plural and version.
#[derive(Clone, Default)]
pub struct Registry {
    builtin: Arc<Builtin>,
    /// Established definitions by `group/plural`.
    custom: OrdMap<Box<str>, Arc<Served>>,
    /// Whole documents about the kinds, made when they are first asked for.
    pub(crate) documents: Arc<Documents>,
}

#[derive(Clone, Default)]
struct Builtin {
    order: Vec<Arc<Kind>>,
    by_resource: HashMap<(String, String, String), Arc<Kind>>,
}

impl Registry {
    /// Adds a kind; a later entry of the same resource replaces the earlier one.
    pub fn add(&mut self, kind: Kind) {
        let kind = Arc::new(kind);
        let at = (kind.group.to_string(), kind.version.to_string(), kind.plural.to_string());
        let builtin = Arc::make_mut(&mut self.builtin);
        if let Some(old) = builtin.by_resource.insert(at, kind.clone()) {
            builtin.order.retain(|k| !Arc::ptr_eq(k, &old));
        }
        builtin.order.push(kind);
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
        let builtin: Vec<_> = self.builtin.order.iter().filter(|k| k.group == group).collect();
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let custom = self.custom.range::<_, str>(from);
        let custom: Vec<_> = custom
            .take_while(|(place, _)| place.starts_with(&prefix))
            .flat_map(|(_, served)| &served.kinds)
            .collect();
        builtin.into_iter().chain(custom)
    }

    /// Names of the groups in the order of discovery, each once.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for kind in &self.builtin.order {
            if !groups.contains(&&*kind.group) {
                groups.push(&kind.group);
            }
        }
        let builtin = groups.len();
        let served = self.custom.values().filter(|served| !served.kinds.is_empty());
        for group in served.map(|served| &*served.definition.group) {
            // Definitions stand by group, so that the same one comes in a row.
            if groups.last() != Some(&group) && !groups[..builtin].contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// Whether a group has built-in kinds.
    pub fn has_builtin_group(&self, group: &str) -> bool {
        self.builtin.order.iter().any(|kind| kind.group == group)
    }

    /// The established definition of a resource.
    pub fn definition(&self, group: &str, plural: &str) -> Option<&Arc<Served>> {
        self.custom.get(place(group, plural).as_str())
    }

    /// The same kinds, but for one definition: `None` takes it out.
    pub(crate) fn with(&self, group: &str, plural: &str, new: Option<Arc<Served>>) -> Registry {
        let place = place(group, plural);
        let custom = match new {
            Some(served) => self.custom.update(place.into(), served),
            None => self.custom.without(place.as_str()),
        };
        Registry { builtin: self.builtin.clone(), custom, documents: Arc::default() }
    }
}

fn place(group: &str, plural: &str) -> String {
    format!("{group}/{plural}")
}
