//! Who owns the fields of a merged object.

use reddwarf_core::Schemaless;
use reddwarf_versioning::{Side, merge};
use serde_json::{Map, Value, json};

/// The `managedFields` of a merge: each manager's sets of fields, merged as sets.
pub(crate) fn merged(base: &Value, ours: &Value, theirs: &Value) -> Value {
    let [base, ours, theirs] = [base, ours, theirs].map(by_manager);
    let theirs_first = |_: &_| Some(Side::Theirs);
    let merged = merge(Some(&base), Some(&ours), Some(&theirs), &Schemaless, &theirs_first);
    let entries = merged.value.unwrap_or_default();
    let entries = entries.as_object().into_iter().flat_map(|map| map.values());
    let owning = |entry: &&Value| entry["fieldsV1"].as_object().is_some_and(|set| !set.is_empty());
    entries.filter(owning).cloned().collect::<Vec<_>>().into()
}

/// Entries by what tells them apart.
fn by_manager(object: &Value) -> Value {
    let mut entries = Map::new();
    for entry in object["metadata"]["managedFields"].as_array().into_iter().flatten() {
        let parts = ["manager", "operation", "apiVersion", "subresource"].map(|part| &entry[part]);
        entries.insert(json!(parts).to_string(), entry.clone());
    }
    entries.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(entries: &[(&str, &[&str])]) -> Value {
        let entries = entries.iter().map(|(manager, fields)| {
            let fields: Map<String, Value> =
                fields.iter().map(|field| (format!("f:{field}"), json!({}))).collect();
            json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields})
        });
        json!({"metadata": {"managedFields": entries.collect::<Vec<_>>()}})
    }

    #[test]
    fn owners_of_both_sides_stay() {
        let base = object(&[("a", &["x", "y"]), ("b", &["z"])]);
        let ours = object(&[("a", &["x", "y"]), ("b", &["z", "w"])]);
        let theirs = object(&[("a", &["x"]), ("b", &["z"]), ("c", &["y"])]);
        let expected = object(&[("a", &["x"]), ("b", &["z", "w"]), ("c", &["y"])]);
        let merged = merged(&base, &ours, &theirs);
        assert_eq!(merged, expected["metadata"]["managedFields"]);
    }

    #[test]
    fn who_owns_nothing_is_left_out() {
        let base = object(&[("a", &["x"])]);
        let theirs = object(&[("b", &["x"])]);
        let expected = object(&[("b", &["x"])]);
        assert_eq!(merged(&base, &base, &theirs), expected["metadata"]["managedFields"]);
    }
}
