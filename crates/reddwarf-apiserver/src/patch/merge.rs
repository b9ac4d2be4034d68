//! Merge patch (RFC 7386).

use serde_json::{Map, Value};

/// Merges `patch` into `target`; nulls delete.
pub(super) fn apply(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(fields) = target {
        remove_nulls(fields, changes);
        for (name, change) in changes.iter().filter(|(_, change)| !change.is_null()) {
            apply(fields.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

/// Removes the fields for which a patch has null, all in one pass: one after the other would
/// shift the rest each time.
pub(super) fn remove_nulls(fields: &mut Map<String, Value>, changes: &Map<String, Value>) {
    if changes.values().any(Value::is_null) {
        fields.retain(|name, _| !changes.get(name).is_some_and(Value::is_null));
    }
}
