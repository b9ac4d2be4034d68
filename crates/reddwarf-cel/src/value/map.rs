//! Maps and objects.

use super::{Fault, Outcome, Text, Value};
use crate::escape::{escape, unescape};
use crate::schema::Schema;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A map: of the object, or made by the expression.
#[derive(Clone, Debug)]
pub struct Map<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Entries(Arc<BTreeMap<Key, (Value<'a>, Value<'a>)>>),
    Schema(&'a serde_json::Map<String, Json>, &'a Schema),
    Dynamic(&'a serde_json::Map<String, Json>),
}

/// A key; numbers are the same whatever their type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Bool(bool),
    Number(i128),
    String(Arc<str>),
}

impl Key {
    fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Bool(of) => Some(Key::Bool(*of)),
            Value::Int(of) => Some(Key::Number((*of).into())),
            Value::Uint(of) => Some(Key::Number((*of).into())),
            Value::Double(of) if of.fract() == 0.0 && of.abs() < 2e19 => {
                Some(Key::Number(*of as i128))
            }
            Value::String(Text::Shared(text)) => Some(Key::String(text.clone())),
            Value::String(text) => Some(Key::String((&**text).into())),
            _ => None,
        }
    }
}

impl<'a> Map<'a> {
    /// A map without entries.
    pub fn new() -> Self {
        Map(Kind::Entries(Arc::default()))
    }

    pub(super) fn of_schema(map: &'a serde_json::Map<String, Json>, schema: &'a Schema) -> Self {
        Map(Kind::Schema(map, schema))
    }

    pub(super) fn dynamic(map: &'a serde_json::Map<String, Json>) -> Self {
        Map(Kind::Dynamic(map))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Entries(entries) => entries.len(),
            Kind::Schema(map, _) | Kind::Dynamic(map) => map.len(),
        }
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it is a map of the object, with its schema.
    pub(super) fn parts(&self) -> Option<(&'a serde_json::Map<String, Json>, &'a Schema)> {
        match &self.0 {
            Kind::Schema(map, schema) => Some((map, schema)),
            _ => None,
        }
    }

    /// The value of a key, if there is one.
    ///
    /// # Errors
    /// The value is not what the schema says, or a map of the object cannot have such a key.
    pub fn get(&self, key: &Value<'_>) -> Result<Option<Value<'a>>, Fault> {
        match (&self.0, key) {
            (Kind::Entries(entries), _) => {
                Ok(Key::of(key).and_then(|key| entries.get(&key)).map(|(_, value)| value.clone()))
            }
            (Kind::Schema(map, schema), Value::String(name)) => {
                field(map, schema, name).transpose()
            }
            (Kind::Schema(..), _) => Err(Fault::no_such_overload()),
            (Kind::Dynamic(map), Value::String(name)) => Ok(map.get(&**name).map(Value::dynamic)),
            (Kind::Dynamic(_), _) => Ok(None),
        }
    }

    /// The keys; of an object, those that are declared.
    pub fn keys(&self) -> Vec<Value<'a>> {
        match &self.0 {
            Kind::Entries(entries) => entries.values().map(|(key, _)| key.clone()).collect(),
            Kind::Schema(map, schema) => map
                .keys()
                .filter(|name| below(schema, name).is_some())
                .map(|name| shown(name, schema))
                .collect(),
            Kind::Dynamic(map) => {
                map.keys().map(|name| Value::String(Text::Borrowed(name))).collect()
            }
        }
    }

    /// Sets a key in a map of its own; returns the value that it had.
    ///
    /// # Errors
    /// A value that cannot be a key.
    pub(crate) fn insert(
        &mut self,
        key: Value<'a>,
        value: Value<'a>,
    ) -> Result<Option<Value<'a>>, Fault> {
        let Some(name) = Key::of(&key) else {
            return Fault::failed(format!("unsupported key type: {}", key.type_name()));
        };
        let Kind::Entries(entries) = &mut self.0 else { return Err(Fault::no_such_overload()) };
        Ok(Arc::make_mut(entries).insert(name, (key, value)).map(|(_, before)| before))
    }

    /// Takes a key out of a map of its own.
    pub(crate) fn remove(&mut self, key: &Value<'a>) {
        if let (Kind::Entries(entries), Some(name)) = (&mut self.0, Key::of(key)) {
            Arc::make_mut(entries).remove(&name);
        }
    }

    /// Whether entries can be added without copying the map.
    pub(crate) fn is_unshared(&mut self) -> bool {
        match &mut self.0 {
            Kind::Entries(entries) => Arc::get_mut(entries).is_some(),
            _ => false,
        }
    }
}

impl Default for Map<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// The schema of a field or entry.
pub(super) fn below<'a>(schema: &'a Schema, name: &str) -> Option<&'a Schema> {
    match (&schema.properties, &schema.additional) {
        (Some(properties), _) => properties.get(name),
        (None, Some(additional)) => Some(additional),
        _ => None,
    }
}

fn field<'a>(
    map: &'a serde_json::Map<String, Json>,
    schema: &'a Schema,
    name: &str,
) -> Option<Outcome<'a>> {
    let is_object = schema.properties.is_some();
    let name = if is_object { unescape(name)? } else { name.into() };
    let json = map.get(&*name)?;
    if is_object && json.is_null() {
        return None;
    }
    below(schema, &name).map(|of| Value::bind(json, of))
}

/// A key as expressions see it.
fn shown<'a>(name: &'a str, schema: &Schema) -> Value<'a> {
    if schema.properties.is_some()
        && let Some(escaped) = escape(name)
        && escaped != name
    {
        return Value::text(&*escaped);
    }
    Value::String(Text::Borrowed(name))
}
