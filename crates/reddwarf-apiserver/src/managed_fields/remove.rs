//! Takes fields out of an object.

use super::element::PathElement;
use super::item;
use super::set::Set;
use super::typed::{Atom, ListType, MapType, Relation, Type};
use serde_json::{Map, Value};

/// `value` without the members of `fields`; a list or map that loses everything becomes null,
/// which decoding leaves out.
pub fn remove(ty: Type<'_>, value: &Value, fields: &Set<'_>) -> Value {
    match (ty.atom(Some(value)), value) {
        (Atom::List(list), Value::Array(items)) if list.relation != Relation::Atomic => {
            let kept = from_list(&list, items, fields);
            if kept.is_empty() { Value::Null } else { Value::Array(kept) }
        }
        (Atom::Map(map), Value::Object(entries)) if !map.atomic => {
            let kept = from_map(&map, entries, fields);
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Atom::Scalar(_), _) => value.clone(),
        _ => Value::Null,
    }
}

fn from_list(list: &ListType<'_>, items: &[Value], fields: &Set<'_>) -> Vec<Value> {
    let kept = items.iter().filter_map(|item| {
        let element = item::element(list, item).ok();
        match element.and_then(|element| fields.get(&element)) {
            None => Some(item.clone()),
            Some(node) if node.member => None,
            Some(node) => Some(remove(list.item, item, &node.children)),
        }
    });
    kept.collect()
}

fn from_map(
    map: &MapType<'_>,
    entries: &Map<String, Value>,
    fields: &Set<'_>,
) -> Map<String, Value> {
    let kept = entries.iter().filter_map(|(name, value)| {
        let kept = match (fields.get(&PathElement::field(name)), map.child(name)) {
            (Some(node), _) if node.member => return None,
            (None, _) | (_, None) => value.clone(),
            (Some(node), Some(child)) => remove(child.ty, value, &node.children),
        };
        Some((name.clone(), kept))
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::fields_v1;
    use crate::schema;
    use serde_json::json;

    fn without(object: Value, fields: Value) -> Value {
        let graph = schema::builtin();
        let ty = Type::of(graph, graph.kind("", "v1", "Pod").expect("a kind"));
        remove(ty, &object, &fields_v1::decode(&fields).expect("a set"))
    }

    #[test]
    fn entries_and_items() {
        let pod = json!({
            "metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/y", "x/z"]},
            "spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d"}]},
        });
        assert_eq!(
            without(
                pod,
                json!({
                    "f:metadata": {"f:labels": {"f:a": {}}, "f:finalizers": {"v:\"x/y\"": {}}},
                    "f:spec": {"f:containers": {
                        "k:{\"name\":\"c\"}": {"f:image": {}}, "k:{\"name\":\"d\"}": {},
                    }},
                })
            ),
            json!({
                "metadata": {"labels": {"b": "2"}, "finalizers": ["x/z"]},
                "spec": {"containers": [{"name": "c"}]},
            })
        );
    }

    #[test]
    fn what_loses_everything_becomes_null() {
        assert_eq!(
            without(
                json!({"metadata": {"labels": {"a": "1"}}}),
                json!({"f:metadata": {"f:labels": {"f:a": {}}}})
            ),
            json!({"metadata": {"labels": null}})
        );
    }

    #[test]
    fn leaves_are_taken_whole() {
        let pod = json!({"spec": {"nodeSelector": {"a": "1"}, "nodeName": "n"}});
        assert_eq!(
            without(pod, json!({"f:spec": {"f:nodeSelector": {}}})),
            json!({"spec": {"nodeName": "n"}})
        );
    }
}
