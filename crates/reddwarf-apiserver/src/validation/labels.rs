//! Labels, annotations and selectors.

use super::read::{entries, has, items, text};
use super::{ErrorList, FieldError, FieldPath, names};
use serde_json::Value;

/// Bytes of all keys and values of an object's annotations.
pub const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

fn push_all(errors: &mut ErrorList, path: &FieldPath, value: &str, found: Vec<String>) {
    errors.extend(found.into_iter().map(|e| FieldError::invalid(path.clone(), value, e)));
}

/// Checks a map of labels, `Null` being none.
pub fn labels(map: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in map.as_object().into_iter().flatten() {
        push_all(&mut errors, path, key, names::qualified_name(key));
        let value = value.as_str().unwrap_or_default();
        push_all(&mut errors, path, value, names::label_value(value));
    }
    errors
}

/// Checks a map of annotations.
pub fn annotations(map: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    for (key, value) in map.as_object().into_iter().flatten() {
        push_all(&mut errors, path, key, names::qualified_name(&key.to_lowercase()));
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long(path.clone(), ANNOTATIONS_BYTES_MAX));
    }
    errors
}

/// Checks a `LabelSelector`; an absent one is fine.
pub fn selector(selector: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = labels(&selector["matchLabels"], &path.child("matchLabels"));
    let list = path.child("matchExpressions");
    for (at, expression) in items(selector, "matchExpressions").iter().enumerate() {
        errors.extend(expression_errors(expression, &list.index(at)));
    }
    errors
}

fn expression_errors(expression: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let values = items(expression, "values");
    match text(expression, "operator") {
        "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
            path.child("values"),
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
            path.child("values"),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.push(FieldError::invalid(
            path.child("operator"),
            other,
            "not a valid selector operator",
        )),
    }
    let key = text(expression, "key");
    push_all(&mut errors, &path.child("key"), key, names::qualified_name(key));
    for (at, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or_default();
        let path = path.child("values").index(at);
        push_all(&mut errors, &path, value, names::label_value(value));
    }
    errors
}

/// The errors of a selector but those of its values, for an update of an object that was stored
/// when values were not checked.
pub fn but_values(mut errors: ErrorList) -> ErrorList {
    errors.retain(|error| !error.field.to_string().contains(".values["));
    errors
}

/// Whether an expression of a selector names a value that is no label value.
pub fn has_bad_value(selector: &Value) -> bool {
    let expressions = items(selector, "matchExpressions").iter();
    expressions
        .flat_map(|expression| items(expression, "values"))
        .any(|value| !names::label_value(value.as_str().unwrap_or_default()).is_empty())
}

/// A selector with its fields in the order of its type, as messages show it; patches mix them up.
pub fn ordered(selector: &Value) -> Value {
    fn picked(object: &Value, names: &[&str]) -> Value {
        let given = names.iter().filter_map(|name| Some((*name, object.get(*name)?)));
        given.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
    if !selector.is_object() {
        return selector.clone();
    }
    let mut shown = picked(selector, &["matchLabels", "matchExpressions"]);
    if let Some(Value::Array(expressions)) = shown.get_mut("matchExpressions") {
        for expression in expressions {
            *expression = picked(expression, &["key", "operator", "values"]);
        }
    }
    shown
}

/// Whether a selector selects everything.
pub fn selects_all(selector: &Value) -> bool {
    items(selector, "matchExpressions").is_empty() && entries(selector, "matchLabels").count() == 0
}

/// Whether a `LabelSelector` matches a map of labels; an unknown operator matches nothing.
pub fn matches(selector: &Value, labels: &Value) -> bool {
    entries(selector, "matchLabels").all(|(key, value)| labels.get(key) == Some(value))
        && items(selector, "matchExpressions").iter().all(|e| expression_matches(e, labels))
}

fn expression_matches(expression: &Value, labels: &Value) -> bool {
    let key = text(expression, "key");
    let listed = || labels.get(key).is_some_and(|v| items(expression, "values").contains(v));
    match text(expression, "operator") {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => has(labels, key),
        "DoesNotExist" => !has(labels, key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_labels() {
        let selector_of = json!({"matchLabels": {"a": "b"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["d", "e"]}, {"key": "x", "operator": "DoesNotExist"}]});
        assert!(matches(&selector_of, &json!({"a": "b", "c": "e"})));
        assert!(!matches(&selector_of, &json!({"a": "b", "c": "e", "x": ""})));
        assert!(!matches(&selector_of, &json!({"a": "b"})));
        assert!(matches(&json!({}), &Value::Null));
        assert!(selector(&selector_of, &FieldPath::new("s")).is_empty());
    }

    #[test]
    fn selectors_as_messages_show_them() {
        let mixed = json!({"matchExpressions": [{"values": ["b"], "operator": "In", "key": "a"}],
            "matchLabels": {"z": "1", "a": "2"}});
        assert_eq!(
            ordered(&mixed).to_string(),
            "{\"matchLabels\":{\"z\":\"1\",\"a\":\"2\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"b\"]}]}"
        );
        assert_eq!(ordered(&Value::Null), Value::Null);
    }

    #[test]
    fn an_expression_without_values() {
        let errors = selector(
            &json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            &FieldPath::new("spec.selector"),
        );
        assert_eq!(
            errors[0].to_string(),
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"
        );
    }

    #[test]
    fn annotations_have_a_total_size() {
        let big = json!({"a": "x".repeat(ANNOTATIONS_BYTES_MAX)});
        assert_eq!(
            annotations(&big, &FieldPath::new("metadata.annotations"))[0].to_string(),
            "metadata.annotations: Too long: may not be more than 262144 bytes"
        );
    }
}
