//! Reading the common parts of an object held as a JSON value.

use serde_json::Value;

/// `metadata.name`, `""` when absent.
pub fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// `metadata.namespace`, `""` when absent.
pub fn namespace(object: &Value) -> &str {
    meta(object, "namespace")
}

/// `metadata.uid`, `""` when absent.
pub fn uid(object: &Value) -> &str {
    meta(object, "uid")
}

/// A text field of the metadata, `""` when absent.
pub fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default()
}
