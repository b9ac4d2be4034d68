//! The type graph: what upstream's Go types say of each built-in kind, in a compact form.
//!
//! Everything that depends on the shape of an object stands on this graph: decoding, field
//! validation, strategic merge, the OpenAPI documents; later defaulting, three-way merge and
//! server-side apply. Names are slices of the embedded tables, so that the graph of all kinds
//! takes well under a megabyte.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Index of a type in its [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeId(pub(super) u32);

/// A type as a field refers to it.
#[derive(Debug)]
pub struct Type {
    /// Its Go name, as upstream's decoding errors spell it, e.g. `[]v1.Container`.
    pub go: Box<str>,
    /// What JSON it takes.
    pub shape: Shape,
}

/// What JSON a type takes and gives.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    String,
    /// A boolean.
    Bool,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A float.
    Float,
    /// Base64 text.
    Bytes,
    /// RFC 3339 with seconds.
    Time,
    /// RFC 3339 with microseconds.
    MicroTime,
    /// A resource quantity, text or number.
    Quantity,
    /// A 32-bit integer or text.
    IntOrString,
    /// Any JSON, kept as it is.
    Any,
    /// A list.
    List(TypeId),
    /// A map with text keys.
    Map(TypeId),
    /// A struct.
    Struct(Box<Struct>),
    /// A `JSONSchemaProps`, or what the alternative takes.
    PropsOr(TypeId, PropsAlternative),
}

/// What may stand in the place of a `JSONSchemaProps`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropsAlternative {
    /// `JSONSchemaPropsOrBool`
    Bool,
    /// `JSONSchemaPropsOrArray`
    List,
    /// `JSONSchemaPropsOrStringArray`
    StringList,
}

/// A Go struct, embedded ones flattened into it.
#[derive(Debug)]
pub struct Struct {
    /// Go name without its package, e.g. `PodSpec`.
    pub name: &'static str,
    /// Name in the OpenAPI documents, e.g. `io.k8s.api.core.v1.PodSpec`.
    pub schema_name: Box<str>,
    /// In the order of the Go struct, which is the order of upstream's output.
    pub fields: Box<[Field]>,
    /// Merged as a whole by server-side apply.
    pub atomic: bool,
    /// Indexes of `fields`, sorted by name.
    pub(super) by_name: Box<[u16]>,
    /// Indexes of fields that are written even when the input lacks them.
    pub(super) always: Box<[u16]>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    /// Its JSON name.
    pub name: &'static str,
    /// Its type, without the pointer.
    pub ty: TypeId,
    /// Whether the Go field is a pointer: then zero values are kept.
    pub pointer: bool,
    /// When it is left out.
    pub omit: Omit,
    /// Whether the OpenAPI documents call it required.
    pub required: bool,
    /// `x-kubernetes-list-type` or `x-kubernetes-map-type`.
    pub topology: Topology,
    /// Strategic merge's treatment.
    pub patch: PatchStrategy,
    /// Its number in protobuf, after those of the structs in which it is embedded (`2.1`);
    /// empty when it does not travel there.
    pub protobuf: &'static str,
    /// The default that the OpenAPI documents declare, as JSON text.
    pub default: Option<&'static str>,
}

/// When upstream's encoder leaves a field out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omit {
    /// Never: a missing value is written as the zero value.
    Never,
    /// `omitempty`: false, 0, nil and empty text, lists and maps; structs are written.
    Empty,
    /// `omitzero`: also zero structs and times.
    Zero,
}

/// How lists and maps take part in server-side apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Nothing is said: lists are atomic, maps granular.
    Unsaid,
    /// Replaced as a whole.
    AtomicList,
    /// A set of scalars.
    Set,
    /// A list whose items are told apart by these fields.
    MapList(Box<[&'static str]>),
    /// A map or struct that is replaced as a whole.
    AtomicMap,
    /// A map that is merged by key.
    GranularMap,
}

/// `x-kubernetes-patch-strategy` and `-merge-key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists are merged.
    pub merge: bool,
    /// `$retainKeys` applies.
    pub retain_keys: bool,
    /// Replaced as a whole.
    pub replace: bool,
    /// The field that tells the items of a merged list apart; `None` for scalars.
    pub key: Option<&'static str>,
}

/// A Go package of types: one group and version.
#[derive(Debug)]
pub struct Package {
    /// Prefix of the schema names, e.g. `io.k8s.api.core.v1`.
    pub schema_prefix: &'static str,
    /// API group, empty for core.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Last part of the internal package's name, e.g. `core`.
    pub internal: &'static str,
}

/// All types.
#[derive(Debug)]
pub struct Graph {
    pub(super) types: Vec<Type>,
    pub(super) packages: Vec<Package>,
    /// By schema name, e.g. `io.k8s.api.core.v1.Pod`.
    pub(super) structs: HashMap<Box<str>, TypeId>,
}

impl Graph {
    /// The type behind an index.
    pub fn get(&self, id: TypeId) -> &Type {
        &self.types[id.0 as usize]
    }

    /// The struct behind an index, if it is one.
    pub fn as_struct(&self, id: TypeId) -> Option<&Struct> {
        match &self.get(id).shape {
            Shape::Struct(s) => Some(s),
            _ => None,
        }
    }

    /// All packages.
    pub fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The package of a group and version.
    pub fn package(&self, group: &str, version: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.group == group && p.version == version)
    }

    /// The struct of a kind; kinds of `meta.k8s.io` are known in every group.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<TypeId> {
        let package = self.package(group, version)?;
        self.named(package.schema_prefix, kind).or_else(|| self.named(META_PREFIX, kind))
    }

    /// The struct of that schema name.
    pub fn schema(&self, schema_name: &str) -> Option<TypeId> {
        self.structs.get(schema_name).copied()
    }

    fn named(&self, prefix: &str, name: &str) -> Option<TypeId> {
        self.structs.get(format!("{prefix}.{name}").as_str()).copied()
    }

    /// What the encoder writes for the zero value of a field.
    pub fn zero(&self, field: &Field) -> Value {
        if field.pointer {
            return Value::Null;
        }
        self.zero_of(field.ty)
    }

    /// What the encoder writes for the zero value of a type.
    pub fn zero_of(&self, id: TypeId) -> Value {
        match &self.get(id).shape {
            Shape::String => Value::String(String::new()),
            Shape::Bool => Value::Bool(false),
            Shape::Int32 | Shape::Int64 | Shape::Float | Shape::IntOrString => Value::from(0),
            Shape::Quantity => Value::from("0"),
            Shape::Struct(s) => {
                let mut map = Map::new();
                self.add_missing(s, 0, &mut map);
                Value::Object(map)
            }
            _ => Value::Null,
        }
    }

    /// Adds what the encoder always writes; `seen` has a bit for each field already there.
    pub(super) fn add_missing(&self, s: &Struct, seen: u128, map: &mut Map<String, Value>) {
        for &at in &s.always {
            if seen & (1 << at) == 0 {
                let field = &s.fields[at as usize];
                map.insert(field.name.to_owned(), self.zero(field));
            }
        }
    }
}

/// Schema names of the types that every group shares.
pub const META_PREFIX: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

impl Struct {
    /// The field of that JSON name; case matters.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.index_of(name).map(|at| &self.fields[at])
    }

    pub(super) fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name
            .binary_search_by(|&at| self.fields[at as usize].name.cmp(name))
            .ok()
            .map(|at| self.by_name[at] as usize)
    }
}
