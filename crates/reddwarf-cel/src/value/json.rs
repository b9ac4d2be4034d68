//! JSON as values.

use super::list::List;
use super::map::Map;
use super::time::{self, Time};
use super::{Fault, Outcome, Text, Value};
use crate::schema::Schema;
use base64::Engine;
use serde_json::Value as Json;

impl<'a> Value<'a> {
    /// A value as a schema describes it.
    ///
    /// # Errors
    /// The value is not what the schema says.
    pub fn bind(json: &'a Json, schema: &'a Schema) -> Outcome<'a> {
        if json.is_null() {
            if schema.nullable {
                return Ok(Value::Null);
            }
            return Fault::failed("invalid data, got null for schema with nullable=false");
        }
        if schema.int_or_string {
            return int_or_string(json);
        }
        match (schema.kind.as_str(), json) {
            ("object", Json::Object(map)) => Ok(Value::Map(Map::of_schema(map, schema))),
            ("object", _) => Fault::failed(
                "invalid data, expected a map for the provided schema with type=object",
            ),
            ("array", Json::Array(items)) => Ok(Value::List(List::of_schema(items, schema))),
            ("array", _) => Fault::failed(
                "invalid data, expected an array for the provided schema with type=array",
            ),
            ("string", Json::String(text)) => formatted(text, &schema.format),
            ("string", _) => mismatch("string", json),
            ("number", Json::Number(number)) => {
                Ok(Value::Double(number.as_f64().unwrap_or(f64::NAN)))
            }
            ("number", _) => mismatch("float", json),
            ("integer", Json::Number(number)) => match number.as_i64() {
                Some(int) => Ok(Value::Int(int)),
                None => mismatch("int", json),
            },
            ("integer", _) => mismatch("int", json),
            ("boolean", Json::Bool(of)) => Ok(Value::Bool(*of)),
            ("boolean", _) => mismatch("bool", json),
            _ if schema.preserve => Ok(Value::Unknown(json)),
            (kind, _) => Fault::failed(format!(
                "invalid type, expected object, array, number, integer, boolean or string, or no type with x-kubernetes-int-or-string or x-kubernetes-preserve-unknown-fields is true, got {kind}"
            )),
        }
    }

    /// A value of which no schema is known.
    pub fn dynamic(json: &'a Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(of) => Value::Bool(*of),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Value::Int(int),
                None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::String(Text::Borrowed(text)),
            Json::Array(items) => Value::List(List::dynamic(items)),
            Json::Object(map) => Value::Map(Map::dynamic(map)),
        }
    }
}

fn int_or_string(json: &Json) -> Outcome<'_> {
    match json {
        Json::String(text) => Ok(Value::String(Text::Borrowed(text))),
        Json::Number(number) if number.as_i64().is_some() => {
            Ok(Value::Int(number.as_i64().unwrap_or_default()))
        }
        _ => Fault::failed(
            "invalid data, expected XIntOrString value to be either a string or integer",
        ),
    }
}

fn mismatch<'a>(expected: &str, json: &Json) -> Outcome<'a> {
    let got = match json {
        Json::Null => "<nil>",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float64",
        Json::Number(_) => "int64",
        Json::String(_) => "string",
        Json::Array(_) => "[]interface {}",
        Json::Object(_) => "map[string]interface {}",
    };
    Fault::failed(format!("invalid data, expected {expected}, got {got}"))
}

fn formatted<'a>(text: &'a str, format: &str) -> Outcome<'a> {
    match format {
        "duration" => match time::parse_any_duration(text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => Fault::failed(format!(
                "Invalid duration {text}: unable to parse {text} as duration"
            )),
        },
        "date" => match time::parse_date(text) {
            Some(date) => Ok(Value::Timestamp(date)),
            None => Fault::failed(format!("Invalid date formatted string {text}: parsing time")),
        },
        "date-time" => match Time::parse_lenient(text) {
            Some(at) => Ok(Value::Timestamp(at)),
            None => {
                Fault::failed(format!("Invalid date-time formatted string {text}: parsing time"))
            }
        },
        "byte" => match base64::engine::general_purpose::STANDARD.decode(text) {
            Ok(bytes) => Ok(Value::Bytes(bytes.into())),
            Err(error) => Fault::failed(format!("Invalid byte formatted string {text}: {error}")),
        },
        _ => Ok(Value::String(Text::Borrowed(text))),
    }
}
