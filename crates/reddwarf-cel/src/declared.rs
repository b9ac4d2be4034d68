//! The types that a schema declares, and how large their values can be.

use crate::environment::Fields;
use crate::escape::escape;
use crate::schema::Schema;
use crate::types::Type;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest request, in bytes.
const REQUEST_BYTES_MAX: i64 = 3 * 1024 * 1024;
/// The longest duration or time in JSON, in bytes with its quotes.
const TIME_BYTES_MAX: i64 = 32;
/// A date in JSON.
const DATE_BYTES: i64 = 12;
/// The shortest time in JSON.
const TIME_BYTES_MIN: i64 = 21;
/// The shortest duration in JSON.
const DURATION_BYTES_MIN: i64 = 3;

/// What a schema declares.
#[derive(Clone, Debug)]
pub struct Declared {
    shape: Shape,
    /// The most characters, items or entries.
    pub elements_max: u64,
    /// The fewest bytes in JSON.
    pub bytes_min: i64,
}

#[derive(Clone, Debug)]
enum Shape {
    Scalar(Type),
    List(Arc<Declared>),
    Map(Arc<Declared>),
    Object(BTreeMap<Arc<str>, Arc<Declared>>),
}

impl Declared {
    /// What a schema declares, if expressions can see it. The root of a resource has fields that
    /// need not be declared.
    pub fn from_schema(schema: &Schema, is_root: bool) -> Option<Arc<Self>> {
        if schema.int_or_string {
            let longest = schema.max_length.map_or(REQUEST_BYTES_MAX - 2, characters);
            return Some(Self::scalar(Type::Dyn, longest, 1));
        }
        match schema.kind.as_str() {
            "array" => Self::array(schema),
            "object" if is_root => Self::object(&schema.with_object_meta()),
            "object" => Self::object(schema),
            "string" => Some(Self::text(schema)),
            "boolean" => Some(Self::scalar(Type::Bool, 0, 4)),
            "number" => Some(Self::scalar(Type::Double, 0, 1)),
            "integer" => Some(Self::scalar(Type::Int, 0, 1)),
            _ => None,
        }
    }

    fn scalar(of: Type, elements_max: i64, bytes_min: i64) -> Arc<Self> {
        Self::shaped(Shape::Scalar(of), elements_max, bytes_min)
    }

    fn shaped(shape: Shape, elements_max: i64, bytes_min: i64) -> Arc<Self> {
        Arc::new(Declared { shape, elements_max: elements_max.max(0) as u64, bytes_min })
    }

    fn array(schema: &Schema) -> Option<Arc<Self>> {
        let items = schema.items.as_ref()?;
        let items = Self::from_schema(items, items.embedded)?;
        let most = (REQUEST_BYTES_MAX - 2) / (items.bytes_min + 1);
        let most = schema.max_items.unwrap_or(most);
        Some(Self::shaped(Shape::List(items), most, 2))
    }

    fn object(schema: &Schema) -> Option<Arc<Self>> {
        if let Some(values) = &schema.additional {
            let values = Self::from_schema(values, values.embedded)?;
            let most = (REQUEST_BYTES_MAX - 2) / (values.bytes_min + 6);
            let most = schema.max_properties.unwrap_or(most);
            return Some(Self::shaped(Shape::Map(values), most, 2));
        }
        let mut fields = BTreeMap::new();
        let mut bytes_min = 2;
        for (name, below) in schema.properties.iter().flatten() {
            let Some(of) = Self::from_schema(below, below.embedded) else { continue };
            if schema.required.contains(name) && !below.has_default {
                bytes_min += name.len() as i64 + of.bytes_min + 4;
            }
            if let Some(name) = escape(name) {
                fields.insert(Arc::from(&*name), of);
            }
        }
        Some(Self::shaped(Shape::Object(fields), 0, bytes_min))
    }

    fn text(schema: &Schema) -> Arc<Self> {
        let longest = REQUEST_BYTES_MAX - 2;
        match schema.format.as_str() {
            "byte" => Self::scalar(Type::Bytes, schema.max_length.unwrap_or(longest), 2),
            "duration" => Self::scalar(Type::Duration, TIME_BYTES_MAX, DURATION_BYTES_MIN),
            "date" => Self::scalar(Type::Timestamp, DATE_BYTES, DATE_BYTES),
            "date-time" => Self::scalar(Type::Timestamp, TIME_BYTES_MAX, TIME_BYTES_MIN),
            _ => {
                let most = match schema.max_length {
                    Some(length) => characters(length),
                    None => schema.longest_choice.unwrap_or(longest),
                };
                Self::scalar(Type::String, most, 2)
            }
        }
    }

    /// A field of an object, by the name that expressions use.
    pub fn field(&self, name: &str) -> Option<&Arc<Declared>> {
        match &self.shape {
            Shape::Object(fields) => fields.get(name),
            _ => None,
        }
    }

    /// Whether it is an object with declared fields.
    pub fn is_object(&self) -> bool {
        matches!(self.shape, Shape::Object(_))
    }

    /// What the items of a list or the values of a map are.
    pub fn items(&self) -> Option<&Arc<Declared>> {
        match &self.shape {
            Shape::List(items) | Shape::Map(items) => Some(items),
            _ => None,
        }
    }

    /// The type, in which objects are named after where they are; they are added to `objects`.
    pub fn named(&self, name: &str, objects: &mut Vec<(Arc<str>, Fields)>) -> Type {
        match &self.shape {
            Shape::Scalar(of) => of.clone(),
            Shape::List(items) => Type::list(items.named(&format!("{name}.@idx"), objects)),
            Shape::Map(values) => {
                Type::map(Type::String, values.named(&format!("{name}.@elem"), objects))
            }
            Shape::Object(fields) => {
                let name: Arc<str> = name.into();
                let typed = fields.iter().map(|(field, of)| {
                    (field.clone(), of.named(&format!("{name}.{field}"), objects))
                });
                let typed = typed.collect();
                objects.push((name.clone(), typed));
                Type::Struct(name)
            }
        }
    }

    /// The most characters, items or entries of what is at a path from here.
    pub fn elements_at(&self, path: &[Arc<str>]) -> Option<u64> {
        let Some((step, rest)) = path.split_first() else { return Some(self.elements_max) };
        match (&**step, &self.shape) {
            ("@items" | "@values", Shape::List(items) | Shape::Map(items)) => {
                items.elements_at(rest)
            }
            // Keys are texts of which no length is known.
            ("@keys", Shape::Map(_)) => rest.is_empty().then_some(0),
            (name, Shape::Object(fields)) => fields.get(name)?.elements_at(rest),
            _ => None,
        }
    }

    /// How often values of at least this size can be in an object, at most.
    pub fn occurrences_max(&self) -> u64 {
        (REQUEST_BYTES_MAX / (self.bytes_min + 1)) as u64
    }
}

/// Bytes of so many characters, at most.
fn characters(length: i64) -> i64 {
    length.max(0).saturating_mul(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(schema: serde_json::Value) -> Arc<Declared> {
        Declared::from_schema(&Schema::read(&schema), false).expect("seen")
    }

    #[test]
    fn types_and_sizes() {
        let of = declared(json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "string", "maxLength": 5}, "b.c": {"type": "array", "items": {"type": "integer"}},
            "m": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}, "maxProperties": 3},
            "x": {"x-kubernetes-preserve-unknown-fields": true}, "u": {"x-kubernetes-int-or-string": true}}}));
        let mut objects = Vec::new();
        assert_eq!(of.named("self", &mut objects).to_string(), "self");
        let fields: Vec<String> =
            objects[0].1.iter().map(|(name, of)| format!("{name}: {of}")).collect();
        assert_eq!(
            fields,
            ["a: string", "b__dot__c: list(int)", "m: map(string, bytes)", "u: dyn"]
        );
        let size = |path: &[&str]| {
            of.elements_at(&path.iter().map(|step| Arc::from(*step)).collect::<Vec<_>>())
        };
        assert_eq!(size(&["a"]), Some(20));
        assert_eq!(size(&["b__dot__c"]), Some((3 * 1024 * 1024 - 2) / 2));
        assert_eq!(size(&["m"]), Some(3));
        assert_eq!(size(&["m", "@keys"]), Some(0));
        assert_eq!(size(&["m", "@values"]), Some(3_145_726));
        assert_eq!(size(&["x"]), None);
        assert_eq!(of.bytes_min, 2 + 1 + 2 + 4);
    }

    #[test]
    fn the_root_has_metadata() {
        let schema = Schema::read(
            &json!({"type": "object", "properties": {"metadata": {"type": "object"}}}),
        );
        let root = Declared::from_schema(&schema, true).expect("seen");
        assert!(root.field("metadata").is_some_and(|metadata| metadata.field("name").is_some()));
        assert!(root.field("kind").is_some());
    }
}
