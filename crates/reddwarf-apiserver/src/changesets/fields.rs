//! What differs between two states of an object, field by field.

use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// What every write changes, and says nothing.
const OF_THE_SERVER: [&str; 3] = ["resourceVersion", "generation", "managedFields"];

/// The fields that differ, each with its path and its values before and after.
pub(super) fn changed(mut before: Value, mut after: Value) -> Vec<Value> {
    for object in [&mut before, &mut after] {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|field, _| !OF_THE_SERVER.contains(&field.as_str()));
        }
    }
    let mut changed = Vec::new();
    compare(&mut String::new(), Some(&before), Some(&after), &mut changed);
    changed
}

fn compare(
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
    changed: &mut Vec<Value>,
) {
    match (before, after) {
        _ if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let new = after.keys().filter(|field| !before.contains_key(*field));
            for field in before.keys().chain(new) {
                below(path, &field_step(field), |path| {
                    compare(path, before.get(field), after.get(field), changed);
                });
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for at in 0..before.len().max(after.len()) {
                below(path, &format!("[{at}]"), |path| {
                    compare(path, before.get(at), after.get(at), changed);
                });
            }
        }
        _ => changed.push(difference(path, before, after)),
    }
}

fn difference(path: &str, before: Option<&Value>, after: Option<&Value>) -> Value {
    let mut shown = Map::from_iter([("path".to_owned(), json!(path))]);
    shown.extend(before.map(|value| ("before".to_owned(), value.clone())));
    shown.extend(after.map(|value| ("after".to_owned(), value.clone())));
    Value::Object(shown)
}

fn below(path: &mut String, step: &str, look: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    look(path);
    path.truncate(length);
}

/// `.name`, or `["a.b/c"]` where the name has other characters than those of fields.
fn field_step(field: &str) -> String {
    let mut step = String::new();
    // Writing to a string cannot fail.
    let _ = match !field.is_empty() && field.bytes().all(|b| b.is_ascii_alphanumeric()) {
        true => write!(step, ".{field}"),
        false => write!(step, "[{field:?}]"),
    };
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_differ() {
        let before = json!({
            "metadata": {"resourceVersion": "1", "labels": {"app.io/name": "a"}},
            "spec": {"replicas": 1, "gone": true, "list": [1, 2], "same": {"a": 1}},
        });
        let after = json!({
            "metadata": {"resourceVersion": "2", "labels": {"app.io/name": "b"}},
            "spec": {"replicas": 2, "list": [1, 3, 4], "same": {"a": 1}},
        });
        assert_eq!(
            changed(before.clone(), after),
            [
                json!({"path": ".metadata.labels[\"app.io/name\"]", "before": "a", "after": "b"}),
                json!({"path": ".spec.replicas", "before": 1, "after": 2}),
                json!({"path": ".spec.gone", "before": true}),
                json!({"path": ".spec.list[1]", "before": 2, "after": 3}),
                json!({"path": ".spec.list[2]", "after": 4}),
            ]
        );
        assert_eq!(changed(before.clone(), before), Vec::<Value>::new());
    }
}
