//! What of an object a webhook may not change: all of its metadata but labels and annotations.

use crate::custom::decode::go_type;
use crate::object::{meta, set_meta};
use crate::validation::{ErrorList, FieldPath, labels};
use serde_json::{Map, Value};

/// Checks that two objects are the same one.
///
/// # Errors
/// The bare text of what differs.
pub(super) fn check(original: &Value, converted: &Value) -> Result<(), String> {
    let kind = |object: &'_ Value| object["kind"].as_str().unwrap_or_default().to_owned();
    let mut pairs = vec![("kind", kind(original), kind(converted))];
    for (what, field) in [("name", "name"), ("namespace", "namespace"), ("UID", "uid")] {
        pairs.push((what, meta(original, field).into(), meta(converted, field).into()));
    }
    match pairs.into_iter().find(|(_, original, converted)| original != converted) {
        Some((what, original, converted)) => {
            Err(format!("must have the same {what}: {original} != {converted}"))
        }
        None => Ok(()),
    }
}

/// The converted object with the original's metadata, of which only labels and annotations are
/// the webhook's. Type and metadata come first, as in stored objects.
///
/// # Errors
/// The bare text of what is wrong with the metadata.
pub(super) fn restored(original: &Value, mut converted: Value) -> Result<Value, String> {
    let fields = match &mut converted {
        Value::Object(fields) => std::mem::take(fields),
        _ => Map::new(),
    };
    let given = match fields.get("metadata") {
        None => return Err("missing metadata in converted object".into()),
        Some(Value::Object(given)) => given,
        Some(other) => {
            return Err(format!("invalid metadata of type {} in converted object", go_type(other)));
        }
    };
    let mut out = Map::new();
    for name in ["kind", "apiVersion"] {
        out.insert(name.into(), fields.get(name).cloned().unwrap_or_default());
    }
    out.insert("metadata".into(), original["metadata"].clone());
    let mut object = Value::Object(out);
    for field in ["labels", "annotations"] {
        let given = given.get(field).filter(|given| !given.is_null());
        if let Some(given) = given {
            check_map(field, given, original["metadata"].get(field))?;
        }
        set_meta(&mut object, field, given.cloned());
    }
    if let Value::Object(out) = &mut object {
        let rest = fields.into_iter().filter(|(name, _)| name != "metadata");
        out.extend(rest);
    }
    Ok(object)
}

/// Checks labels or annotations that the webhook gave; those that did not change may be invalid.
fn check_map(field: &str, given: &Value, original: Option<&Value>) -> Result<(), String> {
    let Value::Object(entries) = given else {
        let ty = go_type(given);
        return Err(format!("invalid metadata.{field} of type {ty} in converted object"));
    };
    if let Some((key, value)) = entries.iter().find(|(_, value)| !value.is_string()) {
        let ty = go_type(value);
        return Err(format!(
            "metadata.{field}[{key}] must be a string, but is {ty} in converted object"
        ));
    }
    if original == Some(given) {
        return Ok(());
    }
    let path = FieldPath::new("metadata");
    let errors = match field {
        "labels" => labels::labels(given, &path.child("labels")),
        // Upstream's path lacks the last letter.
        _ => labels::annotations(given, &path.child("annotation")),
    };
    if errors.is_empty() { Ok(()) } else { Err(joined(&errors)) }
}

fn joined(errors: &ErrorList) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match &texts[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn original() -> Value {
        json!({"kind": "W", "apiVersion": "g/v1", "spec": {}, "metadata": {
            "name": "n", "namespace": "a", "uid": "u", "resourceVersion": "7",
            "labels": {"l": "1"}, "finalizers": ["x/y"]}})
    }

    #[test]
    fn the_same_object_comes_back() {
        let with = |field: &str, value: &str| {
            let mut converted = original();
            converted["metadata"][field] = value.into();
            check(&original(), &converted)
        };
        assert_eq!(with("name", "n"), Ok(()));
        let other = |what: &str, old: &str| Err(format!("must have the same {what}: {old} != z"));
        assert_eq!(with("name", "z"), other("name", "n"));
        assert_eq!(with("namespace", "z"), other("namespace", "a"));
        assert_eq!(with("uid", "z"), other("UID", "u"));
    }

    #[test]
    fn only_labels_and_annotations_are_the_webhooks() {
        let converted = json!({"spec": {"x": 1}, "apiVersion": "g/v2", "kind": "W", "metadata": {
            "name": "n", "generation": 9, "finalizers": [], "annotations": {"a": "2"}}});
        assert_eq!(
            restored(&original(), converted).expect("metadata").to_string(),
            r#"{"kind":"W","apiVersion":"g/v2","metadata":{"name":"n","namespace":"a","uid":"u","resourceVersion":"7","finalizers":["x/y"],"annotations":{"a":"2"}},"spec":{"x":1}}"#
        );
    }

    #[test]
    fn what_is_wrong_with_metadata() {
        let said = |metadata: Value| {
            let converted = json!({"apiVersion": "g/v2", "kind": "W", "metadata": metadata});
            restored(&original(), converted).expect_err("refused")
        };
        assert_eq!(
            restored(&original(), json!({})).expect_err("refused"),
            "missing metadata in converted object"
        );
        assert_eq!(said(json!("m")), "invalid metadata of type string in converted object");
        assert_eq!(
            said(json!({"labels": ["l"]})),
            "invalid metadata.labels of type []interface {} in converted object"
        );
        assert_eq!(
            said(json!({"annotations": {"a": 1}})),
            "metadata.annotations[a] must be a string, but is int64 in converted object"
        );
        assert!(
            said(json!({"labels": {"a b": "1"}})).starts_with("metadata.labels: Invalid value"),
        );
    }

    #[test]
    fn labels_that_were_invalid_before_may_stay_so() {
        let mut original = original();
        original["metadata"]["labels"] = json!({"a b": "1"});
        let converted = json!({"metadata": {"labels": {"a b": "1"}}});
        assert!(restored(&original, converted).is_ok());
    }
}
