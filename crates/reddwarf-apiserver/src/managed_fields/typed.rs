//! What the type graph, or a custom kind's schema, says of merging: whether a value is a leaf, how
//! its items are told apart.

use crate::custom::Schema;
use crate::custom::prune::TYPE_AND_METADATA;
use crate::custom::schema::{Additional, ListType as ListOf};
use crate::schema;
use crate::schema::model::{Field, Graph, Omit, Shape, Struct, Topology, TypeId};
use serde_json::Value;
use std::borrow::Cow;

/// The type of a value, where it stands.
#[derive(Clone, Copy)]
pub struct Type<'g>(Of<'g>);

#[derive(Clone, Copy)]
enum Of<'g> {
    /// A type of the graph; the field through which it is reached says how lists and maps merge.
    Known { graph: &'g Graph, id: TypeId, field: Option<&'g Field> },
    /// A value of a custom kind; a resource has type and metadata besides its own fields.
    Custom { schema: &'g Schema, resource: bool },
    /// Whatever the value is: maps are merged by key, lists are leaves.
    Deduced,
    /// Whatever the value is, as one leaf.
    Untyped,
    /// A text.
    Text,
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
    Keyed(Keys<'g>),
}

/// The names of the fields that tell the items of a list apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys<'g> {
    /// Of a built-in kind.
    Builtin(&'g [&'static str]),
    /// Of a custom kind.
    Custom(&'g [Box<str>]),
}

impl Keys<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Keys::Builtin(names) => names.len(),
            Keys::Custom(names) => names.len(),
        }
    }

    /// The names, in their order.
    pub fn names(&self) -> impl Iterator<Item = Cow<'static, str>> {
        (0..self.count()).map(|at| match self {
            Keys::Builtin(names) => Cow::Borrowed(names[at]),
            Keys::Custom(names) => Cow::Owned(names[at].to_string()),
        })
    }
}

/// A struct or map.
#[derive(Clone, Copy)]
pub struct MapType<'g> {
    /// Whether it is a leaf.
    pub atomic: bool,
    fields: Fields<'g>,
    values: Option<Type<'g>>,
}

/// The named fields of a struct or map.
#[derive(Clone, Copy)]
enum Fields<'g> {
    /// There are none, only keys.
    None,
    /// Of a built-in struct.
    Builtin(&'g Graph, &'g Struct),
    /// Of a custom object, with type and metadata where it is a resource.
    Custom(&'g Schema, bool),
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

    /// The type of a whole object of a custom kind.
    pub fn custom(schema: &'g Schema) -> Self {
        Type(Of::Custom { schema, resource: true })
    }

    /// The type of an object whose kind has no schema.
    pub const DEDUCED: Type<'static> = Type(Of::Deduced);

    /// What it is for `value`; a type that takes several forms shows the one of the value.
    pub fn atom(&self, value: Option<&Value>) -> Atom<'g> {
        match self.0 {
            Of::Known { graph, id, field } => known(graph, id, field, value),
            Of::Custom { schema, resource } => custom(schema, resource, value),
            Of::Deduced => any(value, Type(Of::Deduced), false),
            Of::Untyped => any(value, Type(Of::Untyped), true),
            Of::Text => Atom::Scalar(ScalarType::Text),
        }
    }
}

/// The atom of a type that takes any JSON.
fn any<'g>(value: Option<&Value>, below: Type<'g>, atomic: bool) -> Atom<'g> {
    match value {
        None | Some(Value::Null | Value::Object(_)) => {
            Atom::Map(MapType { atomic, fields: Fields::None, values: Some(below) })
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
            fields: Fields::None,
            values: Some(Type(Of::Known { graph, id: *of, field: None })),
        }),
        Shape::Struct(s) => Atom::Map(MapType {
            atomic: match topology {
                Topology::AtomicMap => true,
                Topology::GranularMap => false,
                _ => s.atomic,
            },
            fields: Fields::Builtin(graph, s),
            values: None,
        }),
    }
}

/// A value of a custom kind: what its schema leaves open is merged by what the value is.
fn custom<'g>(schema: &'g Schema, resource: bool, value: Option<&Value>) -> Atom<'g> {
    match &*schema.ty {
        _ if schema.int_or_string => Atom::Scalar(ScalarType::Any),
        "string" => match &*schema.limits.format {
            "" | "byte" => Atom::Scalar(ScalarType::Text),
            _ => Atom::Scalar(ScalarType::Any),
        },
        "integer" | "number" => Atom::Scalar(ScalarType::Numeric),
        "boolean" => Atom::Scalar(ScalarType::Bool),
        "array" => Atom::List(ListType {
            item: match schema.items.as_deref() {
                Some(item) => Type::below(item),
                None => Type(Of::Untyped),
            },
            relation: match &schema.list {
                ListOf::Atomic => Relation::Atomic,
                ListOf::Set => Relation::Set,
                ListOf::Map(keys) => Relation::Keyed(Keys::Custom(keys)),
            },
        }),
        "object" => Atom::Map(MapType {
            atomic: schema.atomic_map,
            fields: Fields::Custom(schema, resource),
            values: match &schema.additional {
                Additional::Of(of) => Some(Type::below(of)),
                Additional::Bool(true) => Some(Type(Of::Deduced)),
                _ if schema.preserve_unknown => Some(Type(Of::Deduced)),
                _ => None,
            },
        }),
        _ => any(value, Type(Of::Deduced), false),
    }
}

impl<'g> Type<'g> {
    fn below(schema: &'g Schema) -> Self {
        Type(Of::Custom { schema, resource: schema.embedded })
    }

    /// Metadata, and the texts that name a type.
    fn of_resource(name: &str) -> Type<'static> {
        let graph = schema::builtin();
        match graph.schema(OBJECT_META).filter(|_| name == "metadata") {
            Some(id) => Type::of(graph, id),
            None => Type(Of::Text),
        }
    }
}

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A list that says nothing of server-side apply is merged as strategic merge would.
fn relation<'g>(field: Option<&'g Field>, topology: &'g Topology) -> Relation<'g> {
    match (topology, field) {
        (Topology::Set, _) => Relation::Set,
        (Topology::MapList(keys), _) => Relation::Keyed(Keys::Builtin(keys)),
        (Topology::Unsaid, Some(field)) if field.patch.merge => match field.patch.key.as_slice() {
            [] => Relation::Set,
            keys => Relation::Keyed(Keys::Builtin(keys)),
        },
        _ => Relation::Atomic,
    }
}

impl<'g> MapType<'g> {
    /// The type of what `name` selects; `None` when a struct has no such field.
    pub fn child(&self, name: &str) -> Option<Child<'g>> {
        let own = match self.fields {
            Fields::None => None,
            Fields::Builtin(graph, s) => {
                let field = s.field(name)?;
                Some(Type(Of::Known { graph, id: field.ty, field: Some(field) }))
            }
            Fields::Custom(_, true) if TYPE_AND_METADATA.contains(&name) => {
                Some(Type::of_resource(name))
            }
            Fields::Custom(schema, _) => schema.properties.get(name).map(Type::below),
        };
        let own = own.map(|ty| Child { ty, named: true });
        own.or_else(|| self.values.map(|ty| Child { ty, named: false }))
    }

    /// The value that a key field of a list item has when the item does not name it.
    ///
    /// Upstream's documents declare the zero value as the default of a field that is always
    /// written.
    pub fn default_of(&self, name: &str) -> Option<Value> {
        let (graph, s) = match self.fields {
            Fields::None => return None,
            Fields::Builtin(graph, s) => (graph, s),
            Fields::Custom(schema, _) => return schema.properties.get(name)?.default.clone(),
        };
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
        assert_eq!(ports, Relation::Keyed(Keys::Builtin(&["containerPort", "protocol"])));
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
