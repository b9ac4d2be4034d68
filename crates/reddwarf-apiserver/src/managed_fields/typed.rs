//! What the type graph says of merging: whether a value is a leaf, how its items are told apart.

use crate::schema::model::{Field, Graph, Omit, Shape, Struct, Topology, TypeId};
use serde_json::Value;

/// The type of a value, where it stands.
#[derive(Clone, Copy)]
pub struct Type<'g>(Of<'g>);

#[derive(Clone, Copy)]
enum Of<'g> {
    /// A type of the graph; the field through which it is reached says how lists and maps merge.
    Known { graph: &'g Graph, id: TypeId, field: Option<&'g Field> },
    /// Whatever the value is: maps are merged by key, lists are leaves.
    Deduced,
    /// Whatever the value is, as one leaf.
    Untyped,
}

/// A type as merging sees it.
pub enum Atom<'g> {
    /// A leaf.
    Scalar(ScalarType),
    /// A list.
    List(ListType<'g>),
    /// A struct or map.
    Map(MapType<'g>),
}

/// What a scalar must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarType {
    /// A number.
    Numeric,
    /// Text.
    Text,
    /// A boolean.
    Bool,
    /// Any of them.
    Any,
}

/// A list.
#[derive(Clone, Copy)]
pub struct ListType<'g> {
    /// The type of its items.
    pub item: Type<'g>,
    /// How they are told apart.
    pub relation: Relation<'g>,
}

/// How the items of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation<'g> {
    /// Not at all: the list is a leaf.
    Atomic,
    /// By their values.
    Set,
    /// By these fields.
    Keyed(&'g [&'static str]),
}

/// A struct or map.
#[derive(Clone, Copy)]
pub struct MapType<'g> {
    /// Whether it is a leaf.
    pub atomic: bool,
    fields: Option<(&'g Graph, &'g Struct)>,
    values: Option<Type<'g>>,
}

/// The type of a field or entry.
#[derive(Clone, Copy)]
pub struct Child<'g> {
    /// The type.
    pub ty: Type<'g>,
    /// Whether the name is one of a struct's, rather than a key of a map.
    pub named: bool,
}

impl<'g> Type<'g> {
    /// The type of a whole object.
    pub fn of(graph: &'g Graph, id: TypeId) -> Self {
        Type(Of::Known { graph, id, field: None })
    }

    /// The type of an object whose kind has no schema.
    pub const DEDUCED: Type<'static> = Type(Of::Deduced);

    /// What it is for `value`; a type that takes several forms shows the one of the value.
    pub fn atom(&self, value: Option<&Value>) -> Atom<'g> {
        match self.0 {
            Of::Known { graph, id, field } => known(graph, id, field, value),
            Of::Deduced => any(value, Type(Of::Deduced), false),
            Of::Untyped => any(value, Type(Of::Untyped), true),
        }
    }
}

/// The atom of a type that takes any JSON.
fn any<'g>(value: Option<&Value>, below: Type<'g>, atomic: bool) -> Atom<'g> {
    match value {
        None | Some(Value::Null | Value::Object(_)) => {
            Atom::Map(MapType { atomic, fields: None, values: Some(below) })
        }
        Some(Value::Array(_)) => {
            Atom::List(ListType { item: Type(Of::Untyped), relation: Relation::Atomic })
        }
        Some(_) => Atom::Scalar(ScalarType::Any),
    }
}

fn known<'g>(
    graph: &'g Graph,
    id: TypeId,
    field: Option<&'g Field>,
    value: Option<&Value>,
) -> Atom<'g> {
    let topology = field.map_or(&Topology::Unsaid, |f| &f.topology);
    let ty = graph.get(id);
    match &ty.shape {
        Shape::Bool => Atom::Scalar(ScalarType::Bool),
        Shape::Int32 | Shape::Int64 | Shape::Float => Atom::Scalar(ScalarType::Numeric),
        Shape::String | Shape::Bytes => Atom::Scalar(ScalarType::Text),
        // The schema gives these a format, or more than one type.
        Shape::Time | Shape::MicroTime | Shape::Quantity | Shape::IntOrString => {
            Atom::Scalar(ScalarType::Any)
        }
        Shape::Any if &*ty.go == "runtime.RawExtension" => any(value, Type(Of::Untyped), true),
        Shape::Any | Shape::PropsOr(..) => any(value, Type(Of::Deduced), false),
        Shape::List(item) => Atom::List(ListType {
            item: Type(Of::Known { graph, id: *item, field: None }),
            relation: relation(field, topology),
        }),
        Shape::Map(of) => Atom::Map(MapType {
            atomic: *topology == Topology::AtomicMap,
            fields: None,
            values: Some(Type(Of::Known { graph, id: *of, field: None })),
        }),
        Shape::Struct(s) => Atom::Map(MapType {
            atomic: match topology {
                Topology::AtomicMap => true,
                Topology::GranularMap => false,
                _ => s.atomic,
            },
            fields: Some((graph, s)),
            values: None,
        }),
    }
}

/// A list that says nothing of server-side apply is merged as strategic merge would.
fn relation<'g>(field: Option<&'g Field>, topology: &'g Topology) -> Relation<'g> {
    match (topology, field) {
        (Topology::Set, _) => Relation::Set,
        (Topology::MapList(keys), _) => Relation::Keyed(keys),
        (Topology::Unsaid, Some(field)) if field.patch.merge => match field.patch.key.as_slice() {
            [] => Relation::Set,
            keys => Relation::Keyed(keys),
        },
        _ => Relation::Atomic,
    }
}

impl<'g> MapType<'g> {
    /// The type of what `name` selects; `None` when a struct has no such field.
    pub fn child(&self, name: &str) -> Option<Child<'g>> {
        if let Some((graph, s)) = self.fields {
            let field = s.field(name)?;
            let ty = Type(Of::Known { graph, id: field.ty, field: Some(field) });
            return Some(Child { ty, named: true });
        }
        self.values.map(|ty| Child { ty, named: false })
    }

    /// The value that a key field of a list item has when the item does not name it.
    ///
    /// Upstream's documents declare the zero value as the default of a field that is always
    /// written.
    pub fn default_of(&self, name: &str) -> Option<Value> {
        let (graph, s) = self.fields?;
        let field = s.field(name)?;
        if let Some(default) = field.default {
            return serde_json::from_str(default).ok();
        }
        let always = field.omit == Omit::Never && !field.pointer;
        Some(graph.zero_of(field.ty)).filter(|zero| always && !zero.is_null())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use serde_json::json;

    fn at(kind: &str, path: &str) -> Atom<'static> {
        let graph = schema::builtin();
        let id = graph.kind("", "v1", kind).expect("a kind");
        let mut ty = Type::of(graph, id);
        for name in path.split('.') {
            let atom = match ty.atom(None) {
                Atom::List(list) => list.item.atom(None),
                atom => atom,
            };
            let Atom::Map(map) = atom else { panic!("{name} is below a leaf") };
            ty = map.child(name).expect("a field").ty;
        }
        ty.atom(None)
    }

    fn relation_at(kind: &str, path: &str) -> Relation<'static> {
        match at(kind, path) {
            Atom::List(list) => list.relation,
            _ => panic!("{path} is no list"),
        }
    }

    #[test]
    fn lists() {
        let ports = relation_at("Pod", "spec.containers.ports");
        assert_eq!(ports, Relation::Keyed(&["containerPort", "protocol"]));
        assert_eq!(relation_at("Pod", "spec.containers.args"), Relation::Atomic);
        assert_eq!(relation_at("Pod", "metadata.finalizers"), Relation::Set);
    }

    #[test]
    fn maps_and_structs() {
        let atomic = |path| matches!(at("Pod", path), Atom::Map(map) if map.atomic);
        assert!(
            atomic("spec.nodeSelector") && atomic("spec.containers.env.valueFrom.secretKeyRef")
        );
        assert!(!atomic("metadata.labels") && !atomic("spec"));
    }

    #[test]
    fn keys_have_defaults() {
        let Atom::List(ports) = at("Service", "spec.ports") else { panic!("a list") };
        let Atom::Map(port) = ports.item.atom(None) else { panic!("a struct") };
        assert_eq!(port.default_of("protocol"), Some(json!("TCP")));
        assert_eq!(port.default_of("port"), Some(json!(0)));
        assert_eq!(port.default_of("name"), None);
    }
}
