//! Checks of single values that many kinds share.

use super::names::NameRule;
use super::{ErrorKind, ErrorList, FieldError, FieldPath, NEGATIVE};
use crate::validation::read::int;
use serde_json::Value;

/// Applies a rule for names to a text.
pub fn named(rule: NameRule, text: &str, path: &FieldPath) -> ErrorList {
    rule(text).into_iter().map(|why| FieldError::invalid(path.clone(), text, why)).collect()
}

/// Applies a rule to a text that must be given.
pub fn required_name(rule: NameRule, text: &str, path: &FieldPath) -> ErrorList {
    if text.is_empty() {
        return vec![FieldError::required(path.clone(), "")];
    }
    named(rule, text, path)
}

/// A text that must be given.
pub fn required(text: &str, path: FieldPath) -> Option<FieldError> {
    text.is_empty().then(|| FieldError::required(path, ""))
}

/// A number that may not be negative, when it is given.
pub fn not_negative(object: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
    let value = int(object, field).filter(|n| *n < 0)?;
    Some(FieldError::invalid(path.child(field), value, NEGATIVE))
}

/// A text that must be one of `supported`, when it is given.
pub fn one_of(
    object: &Value,
    field: &str,
    supported: &[&str],
    path: &FieldPath,
) -> Option<FieldError> {
    let value = object.get(field)?.as_str().filter(|v| !supported.contains(v))?;
    Some(FieldError::not_supported(path.child(field), value, supported))
}

/// A number of a port.
pub fn port(number: i64, path: &FieldPath) -> Option<FieldError> {
    within(number, 1, 65_535, path)
}

/// A number between two others.
pub fn within(number: i64, min: i64, max: i64, path: &FieldPath) -> Option<FieldError> {
    let detail = format!("must be between {min} and {max}, inclusive");
    (!(min..=max).contains(&number)).then(|| FieldError::invalid(path.clone(), number, detail))
}

/// A field that an update may not change.
pub fn immutable(new: &Value, old: &Value, field: &str, path: FieldPath) -> Option<FieldError> {
    if !super::read::differs(new, old, field) {
        return None;
    }
    let value = new.get(field).cloned().unwrap_or_default();
    Some(FieldError::invalid(path, value, "field is immutable"))
}

/// A list or map with more entries than it may have.
pub fn too_many(count: usize, max: usize, path: &FieldPath) -> Option<FieldError> {
    (count > max).then(|| FieldError {
        kind: ErrorKind::TooMany,
        field: path.clone(),
        value: Some(count.into()),
        detail: format!("must have at most {max} items"),
    })
}

/// A number or a percentage, when it is given.
pub fn int_or_percent(object: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
    let path = path.child(field);
    match object.get(field)? {
        Value::String(text) => {
            let digits = text.strip_suffix('%').filter(|d| !d.is_empty());
            let percent = digits.filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
            let detail = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            percent.is_none().then(|| FieldError::invalid(path, text.as_str(), detail))
        }
        value => {
            let number = value.as_i64().filter(|n| *n < 0)?;
            Some(FieldError::invalid(path, number, NEGATIVE))
        }
    }
}

/// A value as upstream's messages show it that print Go structures: keys begin upper case.
pub fn internal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| {
                let mut letters = key.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase());
                (first.into_iter().chain(letters).collect::<String>(), internal(value))
            })
            .collect(),
        Value::Array(items) => items.iter().map(internal).collect(),
        other => other.clone(),
    }
}

/// The percentage of a well-formed [`int_or_percent`].
pub fn percentage(value: &Value) -> Option<i64> {
    value.as_str()?.strip_suffix('%')?.parse().ok()
}
