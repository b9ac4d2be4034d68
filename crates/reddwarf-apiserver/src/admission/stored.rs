//! Reads of other objects that plugins decide by.

use reddwarf_core::{Collection, ObjectKey, View};
use serde_json::Value;

/// The object at a key, parsed.
pub fn get(view: &View, group: &str, resource: &str, namespace: &str, name: &str) -> Option<Value> {
    let stored = view.get(&ObjectKey::new(group, resource, namespace, name))?;
    serde_json::from_slice(&stored.bytes).ok()
}

/// All objects of a cluster-scoped resource, parsed, in name order.
pub fn list<'a>(
    view: &'a View,
    group: &str,
    resource: &str,
) -> impl Iterator<Item = Value> + use<'a> {
    view.list(&Collection::new(group, resource), None, None)
        .filter_map(|stored| serde_json::from_slice(&stored.bytes).ok())
}
