//! From the body of a request to an object of a custom kind.

use super::kind::CustomKind;
use super::prune::Trail;
use super::{defaulting, metadata, prune};
use crate::request::FieldValidation;
use crate::schema::{self, BodyFormat};
use crate::validation::{FieldError, FieldPath, invalid};
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::{Reason, Status};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::fmt;

/// A shaped object, and what decoding has to say of it.
pub struct Shaped {
    /// Without unknown fields.
    pub object: Value,
    /// `unknown field "…"` and `duplicate field "…"`.
    pub problems: Vec<String>,
}

/// Reads a JSON body; keys that come twice are named in `problems`, as `spec.size`.
///
/// # Errors
/// The body is no JSON.
pub fn parse(body: &[u8], problems: &mut Vec<String>) -> Result<Value, String> {
    // Go reads bytes that are not UTF-8 as replacement characters.
    let text = match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(body),
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    let node = Node { path: &mut String::new(), problems };
    let value = node.deserialize(&mut json).map_err(|e| e.to_string())?;
    json.end().map_err(|e| e.to_string())?;
    Ok(value)
}

/// Prunes an object of `kind` and brings its metadata into form.
///
/// # Errors
/// The bare text of what does not fit.
pub fn shape(
    kind: &CustomKind,
    mut object: Value,
    validation: FieldValidation,
) -> Result<Shaped, String> {
    let records = validation != FieldValidation::Ignore;
    let mut problems = Vec::new();
    let mut unknown = |paths: Vec<String>| {
        problems.extend(paths.into_iter().map(|path| format!("unknown field \"{path}\"")));
    };
    for name in ["kind", "apiVersion"] {
        if let Some(other) = object.get(name).filter(|v| !v.is_string() && !v.is_null()) {
            return Err(format!(
                ".{name} accessor error: {other} is of the type {}, expected string",
                go_type(other)
            ));
        }
    }
    if let Some(given) = object.get("metadata").cloned() {
        let (meta, fields) = schema::metadata(given, "metadata", records)?;
        unknown(fields);
        object["metadata"] = meta;
    }
    let trail = || if records { Trail::recording() } else { Trail::default() };
    let schema = kind.version.schema();
    if !kind.definition.preserve_unknown {
        let mut pruned = trail();
        prune::prune(&mut object, schema, &mut pruned);
        unknown(pruned.into_unknown());
        defaulting::drop_nulls(&mut object, schema);
    }
    if let Some(schema) = schema {
        let mut coerced = trail();
        metadata::coerce(&mut object, schema, &mut coerced).map_err(|error| error.to_string())?;
        unknown(coerced.into_unknown());
    }
    Ok(Shaped { object, problems })
}

/// 422 for an object that names another kind.
pub fn wrong_kind(kind: &CustomKind, object: &Value) -> Option<Box<Status>> {
    let given = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let wanted = &*kind.definition.names.kind;
    if given == wanted {
        return None;
    }
    let error = FieldError::invalid(FieldPath::new("kind"), given, format!("must be {wanted}"));
    let name = crate::object::name(object);
    Some(Box::new(invalid(&kind.definition.group, given, name, &[error])))
}

/// 400 for an object that names another version.
pub fn wrong_version(kind: &CustomKind, object: &Value) -> Option<Box<Status>> {
    let given = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let wanted = kind.api_version();
    if given.is_empty() || given == wanted {
        return None;
    }
    let message = format!(
        "the API version in the data ({given}) does not match the expected API version ({wanted})"
    );
    Some(Box::new(Status::failure(Reason::BadRequest, message)))
}

/// 422 for an object that a patch has made one of another kind or version.
pub fn retyped(kind: &CustomKind, object: &Value) -> Option<Box<Status>> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let wrong = |(field, wanted): (&str, &str)| {
        let given = text(field);
        let error =
            || FieldError::invalid(FieldPath::new(field), given, format!("must be {wanted}"));
        (given != wanted).then(error)
    };
    let wanted = [("kind", &*kind.definition.names.kind), ("apiVersion", &*kind.api_version())];
    let errors: Vec<FieldError> = wanted.into_iter().filter_map(wrong).collect();
    if errors.is_empty() {
        return None;
    }
    let group = parse_api_version(text("apiVersion")).unwrap_or_default().0;
    Some(Box::new(invalid(group, text("kind"), crate::object::name(object), &errors)))
}

/// Why what a patch has made cannot be decoded as any object at all.
pub fn untyped(object: &Value) -> Option<String> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    if object.get("kind").is_none_or(|kind| kind.is_null() || kind == "") {
        return Some(format!("Object 'Kind' is missing in '{object}'"));
    }
    let version = text("apiVersion");
    let malformed = !version.is_empty() && parse_api_version(version).is_none();
    malformed.then(|| format!("unexpected GroupVersion string: {version}"))
}

/// What upstream says of a body without `kind`; it quotes the whole body.
pub fn without_kind(object: &Value, body: &[u8], format: BodyFormat) -> Option<String> {
    let given = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !given.is_empty() {
        return None;
    }
    let shown = match format {
        BodyFormat::Json => String::from_utf8_lossy(body).into_owned(),
        _ => object.to_string(),
    };
    Some(format!("Object 'Kind' is missing in '{shown}'"))
}

/// As Go's `%T` names it.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Whole floats beyond this are not exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Go writes whole floats without a point, so that it reads them as integers again.
fn number(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() < WHOLE_MAX {
        true => Value::from(number as i64),
        false => Number::from_f64(number).map_or(Value::Null, Value::Number),
    }
}

/// Reads a value, and notes the keys that come twice in it.
struct Node<'a> {
    path: &'a mut String,
    problems: &'a mut Vec<String>,
}

impl Node<'_> {
    fn step(&mut self, step: &str) -> usize {
        let length = self.path.len();
        self.path.push_str(step);
        length
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<Value, E> {
        Ok(number(float))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let length = self.step(&format!("[{}]", items.len()));
            let node = Node { path: &mut *self.path, problems: &mut *self.problems };
            let item = seq.next_element_seed(node)?;
            self.path.truncate(length);
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let dot = if self.path.is_empty() { "" } else { "." };
            let length = self.step(&format!("{dot}{key}"));
            if out.contains_key(&key) {
                self.problems.push(format!("duplicate field \"{}\"", self.path));
            }
            let node = Node { path: &mut *self.path, problems: &mut *self.problems };
            let value = map.next_value_seed(node)?;
            self.path.truncate(length);
            out.insert(key, value);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_that_come_twice_are_named() {
        let mut problems = Vec::new();
        let body = br#"{"spec": {"size": 1, "size": 2, "list": [{"a": 1, "a": 1.0}]}, "f": 1.5}"#;
        let value = parse(body, &mut problems).expect("JSON");
        assert_eq!(value, json!({"spec": {"size": 2, "list": [{"a": 1}]}, "f": 1.5}));
        assert_eq!(
            problems,
            ["duplicate field \"spec.size\"", "duplicate field \"spec.list[0].a\"",]
        );
        assert!(parse(b"{} x", &mut problems).is_err());
    }
}
