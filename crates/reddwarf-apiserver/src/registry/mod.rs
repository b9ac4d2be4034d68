//! The kinds that the API serves.

pub mod builder;
mod builtin;
pub mod conversion;
pub mod kind;
pub mod prepare;
pub mod selectable;
mod served;

pub use kind::{
    Column, Doc, FieldSelectors, Generation, Hooks, Kind, RowContext, Scope, StorageVersion,
    Strategy, Subresource, Verbs,
};

use std::collections::HashMap;
use std::sync::Arc;

/// All served kinds, by group, version and resource, and in the order of discovery.
#[derive(Default)]
pub struct Registry {
    order: Vec<Arc<Kind>>,
    by_resource: HashMap<(String, String, String), Arc<Kind>>,
}

impl Registry {
    /// Adds a kind; a later entry of the same resource replaces the earlier one.
    pub fn add(&mut self, kind: Kind) {
        let kind = Arc::new(kind);
        let at = (kind.group.to_string(), kind.version.to_string(), kind.plural.to_string());
        if let Some(old) = self.by_resource.insert(at, kind.clone()) {
            self.order.retain(|k| !Arc::ptr_eq(k, &old));
        }
        self.order.push(kind);
    }

    /// The kind served at `/apis/{group}/{version}/{resource}`.
    pub fn resource(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Kind>> {
        self.by_resource.get(&(group.to_owned(), version.to_owned(), resource.to_owned()))
    }

    /// All kinds in the order of discovery.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.order.iter()
    }
}
