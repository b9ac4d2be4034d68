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
        for (name, change) in changes {
            if change.is_null() {
                fields.shift_remove(name);
            } else {
                apply(fields.entry(name.as_str()).or_insert(Value::Null), change);
            }
        }
    }
}
