//! Parts of cells.

use crate::defaults::fill::{at, list, text};
use reddwarf_core::LabelSelector;
use serde_json::Value;

/// The text at `path`, `default` when it is empty.
pub(super) fn or(object: &Value, path: &str, default: &str) -> Value {
    match text(object, path) {
        "" => default.into(),
        found => found.into(),
    }
}

/// The number at `path`, 0 when absent.
pub(super) fn number(object: &Value, path: &str) -> i64 {
    at(object, path).and_then(Value::as_i64).unwrap_or_default()
}

/// The flag at `path`, false when absent.
pub(super) fn flag(object: &Value, path: &str) -> bool {
    at(object, path).and_then(Value::as_bool).unwrap_or_default()
}

/// The number of entries of the map or list at `path`.
pub(super) fn count(object: &Value, path: &str) -> usize {
    match at(object, path) {
        Some(Value::Array(items)) => items.len(),
        Some(Value::Object(entries)) => entries.len(),
        _ => 0,
    }
}

/// `key=value` of the map at `path`, sorted; `<none>` when there are none.
pub(super) fn labels(object: &Value, path: &str) -> String {
    let Some(Value::Object(map)) = at(object, path) else { return "<none>".to_owned() };
    let mut pairs: Vec<String> =
        map.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect();
    pairs.sort_unstable();
    if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
}

/// The label selector at `path`; `<none>` when it is empty.
pub(super) fn selector(object: &Value, path: &str) -> String {
    let Some(found) = at(object, path) else { return "<none>".to_owned() };
    match LabelSelector::from_object(Some(found)) {
        Ok(selector) if selector.is_everything() => "<none>".to_owned(),
        Ok(selector) => selector.to_string(),
        Err(_) => "<error>".to_owned(),
    }
}

/// A field of all items of the list at `path`, joined by commas.
pub(super) fn joined(object: &Value, path: &str, field: &str) -> String {
    let texts: Vec<&str> = list(object, path).iter().map(|item| text(item, field)).collect();
    texts.join(",")
}

/// The texts of the list at `path`, joined by `separator`.
pub(super) fn texts(object: &Value, path: &str, separator: &str) -> String {
    let texts: Vec<&str> = list(object, path).iter().filter_map(Value::as_str).collect();
    texts.join(separator)
}

/// The condition of that type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "status.conditions").iter().find(|c| c["type"] == kind)
}

/// Whether the condition of that type is true.
pub(super) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|c| c["status"] == "True")
}

/// Whether the object is being deleted.
pub(super) fn is_deleted(object: &Value) -> bool {
    at(object, "metadata.deletionTimestamp").is_some()
}

/// The first `max` of `items` joined by commas, and how many more there are.
pub(super) fn with_more(items: &[String], max: usize, separator: &str) -> String {
    let shown = items[..items.len().min(max)].join(separator);
    match items.len().saturating_sub(max) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// A quantity or integer-or-text as text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Abbreviated access modes of the list at `path`.
pub(super) fn access_modes(object: &Value, path: &str) -> String {
    const MODES: [(&str, &str); 4] = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let given = list(object, path);
    let short: Vec<&str> =
        MODES.iter().filter(|(m, _)| given.iter().any(|g| g == m)).map(|(_, s)| *s).collect();
    short.join(",")
}
