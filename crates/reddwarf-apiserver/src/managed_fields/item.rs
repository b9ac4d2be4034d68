//! How an item of a list is named in a path.

use super::element::PathElement;
use super::leaf::Leaf;
use super::typed::{Atom, Keys, ListType, Relation};
use serde_json::{Map, Value};
use std::borrow::Cow;
use thiserror::Error;

/// An item that cannot be told apart from the others; upstream's texts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Nameless {
    /// A null in a keyed list.
    #[error("associative list with keys may not have a null element")]
    NullInKeyed,
    /// A scalar or list in a keyed list.
    #[error("associative list with keys may not have non-map elements")]
    NotAMap,
    /// None of the keys is there.
    #[error(
        "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
        quoted(.0)
    )]
    WithoutKeys(Vec<String>),
    /// An object in a set.
    #[error("associative list without keys has an element that's a map type")]
    MapInSet,
    /// A list in a set.
    #[error("not supported: associative list with lists as elements")]
    ListInSet,
    /// A null in a set.
    #[error("associative list without keys has an element that's an explicit null")]
    NullInSet,
    /// The list is a leaf.
    #[error("invalid indexing of non-associative list")]
    Atomic,
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(" ")
}

/// The path element of `item`.
///
/// # Errors
/// See [`Nameless`].
pub fn element<'a>(list: &ListType<'_>, item: &'a Value) -> Result<PathElement<'a>, Nameless> {
    match (list.relation, item) {
        (Relation::Keyed(keys), Value::Object(fields)) => keyed(list, keys, fields),
        (Relation::Keyed(_), Value::Null) => Err(Nameless::NullInKeyed),
        (Relation::Keyed(_), _) => Err(Nameless::NotAMap),
        (Relation::Set, Value::Object(_)) => Err(Nameless::MapInSet),
        (Relation::Set, Value::Array(_)) => Err(Nameless::ListInSet),
        (Relation::Set, Value::Null) => Err(Nameless::NullInSet),
        (Relation::Set, scalar) => Ok(PathElement::Value(Leaf::of(scalar))),
        (Relation::Atomic, _) => Err(Nameless::Atomic),
    }
}

fn keyed<'a>(
    list: &ListType<'_>,
    names: Keys<'_>,
    fields: &'a Map<String, Value>,
) -> Result<PathElement<'a>, Nameless> {
    let mut keys = Vec::with_capacity(names.count());
    for name in names.names() {
        let leaf = match fields.get(&*name) {
            Some(value) => Some(Leaf::of(value)),
            None => default_of(list, &name).map(Leaf::owned),
        };
        keys.extend(leaf.map(|leaf| (name, leaf)));
    }
    match keys.is_empty() {
        true => Err(Nameless::WithoutKeys(names.names().map(Cow::into_owned).collect())),
        false => Ok(PathElement::key(keys)),
    }
}

fn default_of(list: &ListType<'_>, name: &str) -> Option<Value> {
    match list.item.atom(None) {
        Atom::Map(item) => item.default_of(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::typed::Type;
    use crate::schema;
    use serde_json::json;

    fn list(group: &str, kind: &str, path: &[&str]) -> ListType<'static> {
        let graph = schema::builtin();
        let mut ty = Type::of(graph, graph.kind(group, "v1", kind).expect("a kind"));
        for name in path {
            let Atom::Map(map) = ty.atom(None) else { panic!("{name} is below a leaf") };
            ty = map.child(name).expect("a field").ty;
        }
        match ty.atom(None) {
            Atom::List(list) => list,
            _ => panic!("no list"),
        }
    }

    #[test]
    fn a_missing_key_takes_its_default() {
        let ports = list("", "Service", &["spec", "ports"]);
        let item = json!({"port": 80});
        let element = element(&ports, &item).expect("named");
        assert_eq!(element.to_string(), r#"[port=80,protocol="TCP"]"#);
    }

    #[test]
    fn items_without_a_name() {
        let ports = list("", "Service", &["spec", "ports"]);
        assert_eq!(element(&ports, &json!(null)), Err(Nameless::NullInKeyed));
        assert_eq!(element(&ports, &json!(1)), Err(Nameless::NotAMap));
        let finalizers = list("", "Pod", &["metadata", "finalizers"]);
        assert_eq!(element(&finalizers, &json!({})), Err(Nameless::MapInSet));
        assert_eq!(
            element(&finalizers, &json!("a/b")).map(|e| e.to_text()).ok().as_deref(),
            Some("v:\"a/b\"")
        );
    }

    #[test]
    fn an_item_without_any_key() {
        let resources = list("", "Pod", &["status", "containerStatuses"]);
        assert_eq!(resources.relation, Relation::Atomic);
        let devices = list("resource.k8s.io", "ResourceClaim", &["status", "devices"]);
        let item = json!({"driver": "d", "pool": "p", "device": "x"});
        assert_eq!(
            element(&devices, &item).expect("named").to_text(),
            r#"k:{"device":"x","driver":"d","pool":"p"}"#
        );
    }
}
