//! A custom kind's schema, compiled from `openAPIV3Schema`.

use super::pattern::Pattern;
use super::rules;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the schema says of one value.
///
/// The same form serves the structure and the schemas inside `allOf`, `anyOf`, `oneOf` and
/// `not`, which only narrow it.
#[derive(Debug, Default)]
pub struct Schema {
    /// `object`, `array`, …; empty where it is not said.
    pub ty: Box<str>,
    /// Whether null is a value.
    pub nullable: bool,
    /// What stands for an absent value.
    pub default: Option<Value>,
    /// The fields of an object.
    pub properties: BTreeMap<Box<str>, Schema>,
    /// All other fields of an object.
    pub additional: Additional,
    /// The items of a list.
    pub items: Option<Box<Schema>>,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// `x-kubernetes-embedded-resource`: it has metadata of its own.
    pub embedded: bool,
    /// `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// How the items of a list are told apart.
    pub list: ListType,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic_map: bool,
    /// Limits of the value.
    pub limits: Limits,
    /// `x-kubernetes-validations` as the definition has them.
    pub rules: Vec<Value>,
    /// The rules of this schema and of all below it.
    pub compiled: rules::Compiled,
}

/// What an object may hold besides its properties.
#[derive(Debug, Default)]
pub enum Additional {
    /// Nothing is said.
    #[default]
    Unsaid,
    /// Anything, or nothing.
    Bool(bool),
    /// Values of this schema.
    Of(Box<Schema>),
}

/// How the items of a list are told apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// Not at all.
    #[default]
    Atomic,
    /// By their values.
    Set,
    /// By these fields.
    Map(Vec<Box<str>>),
}

/// Limits of a value, whatever its type.
#[derive(Debug, Default)]
pub struct Limits {
    /// `format`; empty where it is not said, or not known for the type.
    pub format: Box<str>,
    /// `maximum`, and whether it is excluded.
    pub maximum: Option<(f64, bool)>,
    /// `minimum`, and whether it is excluded.
    pub minimum: Option<(f64, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `maxLength`, in characters.
    pub length_max: Option<i64>,
    /// `minLength`, in characters.
    pub length_min: Option<i64>,
    /// `pattern`.
    pub pattern: Option<Pattern>,
    /// `maxItems`.
    pub items_max: Option<i64>,
    /// `minItems`.
    pub items_min: Option<i64>,
    /// `maxProperties`.
    pub properties_max: Option<i64>,
    /// `minProperties`.
    pub properties_min: Option<i64>,
    /// `enum`.
    pub allowed: Vec<Value>,
    /// `required`.
    pub required: Vec<Box<str>>,
    /// All of these hold.
    pub all_of: Vec<Schema>,
    /// At least one of these holds.
    pub any_of: Vec<Schema>,
    /// Exactly one of these holds.
    pub one_of: Vec<Schema>,
    /// This does not hold.
    pub not: Option<Box<Schema>>,
}

impl Schema {
    /// Compiles a schema; what cannot be part of a valid one is left out.
    pub fn compile(source: &Value) -> Schema {
        let text = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default();
        let flag = |name: &str| source.get(name).and_then(Value::as_bool).unwrap_or_default();
        let properties = source.get("properties").and_then(Value::as_object).into_iter().flatten();
        let int_or_string = flag("x-kubernetes-int-or-string");
        Schema {
            ty: text("type").into(),
            nullable: flag("nullable"),
            default: source.get("default").filter(|d| !d.is_null()).cloned(),
            properties: properties.map(|(k, v)| (k.as_str().into(), Schema::compile(v))).collect(),
            additional: Additional::compile(source.get("additionalProperties")),
            items: source.get("items").filter(|i| i.is_object()).map(boxed),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string,
            list: match text("x-kubernetes-list-type") {
                "set" => ListType::Set,
                "map" => ListType::Map(texts(source, "x-kubernetes-list-map-keys")),
                _ => ListType::Atomic,
            },
            atomic_map: text("x-kubernetes-map-type") == "atomic",
            limits: Limits::compile(source, int_or_string),
            rules: list(source, "x-kubernetes-validations").to_vec(),
            compiled: rules::Compiled::default(),
        }
    }

    /// The schema of the field `name` of an object.
    pub fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Additional::Of(schema) => Some(schema),
            _ => None,
        })
    }

    /// Whether this or any schema below it satisfies `wanted`.
    pub fn any(&self, wanted: &impl Fn(&Schema) -> bool) -> bool {
        let Limits { all_of, any_of, one_of, not, .. } = &self.limits;
        let additional = match &self.additional {
            Additional::Of(schema) => Some(&**schema),
            _ => None,
        };
        wanted(self)
            || self.properties.values().any(|s| s.any(wanted))
            || self.items.iter().any(|s| s.any(wanted))
            || additional.iter().any(|s| s.any(wanted))
            || [all_of, any_of, one_of].into_iter().flatten().any(|s| s.any(wanted))
            || not.iter().any(|s| s.any(wanted))
    }

    /// Whether it names a type; `integer` and `string` where it takes both.
    pub fn has_type(&self, ty: &str) -> bool {
        match self.int_or_string {
            true => matches!(ty, "integer" | "string"),
            false => &*self.ty == ty,
        }
    }

    /// The type as messages name it; empty where any value will do.
    pub fn type_text(&self) -> &str {
        if self.int_or_string { "integer,string" } else { &self.ty }
    }
}

fn boxed(source: &Value) -> Box<Schema> {
    Box::new(Schema::compile(source))
}

fn list<'a>(source: &'a Value, name: &str) -> &'a [Value] {
    source.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn texts(source: &Value, name: &str) -> Vec<Box<str>> {
    list(source, name).iter().filter_map(|v| Some(v.as_str()?.into())).collect()
}

impl Additional {
    fn compile(source: Option<&Value>) -> Self {
        match source {
            Some(Value::Bool(allowed)) => Additional::Bool(*allowed),
            Some(schema @ Value::Object(_)) => Additional::Of(boxed(schema)),
            _ => Additional::Unsaid,
        }
    }

    /// Whether anything is said.
    pub fn is_said(&self) -> bool {
        !matches!(self, Additional::Unsaid)
    }

    /// The schema of the values, where there is one.
    pub fn schema(&self) -> Option<&Schema> {
        match self {
            Additional::Of(schema) => Some(schema),
            _ => None,
        }
    }
}

impl Limits {
    fn compile(source: &Value, int_or_string: bool) -> Self {
        let whole = |name: &str| source.get(name).and_then(Value::as_i64);
        let number = |name: &str| source.get(name).and_then(Value::as_f64);
        let flag = |name: &str| source.get(name).and_then(Value::as_bool).unwrap_or_default();
        let text = |name: &str| source.get(name).and_then(Value::as_str).unwrap_or_default();
        let schemas = |name| list(source, name).iter().map(Schema::compile).collect();
        let format = text("format");
        let ty = if int_or_string { "integer,string" } else { text("type") };
        Limits {
            format: super::check::known_format(ty, format).unwrap_or_default().into(),
            maximum: number("maximum").map(|max| (max, flag("exclusiveMaximum"))),
            minimum: number("minimum").map(|min| (min, flag("exclusiveMinimum"))),
            multiple_of: number("multipleOf"),
            length_max: whole("maxLength"),
            length_min: whole("minLength"),
            pattern: Some(text("pattern")).filter(|p| !p.is_empty()).map(Pattern::new),
            items_max: whole("maxItems"),
            items_min: whole("minItems"),
            properties_max: whole("maxProperties"),
            properties_min: whole("minProperties"),
            allowed: list(source, "enum").to_vec(),
            required: texts(source, "required"),
            all_of: schemas("allOf"),
            any_of: schemas("anyOf"),
            one_of: schemas("oneOf"),
            not: source.get("not").filter(|n| n.is_object()).map(boxed),
        }
    }
}
