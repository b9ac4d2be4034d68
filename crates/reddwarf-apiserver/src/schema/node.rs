//! One pass from text to the normalized value, led by the type graph.
//!
//! The result is what upstream has after decoding into its Go structs and encoding them again:
//! no unknown fields, no nulls, nothing that `omitempty` drops, and every value that it always
//! writes.

use super::context::{Context, Step};
use super::model::{Field, Graph, Omit, PropsAlternative, Shape, Struct, Type, TypeId};
use super::scalar;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use std::fmt;

/// Decodes one value of type `ty`; null is [`Value::Null`], for the parent to judge.
///
/// An error is recorded in the context; the deserializer's own error only carries it out.
pub(super) struct Node<'a, 'g> {
    pub graph: &'g Graph,
    pub context: &'a mut Context<'g>,
    pub ty: TypeId,
}

impl<'g> Node<'_, 'g> {
    fn ty(&self) -> &'g Type {
        self.graph.get(self.ty)
    }

    fn mismatch<E: Error>(self, found: &str) -> E {
        let ty = self.ty();
        let wanted = match &ty.shape {
            Shape::IntOrString => "int32",
            Shape::Time | Shape::MicroTime => "string",
            _ => &ty.go,
        };
        self.context.mismatch(found, wanted);
        E::custom("a value does not fit its type")
    }

    fn formatted<E: Error>(self, result: Result<String, String>) -> Result<Value, E> {
        result.map(Value::String).map_err(|message| {
            self.context.fail(message);
            E::custom("a value does not have its format")
        })
    }

    fn text<E: Error>(self, text: &str) -> Result<Value, E> {
        match &self.ty().shape {
            Shape::Time => self.formatted(scalar::time(text)),
            Shape::MicroTime => self.formatted(scalar::micro_time(text)),
            Shape::Bytes => self.formatted(scalar::bytes(text)),
            Shape::Quantity => self.formatted(scalar::quantity(text)),
            Shape::String | Shape::IntOrString | Shape::Any => Ok(Value::from(text)),
            _ => Err(self.mismatch("string")),
        }
    }

    fn integer<E: Error>(self, number: i128) -> Result<Value, E> {
        let value = || i64::try_from(number).map(Value::from);
        match &self.ty().shape {
            Shape::Int32 | Shape::IntOrString => match i32::try_from(number) {
                Ok(number) => Ok(Value::from(number)),
                Err(_) => Err(self.mismatch(&format!("number {number}"))),
            },
            Shape::Int64 => match value() {
                Ok(value) => Ok(value),
                Err(_) => Err(self.mismatch(&format!("number {number}"))),
            },
            Shape::Float | Shape::Any => Ok(value().unwrap_or_else(|_| Value::from(number as u64))),
            Shape::Quantity => self.formatted(scalar::quantity(&number.to_string())),
            _ => Err(self.mismatch("number")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ty().go)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        match self.ty().shape {
            Shape::Bool | Shape::Any | Shape::PropsOr(_, PropsAlternative::Bool) => {
                Ok(Value::Bool(value))
            }
            _ => Err(self.mismatch("bool")),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.integer(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.integer(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match &self.ty().shape {
            // Go writes whole floats without a point.
            Shape::Float if value.fract() == 0.0 && value.abs() < 1e15 => {
                Ok(Value::from(value as i64))
            }
            Shape::Float | Shape::Any => Ok(Value::from(value)),
            Shape::Quantity => self.formatted(scalar::quantity(&value.to_string())),
            Shape::Int32 | Shape::Int64 | Shape::IntOrString => {
                Err(self.mismatch(&format!("number {value:?}")))
            }
            _ => Err(self.mismatch("number")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.text(text)
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        match self.ty().shape {
            Shape::String | Shape::IntOrString | Shape::Any => Ok(Value::String(text)),
            _ => self.text(&text),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let item = match self.ty().shape {
            Shape::List(item) => item,
            Shape::PropsOr(props, PropsAlternative::List) => props,
            Shape::Any | Shape::PropsOr(_, PropsAlternative::StringList) => {
                return serde::Deserialize::deserialize(SeqAccessDeserializer::new(seq));
            }
            _ => return Err(self.mismatch("array")),
        };
        let (graph, context) = (self.graph, self.context);
        let mut items = Vec::new();
        context.push(Step::Index(0));
        while let Some(value) =
            seq.next_element_seed(Node { graph, context: &mut *context, ty: item })?
        {
            items.push(if value.is_null() { graph.zero_of(item) } else { value });
            context.set_index(items.len());
        }
        context.pop();
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        match &self.ty().shape {
            Shape::Struct(s) => visit_struct(self.graph, self.context, s, map),
            Shape::Map(value) => visit_text_map(self.graph, self.context, *value, map),
            Shape::PropsOr(props, _) => Node { ty: *props, ..self }.visit_map(map),
            Shape::Any => serde::Deserialize::deserialize(MapAccessDeserializer::new(map)),
            _ => Err(self.mismatch("object")),
        }
    }
}

fn visit_struct<'de, 'g, A: MapAccess<'de>>(
    graph: &'g Graph,
    context: &mut Context<'g>,
    s: &'g Struct,
    mut map: A,
) -> Result<Value, A::Error> {
    let mut out = Map::with_capacity(map.size_hint().unwrap_or(8).min(s.fields.len()));
    let (mut given, mut kept) = (0u128, 0u128);
    while let Some(name) = map.next_key_seed(Name(s))? {
        let at = match name {
            FieldName::Known(at) => at,
            FieldName::Unknown(name) => {
                context.unknown(&name);
                map.next_value::<IgnoredAny>()?;
                continue;
            }
        };
        let (field, bit) = (&s.fields[at], 1u128 << at);
        if given & bit != 0 {
            context.duplicate(field.name);
            out.shift_remove(field.name);
            kept &= !bit;
        }
        given |= bit;
        context.push(Step::Field(s, field.name));
        let value = map.next_value_seed(Node { graph, context: &mut *context, ty: field.ty })?;
        context.pop();
        let begins_anew = field.name == MANAGED_FIELDS && context.in_own_metadata();
        let may_be_empty = begins_anew || GIVEN_EMPTY.contains(&(s.name, field.name));
        if is_kept(graph, field, &value) || may_be_empty && value.is_array() {
            kept |= bit;
            out.insert(field.name.to_owned(), value);
        } else if field.omit == Omit::Never && (value.is_array() || value.is_object()) {
            context.hollow(field.name, value);
        }
    }
    graph.add_missing(s, kept, &mut out);
    Ok(Value::Object(out))
}

/// An empty list of these is not the same as none: it asks for ownership to begin anew.
const MANAGED_FIELDS: &str = "managedFields";

/// Lists, by struct and field, that are neither filled with a default nor forgotten when they are
/// given, but empty; validation refuses them.
const GIVEN_EMPTY: [(&str, &str); 2] =
    [("HPAScalingRules", "policies"), ("SuccessPolicy", "rules")];

/// Whether the encoder writes `value` as it is; otherwise it writes nothing or the zero value.
fn is_kept(graph: &Graph, field: &Field, value: &Value) -> bool {
    if value.is_null() {
        return false;
    }
    if field.pointer {
        return true;
    }
    // Storing forgets whether a list or map was nil or empty.
    match (&graph.get(field.ty).shape, value) {
        (Shape::List(_), Value::Array(items)) => return !items.is_empty(),
        (Shape::Map(_), Value::Object(entries)) => return !entries.is_empty(),
        _ => {}
    }
    field.omit == Omit::Never
        || match value {
            Value::Bool(value) => *value,
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => {
                number.as_f64() != Some(0.0)
                    || matches!(graph.get(field.ty).shape, Shape::IntOrString)
            }
            _ => true,
        }
}

fn visit_text_map<'de, 'g, A: MapAccess<'de>>(
    graph: &'g Graph,
    context: &mut Context<'g>,
    ty: TypeId,
    mut map: A,
) -> Result<Value, A::Error> {
    let mut out = Map::with_capacity(map.size_hint().unwrap_or(4).min(64));
    let deep =
        matches!(graph.get(ty).shape, Shape::Struct(_) | Shape::List(_) | Shape::PropsOr(..));
    while let Some(key) = map.next_key::<String>()? {
        if deep {
            context.push(Step::Key(key.as_str().into()));
        }
        let mut value = map.next_value_seed(Node { graph, context: &mut *context, ty })?;
        if deep {
            context.pop();
        }
        if value.is_null() {
            value = match graph.get(ty).shape {
                Shape::Bytes => Value::String(String::new()),
                _ => graph.zero_of(ty),
            };
        }
        match out.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                context.duplicate(entry.key());
                entry.insert(value);
            }
        }
    }
    Ok(Value::Object(out))
}

/// Looks a field's name up without allocating it.
struct Name<'g>(&'g Struct);

enum FieldName {
    Known(usize),
    Unknown(Box<str>),
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = FieldName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FieldName, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = FieldName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<FieldName, E> {
        Ok(match self.0.index_of(name) {
            Some(at) => FieldName::Known(at),
            None => FieldName::Unknown(name.into()),
        })
    }
}
