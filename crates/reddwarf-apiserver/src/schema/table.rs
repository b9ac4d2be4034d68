//! The embedded tables of types, and their reading into the graph.
//!
//! A line is one of
//! ```text
//! package KEY SCHEMA-PREFIX GROUP VERSION       (GROUP is `-` for core)
//! alias NAME TYPE
//! struct NAME [@map-atomic]
//!  FIELD[?][0][!] TYPE [#PROTOBUF-NUMBER] [@TOPOLOGY] [~STRATEGY[(MERGE-KEY)]] [=DEFAULT]
//! ```
//! `?` is `omitempty`, `0` is `omitzero`, `!` is required by the OpenAPI documents. A type is
//! a scalar, `[]TYPE`, `map[KEY]TYPE`, `*TYPE`, or the name of an alias or struct, of another
//! package as `KEY.NAME`.

use super::model::{
    Field, Graph, Omit, Package, PatchStrategy, PropsAlternative, Shape, Struct, Topology, Type,
    TypeId,
};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLES: &[&str] = &[
    include_str!("table/meta.v1.types"),
    include_str!("table/core.v1.types"),
    include_str!("table/admissionregistration.v1.types"),
    include_str!("table/apiextensions.v1.types"),
    include_str!("table/apiregistration.v1.types"),
    include_str!("table/apps.v1.types"),
    include_str!("table/authentication.v1.types"),
    include_str!("table/authorization.v1.types"),
    include_str!("table/autoscaling.v1.types"),
    include_str!("table/autoscaling.v2.types"),
    include_str!("table/batch.v1.types"),
    include_str!("table/certificates.v1.types"),
    include_str!("table/coordination.v1.types"),
    include_str!("table/discovery.v1.types"),
    include_str!("table/events.v1.types"),
    include_str!("table/flowcontrol.v1.types"),
    include_str!("table/networking.v1.types"),
    include_str!("table/node.v1.types"),
    include_str!("table/policy.v1.types"),
    include_str!("table/rbac.v1.types"),
    include_str!("table/resource.v1.types"),
    include_str!("table/scheduling.v1.types"),
    include_str!("table/storage.v1.types"),
];

/// The graph of all built-in types; read on first use, in a few milliseconds.
pub fn builtin() -> &'static Graph {
    static GRAPH: LazyLock<Graph> = LazyLock::new(|| Builder::default().build(TABLES));
    &GRAPH
}

/// `(Go name, shape)` of the types that have their own encoding.
const SCALARS: &[(&str, &str, Shape)] = &[
    ("string", "string", Shape::String),
    ("bool", "bool", Shape::Bool),
    ("int32", "int32", Shape::Int32),
    ("int64", "int64", Shape::Int64),
    ("float64", "float64", Shape::Float),
    ("bytes", "[]uint8", Shape::Bytes),
    ("interface{}", "interface {}", Shape::Any),
    ("Time", "v1.Time", Shape::Time),
    ("MicroTime", "v1.MicroTime", Shape::MicroTime),
    ("Duration", "v1.Duration", Shape::String),
    ("Quantity", "resource.Quantity", Shape::Quantity),
    ("IntOrString", "intstr.IntOrString", Shape::IntOrString),
    ("RawExtension", "runtime.RawExtension", Shape::Any),
    ("FieldsV1", "v1.FieldsV1", Shape::Any),
    ("JSON", "v1.JSON", Shape::Any),
    ("UID", "types.UID", Shape::String),
    ("NodeName", "types.NodeName", Shape::String),
];

const PROPS: &str = "apiextensions/v1.JSONSchemaProps";

#[derive(Default)]
struct Builder {
    types: Vec<Type>,
    /// By qualified name (`core/v1.Pod`) or, for composites, by the qualified spelling.
    ids: HashMap<String, TypeId>,
    aliases: HashMap<String, (&'static str, &'static str)>,
    structs: HashMap<Box<str>, TypeId>,
    packages: Vec<Package>,
}

impl Builder {
    fn build(mut self, tables: &[&'static str]) -> Graph {
        for (name, go, shape) in SCALARS {
            self.add((*name).to_owned(), go, shape.scalar());
        }
        tables.iter().for_each(|table| self.declare(table));
        for (name, or) in [
            ("JSONSchemaPropsOrBool", PropsAlternative::Bool),
            ("JSONSchemaPropsOrArray", PropsAlternative::List),
            ("JSONSchemaPropsOrStringArray", PropsAlternative::StringList),
        ] {
            let shape = Shape::PropsOr(self.ids[PROPS], or);
            self.add(name.to_owned(), &format!("v1.{name}"), shape);
        }
        tables.iter().for_each(|table| self.define(table));
        Graph { types: self.types, packages: self.packages, structs: self.structs }
    }

    fn add(&mut self, name: String, go: &str, shape: Shape) -> TypeId {
        let id = TypeId(self.types.len() as u32);
        self.types.push(Type { go: go.into(), shape });
        self.ids.insert(name, id);
        id
    }

    /// First pass: names of packages, aliases and structs.
    fn declare(&mut self, table: &'static str) {
        let mut key = "";
        let mut prefix = "";
        for line in table.lines().filter(|l| !l.starts_with(' ')) {
            let words: Vec<&'static str> = line.split(' ').collect();
            match words[..] {
                ["package", k, p, group, version] => {
                    (key, prefix) = (k, p);
                    self.packages.push(Package {
                        schema_prefix: p,
                        group: if group == "-" { "" } else { group },
                        version,
                        internal: k.split('/').next().unwrap_or(k),
                    });
                }
                ["alias", name, of] => {
                    self.aliases.insert(format!("{key}.{name}"), (key, of));
                }
                ["struct", name, ..] => {
                    let go = go_name(key, name);
                    let id = self.add(format!("{key}.{name}"), &go, Shape::Any);
                    self.structs.insert(format!("{prefix}.{name}").into(), id);
                }
                _ => panic!("invariant: the embedded tables are well formed: {line}"),
            }
        }
    }

    /// Second pass: the fields.
    fn define(&mut self, table: &'static str) {
        let mut lines = table.lines().peekable();
        let (mut key, mut prefix) = ("", "");
        while let Some(line) = lines.next() {
            let mut words = line.split(' ');
            match words.next() {
                Some("package") => {
                    key = words.next().unwrap_or_default();
                    prefix = words.next().unwrap_or_default();
                }
                Some("struct") => {
                    let name = words.next().unwrap_or_default();
                    let atomic = words.next() == Some("@map-atomic");
                    let mut fields = Vec::new();
                    while let Some(field) = lines.next_if(|l| l.starts_with(' ')) {
                        fields.push(self.field(key, field.trim_start()));
                    }
                    let made = self.finish(name, format!("{prefix}.{name}"), fields, atomic);
                    let id = self.ids[&format!("{key}.{name}")];
                    self.types[id.0 as usize].shape = Shape::Struct(Box::new(made));
                }
                _ => {}
            }
        }
    }

    fn finish(
        &self,
        name: &'static str,
        schema_name: String,
        fields: Vec<Field>,
        atomic: bool,
    ) -> Struct {
        assert!(fields.len() <= 128, "invariant: a struct has at most 128 fields");
        let mut by_name: Vec<u16> = (0..fields.len() as u16).collect();
        by_name.sort_by_key(|&at| fields[at as usize].name);
        let always = (0..fields.len() as u16)
            .filter(|&at| self.always_written(&fields[at as usize]))
            .collect();
        Struct {
            name,
            schema_name: schema_name.into(),
            fields: fields.into(),
            atomic,
            by_name: by_name.into(),
            always,
        }
    }

    /// Structs come before their fields in no particular order, so a reference to a struct that
    /// is not defined yet is known by its schema entry.
    fn always_written(&self, field: &Field) -> bool {
        match field.omit {
            Omit::Never => true,
            Omit::Zero => false,
            Omit::Empty if field.pointer => false,
            Omit::Empty => match self.types[field.ty.0 as usize].shape {
                Shape::Struct(_) | Shape::Time | Shape::MicroTime => true,
                Shape::Quantity | Shape::IntOrString => true,
                Shape::Any => self.types[field.ty.0 as usize].go.as_ref() != "interface {}",
                _ => false,
            },
        }
    }

    fn field(&mut self, key: &'static str, line: &'static str) -> Field {
        let mut words = line.split(' ');
        let head = words.next().unwrap_or_default();
        let name = head.trim_end_matches(['?', '0', '!']);
        let flags = &head[name.len()..];
        let ty = words.next().unwrap_or_default();
        let mut field = Field {
            name,
            ty: self.resolve(key, ty.trim_start_matches('*')),
            pointer: ty.starts_with('*'),
            omit: match flags {
                f if f.contains('0') => Omit::Zero,
                f if f.contains('?') => Omit::Empty,
                _ => Omit::Never,
            },
            required: flags.contains('!'),
            topology: Topology::Unsaid,
            patch: PatchStrategy::default(),
            protobuf: "",
            default: None,
        };
        for word in words {
            match word.split_at(1) {
                ("@", topology) => field.topology = parse_topology(topology),
                ("~", strategy) => field.patch = parse_strategy(strategy),
                ("#", number) => field.protobuf = number,
                ("=", default) => field.default = Some(default),
                _ => panic!("invariant: the embedded tables are well formed: {line}"),
            }
        }
        field
    }

    fn resolve(&mut self, key: &'static str, ty: &str) -> TypeId {
        if let Some(id) = self.ids.get(ty) {
            return *id;
        }
        if let Some(item) = ty.strip_prefix("[]") {
            return self.composite(key, item, "[]".to_owned(), Shape::List);
        }
        if let Some((map_key, value)) = ty.strip_prefix("map[").and_then(|t| t.split_once(']')) {
            let map_key = if map_key.contains('.') {
                let (package, name) = map_key.rsplit_once('.').unwrap_or(("", map_key));
                go_name(package, name)
            } else if map_key == "string" {
                map_key.to_owned()
            } else {
                go_name(key, map_key)
            };
            return self.composite(key, value, format!("map[{map_key}]"), Shape::Map);
        }
        self.named(key, ty)
    }

    fn composite(
        &mut self,
        key: &'static str,
        item: &str,
        go_prefix: String,
        shape: fn(TypeId) -> Shape,
    ) -> TypeId {
        let star = if item.starts_with('*') { "*" } else { "" };
        let id = self.resolve(key, item.trim_start_matches('*'));
        let go = format!("{go_prefix}{star}{}", self.types[id.0 as usize].go);
        let interned = format!("{go}#{}", id.0);
        match self.ids.get(&interned) {
            Some(known) => *known,
            None => self.add(interned, &go, shape(id)),
        }
    }

    fn named(&mut self, key: &'static str, ty: &str) -> TypeId {
        let full = if ty.contains('.') { ty.to_owned() } else { format!("{key}.{ty}") };
        if let Some(id) = self.ids.get(&full) {
            return *id;
        }
        let (package, of) = *self
            .aliases
            .get(&full)
            .unwrap_or_else(|| panic!("invariant: the embedded tables name known types: {full}"));
        let of = self.resolve(package, of);
        let shape = self.types[of.0 as usize].shape.scalar();
        let (package, name) = full.rsplit_once('.').unwrap_or(("", &full));
        let go = go_name(package, name);
        self.add(full, &go, shape)
    }
}

impl Shape {
    /// A copy of a shape without fields of its own.
    fn scalar(&self) -> Shape {
        match self {
            Shape::String => Shape::String,
            Shape::Bool => Shape::Bool,
            Shape::Int32 => Shape::Int32,
            Shape::Int64 => Shape::Int64,
            Shape::Float => Shape::Float,
            Shape::Bytes => Shape::Bytes,
            Shape::Time => Shape::Time,
            Shape::MicroTime => Shape::MicroTime,
            Shape::Quantity => Shape::Quantity,
            Shape::IntOrString => Shape::IntOrString,
            Shape::Any => Shape::Any,
            Shape::List(item) => Shape::List(*item),
            Shape::Map(value) => Shape::Map(*value),
            Shape::PropsOr(props, or) => Shape::PropsOr(*props, *or),
            Shape::Struct(_) => panic!("invariant: an alias does not name a struct"),
        }
    }
}

/// `core/v1`, `Pod` → `v1.Pod`.
fn go_name(key: &str, name: &str) -> String {
    format!("{}.{name}", key.rsplit('/').next().unwrap_or(key))
}

fn parse_topology(text: &'static str) -> Topology {
    match text {
        "atomic" => Topology::AtomicList,
        "set" => Topology::Set,
        "map-atomic" => Topology::AtomicMap,
        "map-granular" => Topology::GranularMap,
        _ => {
            let keys = text.trim_start_matches("map(").trim_end_matches(')');
            Topology::MapList(keys.split(',').collect())
        }
    }
}

fn parse_strategy(text: &'static str) -> PatchStrategy {
    let (strategies, key) = match text.split_once('(') {
        Some((strategies, key)) => (strategies, Some(key.trim_end_matches(')'))),
        None => (text, None),
    };
    let has = |name| strategies.split(',').any(|s| s == name);
    PatchStrategy {
        merge: has("merge"),
        retain_keys: has("retainKeys"),
        replace: has("replace"),
        key,
    }
}
