//! Lists that are sets or maps hold no item twice.

use super::schema::{ListType, Schema};
use crate::managed_fields::compare::equal;
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::{Map, Value};

/// The repeated items of all lists in `object`.
pub fn errors(object: &Value, schema: &Schema) -> ErrorList {
    let mut errors = ErrorList::new();
    below(object, schema, &FieldPath::new(""), &mut errors);
    errors
}

fn below(value: &Value, schema: &Schema, path: &FieldPath, errors: &mut ErrorList) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(of) = schema.additional.schema() {
                    below(value, of, &path.key(name), errors);
                }
                if let Some(of) = schema.properties.get(name.as_str()) {
                    below(value, of, &path.child(name), errors);
                }
            }
        }
        Value::Array(items) => {
            match &schema.list {
                ListType::Atomic => {}
                ListType::Set => {
                    let twice = repeated(items.iter().collect::<Vec<_>>().as_slice());
                    errors.extend(
                        twice
                            .into_iter()
                            .map(|at| FieldError::duplicate(path.index(at), items[at].clone())),
                    );
                }
                ListType::Map(keys) => map_errors(items, keys, path, errors),
            }
            if let Some(of) = schema.items.as_deref() {
                for (at, item) in items.iter().enumerate() {
                    below(item, of, &path.index(at), errors);
                }
            }
        }
        _ => {}
    }
}

fn map_errors(items: &[Value], keys: &[Box<str>], path: &FieldPath, errors: &mut ErrorList) {
    for (at, item) in items.iter().enumerate() {
        if !item.is_object() && !item.is_null() {
            let detail = "must be an object for an array of list-type map";
            errors.push(FieldError::invalid(path.index(at), item.clone(), detail));
            return;
        }
    }
    let named: Vec<Value> = items.iter().map(|item| key_of(item, keys)).collect();
    let twice = repeated(named.iter().collect::<Vec<_>>().as_slice());
    errors.extend(
        twice.into_iter().map(|at| FieldError::duplicate(path.index(at), named[at].clone())),
    );
}

fn key_of(item: &Value, keys: &[Box<str>]) -> Value {
    let mut key = Map::new();
    for name in keys {
        if let Some(value) = item.get(&**name) {
            key.insert(name.to_string(), value.clone());
        }
    }
    Value::Object(key)
}

/// The place at which each repeated value comes for the second time.
fn repeated(values: &[&Value]) -> Vec<usize> {
    let mut order: Vec<(String, usize)> =
        values.iter().enumerate().map(|(at, value)| (value.to_string(), at)).collect();
    // Equal values of other spellings (1 and 1.0) are rare enough to be left to `equal`.
    order.sort();
    let mut twice = Vec::new();
    let mut run = 0;
    for pair in order.windows(2) {
        let same = pair[0].0 == pair[1].0 || equal(values[pair[0].1], values[pair[1].1]);
        run = if same { run + 1 } else { 0 };
        if run == 1 {
            twice.push(pair[1].1);
        }
    }
    twice.sort_unstable();
    twice
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(schema: Value, object: Value) -> Vec<String> {
        let schema = Schema::compile(&json!({"type": "object", "properties": {"l": schema}}));
        errors(&json!({"l": object}), &schema).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sets_and_maps() {
        let set =
            json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"});
        assert_eq!(
            said(set.clone(), json!(["a", "b", "a", "a", "b"])),
            ["l[2]: Duplicate value: \"a\"", "l[4]: Duplicate value: \"b\""]
        );
        assert!(said(set, json!(["a", "b"])).is_empty());
        let map = json!({"type": "array", "items": {"type": "object"},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "port"]});
        assert_eq!(
            said(
                map.clone(),
                json!([{"name": "m", "port": 1}, {"name": "m", "port": 2}, {"port": 1, "name": "m"}])
            ),
            ["l[2]: Duplicate value: {\"name\":\"m\",\"port\":1}"]
        );
        assert_eq!(
            said(map, json!([1])),
            ["l[0]: Invalid value: 1: must be an object for an array of list-type map"]
        );
    }
}
