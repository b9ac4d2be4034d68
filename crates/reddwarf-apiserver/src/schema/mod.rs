//! The schemas of built-in kinds, and decoding by them.
//!
//! One [type graph](model) holds what upstream's Go types say of every built-in kind; it is read
//! from embedded tables on first use. Decoding, strategic merge and the OpenAPI documents stand
//! on it. Descriptions are not in it: they come from `k8s-openapi` when a document needs them.

mod context;
mod decode;
pub mod model;
mod node;
mod plain_json;
mod protobuf;
mod scalar;
mod syntax;
mod table;
mod yaml;

#[cfg(test)]
mod tests;

pub use decode::{Expected, decode, decode_as};
pub(crate) use decode::{metadata, normalize_value, type_name};
pub(crate) use syntax::check as check_syntax;
pub use table::builtin;

use crate::registry::Kind;
use crate::request::FieldValidation;
use reddwarf_core::{Reason, Status};
use serde_json::Value;

/// The media type of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// A decoded body and the texts of the `Warning` headers that decoding earned.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The object: unknown fields, nulls and what upstream omits when empty are gone.
    pub object: Value,
    /// Texts for `Warning: 299 - "…"`.
    pub warnings: Vec<String>,
    hollow: Vec<(String, Value)>,
}

impl Decoded {
    /// Shows the object with the lists and maps that the client gave as empty, where the object
    /// has null: storing forgets the difference, ownership does not.
    pub fn as_sent<T>(&mut self, look: impl FnOnce(&Value) -> T) -> T {
        let mut filled: Vec<&str> = Vec::new();
        for (pointer, empty) in &self.hollow {
            if let Some(place @ Value::Null) = self.object.pointer_mut(pointer) {
                *place = empty.clone();
                filled.push(pointer);
            }
        }
        let seen = look(&self.object);
        for pointer in filled {
            if let Some(place) = self.object.pointer_mut(pointer) {
                *place = Value::Null;
            }
        }
        seen
    }
}

/// Reads YAML (or JSON, as most clients send) without a schema; duplicate keys go to `problems`.
///
/// # Errors
/// What is wrong with the YAML, in upstream's words.
pub(crate) fn parse_yaml(body: &[u8], problems: &mut Vec<String>) -> Result<Value, String> {
    match plain_json::parse(body) {
        Some(value) => Ok(value),
        None => yaml::parse(body, problems),
    }
}

/// Reads a file of YAML documents, or of JSON objects one after the other, as clients have them.
///
/// # Errors
/// What is wrong with it; a key that comes twice is.
pub fn parse_documents(text: &[u8]) -> Result<Vec<Value>, String> {
    let objects = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    if let Ok(objects) = objects.collect() {
        return Ok(objects);
    }
    let mut problems = Vec::new();
    let documents = yaml::parse_all(text, &mut problems)?;
    if problems.is_empty() { Ok(documents) } else { Err(problems.join(", ")) }
}

/// Brings an object that was put together by the server into the form that [`decode`] gives.
///
/// Results of patches take [`crate::patch::apply_checked`], which reports what is wrong as
/// upstream does for patches.
///
/// # Errors
/// As [`decode`].
pub fn normalize(
    kind: &Kind,
    object: Value,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    normalize_value(Expected::of(kind), object, validation)
        .map_err(|message| Box::new(Status::failure(Reason::BadRequest, message)))
}
