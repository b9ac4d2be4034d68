//! Schemas of types, from the type graph.

use super::Dialect;
use super::descriptions::Descriptions;
use crate::schema::model::{Field, Graph, PropsAlternative, Shape, Struct, Topology, Type, TypeId};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const APIEXTENSIONS: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/// Writes schemas and collects the names that they refer to.
pub(super) struct Schemas<'g> {
    graph: &'g Graph,
    dialect: Dialect,
    /// Written so far, by name.
    pub done: Map<String, Value>,
    wanted: BTreeSet<String>,
}

impl<'g> Schemas<'g> {
    pub fn new(graph: &'g Graph, dialect: Dialect) -> Self {
        Schemas { graph, dialect, done: Map::new(), wanted: BTreeSet::new() }
    }

    /// The OpenAPI for which schemas are written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A reference to a schema, which will then be written.
    pub fn reference(&mut self, name: &str) -> Value {
        if !self.done.contains_key(name) {
            self.wanted.insert(name.to_owned());
        }
        json!({"$ref": format!("{}{name}", self.dialect.prefix())})
    }

    /// Writes all that is referred to.
    pub fn write_wanted(&mut self, descriptions: &Descriptions) {
        while let Some(name) = self.wanted.pop_first() {
            if self.done.contains_key(&name) {
                continue;
            }
            let schema = self.schema(&name, descriptions);
            self.done.insert(name, schema);
        }
    }

    fn schema(&mut self, name: &str, descriptions: &Descriptions) -> Value {
        let graph = self.graph;
        let mut schema = match graph.schema(name).and_then(|id| graph.as_struct(id)) {
            Some(s) => self.object(s, descriptions),
            None => special(name, self.dialect),
        };
        if let Some(text) = descriptions.of_type(name) {
            schema.insert("description".to_owned(), text.into());
        }
        Value::Object(schema)
    }

    fn object(&mut self, s: &'g Struct, descriptions: &Descriptions) -> Map<String, Value> {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        let required: Vec<Value> =
            s.fields.iter().filter(|f| f.required).map(|f| f.name.into()).collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        let mut fields: Vec<&Field> = s.fields.iter().collect();
        fields.sort_by_key(|f| f.name);
        let properties: Map<String, Value> = fields
            .into_iter()
            .map(|field| {
                let text = descriptions.of_field(&s.schema_name, field.name);
                (field.name.to_owned(), self.property(field, text))
            })
            .collect();
        if !properties.is_empty() {
            schema.insert("properties".to_owned(), properties.into());
        }
        if let Some(gvk) = kind_of(self.graph, s) {
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([gvk]));
        }
        if s.atomic {
            schema.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
        }
        schema
    }

    fn property(&mut self, field: &Field, text: Option<&str>) -> Value {
        let ty = self.graph.get(field.ty);
        let default = match field.default {
            Some(default) => serde_json::from_str(default).ok(),
            None if field.pointer => None,
            None => self.implied_default(ty),
        };
        let mut node = self.node(field.ty);
        let is_reference = node.contains_key("$ref");
        if self.dialect == Dialect::V3 {
            if is_reference && (text.is_some() || default.is_some()) {
                node = Map::from_iter([("allOf".to_owned(), json!([node]))]);
            }
            if let Some(default) = default {
                node.insert("default".to_owned(), default);
            }
        }
        let text = text.map(str::to_owned).or_else(|| common_text(field.name));
        if let Some(text) = text {
            node.insert("description".to_owned(), text.into());
        }
        extend(&mut node, field);
        Value::Object(node)
    }

    /// Structs that are no pointers are never absent.
    fn implied_default(&self, ty: &Type) -> Option<Value> {
        match ty.shape {
            Shape::Struct(_) => Some(json!({})),
            _ => None,
        }
    }

    fn node(&mut self, id: TypeId) -> Map<String, Value> {
        let ty = self.graph.get(id);
        let plain = |kind: &str, format: &str| {
            let mut node = Map::from_iter([("type".to_owned(), Value::from(kind))]);
            if !format.is_empty() {
                node.insert("format".to_owned(), format.into());
            }
            node
        };
        match &ty.shape {
            Shape::String => plain("string", ""),
            Shape::Bool => plain("boolean", ""),
            Shape::Int32 => plain("integer", "int32"),
            Shape::Int64 => plain("integer", "int64"),
            Shape::Float => plain("number", "double"),
            Shape::Bytes => plain("string", "byte"),
            Shape::List(item) => {
                let mut node = plain("array", "");
                let item = self.item(*item);
                node.insert("items".to_owned(), item);
                node
            }
            Shape::Map(value) => {
                let mut node = plain("object", "");
                let value = self.item(*value);
                node.insert("additionalProperties".to_owned(), value);
                node
            }
            Shape::Struct(s) => self.referring(&s.schema_name),
            Shape::Time => self.referring(&format!("{META}.Time")),
            Shape::MicroTime => self.referring(&format!("{META}.MicroTime")),
            Shape::Quantity => self.referring("io.k8s.apimachinery.pkg.api.resource.Quantity"),
            Shape::IntOrString => self.referring("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
            Shape::PropsOr(_, or) => self.referring(&format!(
                "{APIEXTENSIONS}.JSONSchemaPropsOr{}",
                match or {
                    PropsAlternative::Bool => "Bool",
                    PropsAlternative::List => "Array",
                    PropsAlternative::StringList => "StringArray",
                }
            )),
            Shape::Any => match ty.go.as_ref() {
                "v1.FieldsV1" => self.referring(&format!("{META}.FieldsV1")),
                "v1.JSON" => self.referring(&format!("{APIEXTENSIONS}.JSON")),
                "runtime.RawExtension" => {
                    self.referring("io.k8s.apimachinery.pkg.runtime.RawExtension")
                }
                _ => Map::new(),
            },
        }
    }

    fn referring(&mut self, name: &str) -> Map<String, Value> {
        match self.reference(name) {
            Value::Object(node) => node,
            _ => Map::new(),
        }
    }

    /// An item of a list or a value of a map.
    fn item(&mut self, id: TypeId) -> Value {
        let node = self.node(id);
        match &self.graph.get(id).shape {
            Shape::Struct(_) if self.dialect == Dialect::V3 => {
                json!({"allOf": [node], "default": {}})
            }
            _ => Value::Object(node),
        }
    }
}

/// `{group, version, kind}` of a root type.
fn kind_of(graph: &Graph, s: &Struct) -> Option<Value> {
    if s.field("kind").is_none() || s.field("apiVersion").is_none() {
        return None;
    }
    s.field("metadata").or_else(|| s.field("gracePeriodSeconds"))?;
    let prefix = s.schema_name.strip_suffix(s.name)?.strip_suffix('.')?;
    let package = graph.packages().iter().find(|p| p.schema_prefix == prefix)?;
    let group = if package.group == "meta.k8s.io" { "" } else { package.group };
    Some(json!({"group": group, "version": package.version, "kind": s.name}))
}

/// Texts of the fields that lists have.
pub(super) fn common_text(field: &str) -> Option<String> {
    Some(match field {
        "apiVersion" => "The version of the schema that this object follows.".to_owned(),
        "kind" => "The REST resource that this object represents, in upper camel case.".to_owned(),
        "metadata" => "Standard metadata.".to_owned(),
        "items" => "The objects of the list.".to_owned(),
        _ => return None,
    })
}

fn extend(node: &mut Map<String, Value>, field: &Field) {
    let mut add = |name: &str, value: Value| {
        node.insert(format!("x-kubernetes-{name}"), value);
    };
    match &field.topology {
        Topology::Unsaid => {}
        Topology::AtomicList => add("list-type", "atomic".into()),
        Topology::Set => add("list-type", "set".into()),
        Topology::MapList(keys) => {
            add("list-map-keys", keys.iter().copied().collect());
            add("list-type", "map".into());
        }
        Topology::AtomicMap => add("map-type", "atomic".into()),
        Topology::GranularMap => add("map-type", "granular".into()),
    }
    if let Some(key) = field.patch.key {
        add("patch-merge-key", key.into());
    }
    let strategy: Vec<&str> = [
        (field.patch.merge, "merge"),
        (field.patch.retain_keys, "retainKeys"),
        (field.patch.replace, "replace"),
    ]
    .into_iter()
    .filter_map(|(is, name)| is.then_some(name))
    .collect();
    if !strategy.is_empty() {
        add("patch-strategy", strategy.join(",").into());
    }
}

/// Types with an encoding of their own.
fn special(name: &str, dialect: Dialect) -> Map<String, Value> {
    let schema = match (name.rsplit('.').next().unwrap_or_default(), dialect) {
        ("Time" | "MicroTime", _) => json!({"type": "string", "format": "date-time"}),
        ("Quantity", Dialect::V2) => json!({"type": "string"}),
        ("Quantity", Dialect::V3) => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        ("IntOrString", Dialect::V2) => json!({"type": "string", "format": "int-or-string"}),
        ("IntOrString", Dialect::V3) => json!({
            "oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string",
        }),
        ("FieldsV1" | "RawExtension" | "Patch", _) => json!({"type": "object"}),
        _ => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}
