//! The set of fields that a value mentions.

use super::element::PathElement;
use super::item;
use super::set::{Node, Set};
use super::typed::{Atom, ListType, MapType, Relation, Type};
use serde_json::{Map, Value};

/// Every leaf, every item of a list and every entry of a map in `value`.
///
/// Items that cannot be told apart are left out: whoever applies them is refused before.
pub fn field_set<'a>(ty: Type<'_>, value: &'a Value) -> Set<'a> {
    of(ty, value).children
}

/// What a value adds below its parent.
struct Contents<'a> {
    /// Whether the value itself is a leaf.
    leaf: bool,
    children: Set<'a>,
}

impl Contents<'_> {
    const LEAF: Contents<'static> = Contents { leaf: true, children: Set::EMPTY };
    const NOTHING: Contents<'static> = Contents { leaf: false, children: Set::EMPTY };
}

fn of<'a>(ty: Type<'_>, value: &'a Value) -> Contents<'a> {
    match (ty.atom(Some(value)), value) {
        (Atom::Scalar(_), _) => Contents::LEAF,
        (Atom::List(ListType { relation: Relation::Atomic, .. }), _) => Contents::LEAF,
        (Atom::Map(MapType { atomic: true, .. }), _) => Contents::LEAF,
        (Atom::List(list), Value::Array(items)) => {
            Contents { leaf: false, children: of_items(&list, items) }
        }
        (Atom::Map(map), Value::Object(fields)) => {
            Contents { leaf: false, children: of_fields(&map, fields) }
        }
        _ => Contents::NOTHING,
    }
}

fn of_fields<'a>(map: &MapType<'_>, fields: &'a Map<String, Value>) -> Set<'a> {
    let nodes = fields.iter().filter_map(|(name, value)| {
        let child = map.child(name)?;
        let contents = of(child.ty, value);
        let hollow = match value {
            Value::Null => true,
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        Some(Node {
            element: PathElement::field(name),
            member: contents.leaf || hollow || !child.named,
            children: contents.children,
        })
    });
    Set::of_nodes(nodes.collect())
}

fn of_items<'a>(list: &ListType<'_>, items: &'a [Value]) -> Set<'a> {
    let named = items.iter().filter_map(|item| Some((item::element(list, item).ok()?, item)));
    let mut named: Vec<(PathElement<'a>, &'a Value)> = named.collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut nodes = Vec::with_capacity(named.len());
    let mut named = named.into_iter().peekable();
    while let Some((element, item)) = named.next() {
        // Items of the same name are owned as one: nothing below them is.
        let mut alone = true;
        while named.next_if(|(other, _)| *other == element).is_some() {
            alone = false;
        }
        let children = if alone { of(list.item, item).children } else { Set::EMPTY };
        nodes.push(Node { element, member: true, children });
    }
    Set::of_nodes(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::fields_v1;
    use crate::schema;
    use serde_json::json;

    fn fields(group: &str, kind: &str, object: Value) -> Value {
        let graph = schema::builtin();
        let ty = Type::of(graph, graph.kind(group, "v1", kind).expect("a kind"));
        fields_v1::encode(&field_set(ty, &object))
    }

    #[test]
    fn maps_are_owned_by_key() {
        let object = json!({"metadata": {"labels": {"a": "1"}, "annotations": {}}, "data": null});
        assert_eq!(
            fields("", "ConfigMap", object),
            json!({"f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {}}, "f:data": {}})
        );
    }

    #[test]
    fn lists_by_key_by_value_and_as_one() {
        let object = json!({
            "metadata": {"finalizers": ["x/y"]},
            "spec": {
                "containers": [{"name": "c", "args": ["a"], "ports": [{"containerPort": 80}]}],
                "nodeSelector": {"a": "b"},
            },
        });
        assert_eq!(
            fields("", "Pod", object),
            json!({
                "f:metadata": {"f:finalizers": {"v:\"x/y\"": {}}},
                "f:spec": {
                    "f:containers": {"k:{\"name\":\"c\"}": {
                        ".": {}, "f:name": {}, "f:args": {},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                            ".": {}, "f:containerPort": {},
                        }},
                    }},
                    "f:nodeSelector": {},
                },
            })
        );
    }

    #[test]
    fn items_of_one_name_are_one() {
        let env = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
        let object = json!({"spec": {"containers": [{"name": "c", "env": env}]}});
        assert_eq!(
            fields("", "Pod", object)["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"]["f:env"],
            json!({"k:{\"name\":\"A\"}": {}})
        );
    }

    #[test]
    fn what_has_no_schema_is_owned_by_key() {
        let object = json!({"spec": {"a": {"b": [1, 2]}}});
        let set = fields_v1::encode(&field_set(Type::DEDUCED, &object));
        assert_eq!(set, json!({"f:spec": {".": {}, "f:a": {".": {}, "f:b": {}}}}));
    }
}
