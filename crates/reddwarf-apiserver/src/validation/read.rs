//! Short reads of an object held as a JSON value, absent parts read as empty.

use serde_json::{Map, Value};

/// The value at a path of names, `Null` when any part is missing.
pub fn at<'a>(object: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(object, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// The text of a field, `""` when absent.
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The integer of a field.
pub fn int(object: &Value, name: &str) -> Option<i64> {
    object.get(name).and_then(Value::as_i64)
}

/// Whether a boolean field is present and true.
pub fn flag(object: &Value, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// The items of a list field.
pub fn items<'a>(object: &'a Value, name: &str) -> &'a [Value] {
    object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map field.
pub fn entries<'a>(
    object: &'a Value,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    object.get(name).and_then(Value::as_object).into_iter().flatten()
}

/// The map of a field.
pub fn map<'a>(object: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    object.get(name).and_then(Value::as_object)
}

/// Whether a field is present and not null.
pub fn has(object: &Value, name: &str) -> bool {
    object.get(name).is_some_and(|value| !value.is_null())
}

/// Whether a field differs between two objects; absent, null and empty count as the same.
pub fn differs(new: &Value, old: &Value, name: &str) -> bool {
    let (new, old) = (new.get(name), old.get(name));
    match (new.filter(|v| !is_empty(v)), old.filter(|v| !is_empty(v))) {
        (None, None) => false,
        (new, old) => new != old,
    }
}

/// Whether a value is what Go's `omitempty` leaves out of a collection or text.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
