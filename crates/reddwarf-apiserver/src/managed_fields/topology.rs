//! What a kind says of its lists and maps, for comparing and merging its objects outside of
//! server-side apply: the same as it says there.

use super::typed::{Atom, ListType, Relation as ListRelation, Type};
use super::versions::type_of;
use crate::registry::Kind;
use crate::schema::Expected;
use reddwarf_core::{FieldPath, PathSegment, Relation, Schemaless, Topology};
use serde_json::Value;

/// The topology of a kind's objects in the kind's version; stored ones have the storage version.
#[derive(Clone, Copy)]
pub struct KindTopology<'k>(Type<'k>);

impl<'k> KindTopology<'k> {
    /// The topology of objects of `kind`, built in or custom.
    pub fn of(kind: &'k Kind) -> Self {
        KindTopology(type_of(Expected::of(kind)))
    }
}

impl Topology for KindTopology<'_> {
    fn relation(&self, path: &FieldPath, value: &Value) -> Relation {
        let ty = path.segments().iter().try_fold(self.0, part);
        match ty.map(|ty| ty.atom(Some(value))) {
            None => Schemaless.relation(path, value),
            Some(Atom::Map(map)) if value.is_object() && !map.atomic => Relation::Granular,
            Some(Atom::List(list)) if value.is_array() => relation(&list),
            Some(_) => Relation::Atomic,
        }
    }
}

/// The type of what a segment selects; `None` when the type has no such part.
fn part<'k>(ty: Type<'k>, segment: &PathSegment) -> Option<Type<'k>> {
    match (ty.atom(None), segment) {
        (Atom::Map(map), PathSegment::Field(name)) => map.child(name).map(|child| child.ty),
        (Atom::List(list), PathSegment::Key(_) | PathSegment::Value(_)) => Some(list.item),
        _ => None,
    }
}

fn relation(list: &ListType<'_>) -> Relation {
    match list.relation {
        ListRelation::Atomic => Relation::Atomic,
        ListRelation::Set => Relation::Set,
        ListRelation::Keyed(keys) => {
            Relation::Keyed(keys.names().map(|key| (*key).into()).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::custom::Schema;
    use crate::registry::Registry;
    use serde_json::json;

    fn field(name: &str) -> PathSegment {
        PathSegment::field(name)
    }

    fn item() -> PathSegment {
        PathSegment::Key(vec![("name".into(), json!("web"))])
    }

    fn keyed(keys: &[&str]) -> Relation {
        Relation::Keyed(keys.iter().map(|key| (*key).into()).collect())
    }

    fn assert_relations(topology: &dyn Topology, cases: Vec<(Vec<PathSegment>, Value, Relation)>) {
        for (path, value, expected) in cases {
            let path = FieldPath::from(path);
            assert_eq!(topology.relation(&path, &value), expected, "{path} {value}");
        }
    }

    #[test]
    fn of_a_built_in_kind() {
        let registry = Registry::builtin();
        let kind = registry.resource("apps", "v1", "deployments").expect("a kind");
        let pod = || vec![field("spec"), field("template"), field("spec")];
        let container = || [pod(), vec![field("containers"), item()]].concat();
        let below = |path: Vec<PathSegment>, name: &str| [path, vec![field(name)]].concat();
        assert_relations(
            &KindTopology::of(kind),
            vec![
                (vec![], json!({}), Relation::Granular),
                (pod(), json!({}), Relation::Granular),
                (below(pod(), "containers"), json!([]), keyed(&["name"])),
                (container(), json!({}), Relation::Granular),
                (below(container(), "ports"), json!([]), keyed(&["containerPort", "protocol"])),
                (below(container(), "args"), json!([]), Relation::Atomic),
                (below(pod(), "nodeSelector"), json!({}), Relation::Atomic),
                (vec![field("metadata"), field("labels")], json!({}), Relation::Granular),
                (vec![field("metadata"), field("finalizers")], json!([]), Relation::Set),
                (vec![field("metadata"), field("managedFields")], json!([]), Relation::Atomic),
                (vec![field("metadata"), field("ownerReferences")], json!([]), keyed(&["uid"])),
                (vec![field("unknown"), field("list")], json!([]), Relation::Atomic),
                (vec![field("unknown"), field("map")], json!({}), Relation::Granular),
                (vec![field("spec"), field("replicas")], json!([]), Relation::Atomic),
            ],
        );
    }

    #[test]
    fn of_a_custom_kind() {
        let ports = json!({"type": "array", "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["port"],
            "items": {"type": "object", "properties": {"port": {"type": "integer"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set",
                    "items": {"type": "string"}}}}});
        let schema = Schema::compile(&json!({"type": "object", "properties": {"spec": {
        "type": "object", "properties": {
            "ports": ports,
            "plain": {"type": "array", "items": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic"},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}}}));
        let spec = |name: &str| vec![field("spec"), field(name)];
        let port = PathSegment::Key(vec![("port".into(), json!(80))]);
        assert_relations(
            &KindTopology(Type::custom(&schema)),
            vec![
                (spec("ports"), json!([]), keyed(&["port"])),
                ([spec("ports"), vec![port, field("tags")]].concat(), json!([]), Relation::Set),
                (spec("plain"), json!([]), Relation::Atomic),
                (spec("whole"), json!({}), Relation::Atomic),
                ([spec("open"), vec![field("x")]].concat(), json!({}), Relation::Granular),
                ([spec("open"), vec![field("x")]].concat(), json!([]), Relation::Atomic),
                (vec![field("metadata"), field("finalizers")], json!([]), Relation::Set),
            ],
        );
    }
}
