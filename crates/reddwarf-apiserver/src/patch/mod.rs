//! JSON patch, merge patch and strategic merge patch.

pub(crate) mod go_print;
mod identities;
mod json;
mod merge;
mod strategic;

#[cfg(test)]
mod tests;

use crate::registry::Kind;
use crate::request::FieldValidation;
use crate::schema::{self, Decoded, Expected, type_name};
use reddwarf_core::status::{StatusCause, StatusDetails};
use reddwarf_core::{Reason, Status};
use serde_json::Value;

/// The kinds of patch, by content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json` (RFC 6902)
    Json,
    /// `application/merge-patch+json` (RFC 7386)
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// Applies a patch to `current`; the answer is not yet normalized, defaulted or validated.
///
/// # Errors
/// The status that upstream answers for a patch that does not parse or does not apply.
pub fn apply(
    kind: &Kind,
    patch_type: PatchType,
    current: &Value,
    patch: &[u8],
) -> Result<Value, Box<Status>> {
    apply_as(Expected::of(kind), patch_type, current, patch)
}

/// [`apply`] for an object of that group, version and kind (a subresource's `Scale`).
///
/// # Errors
/// As [`apply`].
pub fn apply_as(
    expected: Expected<'_>,
    patch_type: PatchType,
    current: &Value,
    patch: &[u8],
) -> Result<Value, Box<Status>> {
    let parsed = Patch::parse(patch_type, patch)?;
    parsed.apply(expected, current.clone())
}

/// Applies a patch and brings the result into the form that decoding gives.
///
/// # Errors
/// As [`apply`]; a result that does not decode is the 422 that upstream answers.
pub fn apply_checked(
    expected: Expected<'_>,
    patch_type: PatchType,
    current: &Value,
    patch: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let parsed = Patch::parse(patch_type, patch)?;
    let mut problems = match (validation, &parsed) {
        (FieldValidation::Ignore, _) => Vec::new(),
        (_, Patch::Json(operations)) => json::unknown_fields(operations),
        _ => Vec::new(),
    };
    let patched = parsed.apply(expected, current.clone())?;
    let shown = |object: &Value| match &parsed {
        Patch::Strategic(patch) => go_print::value(patch),
        _ => object.to_string(),
    };
    // Rarely needed, but the object is consumed by the check: patch again when it is.
    let again = || parsed.apply(expected, current.clone()).map(|object| shown(&object));
    if validation == FieldValidation::Strict && !problems.is_empty() {
        return Err(invalid(&again()?, &format!("strict decoding error: {}", problems.join(", "))));
    }
    match schema::normalize_value(expected, patched, validation) {
        Ok(mut decoded) => {
            problems.append(&mut decoded.warnings);
            decoded.warnings = problems;
            Ok(decoded)
        }
        Err(message) => {
            let message = match &parsed {
                Patch::Strategic(_) => strategic::conversion_error(message),
                _ => message,
            };
            Err(invalid(&again()?, &message))
        }
    }
}

/// A parsed patch body.
enum Patch {
    Json(Vec<Value>),
    Merge(Value),
    Strategic(Value),
}

impl Patch {
    fn parse(patch_type: PatchType, body: &[u8]) -> Result<Self, Box<Status>> {
        let prefix = match patch_type {
            PatchType::Strategic => "",
            _ => "error decoding patch: ",
        };
        let refuse = |message: String| bad_request(format!("{prefix}{message}"));
        let value: Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(error) => {
                return Err(refuse(match schema::check_syntax(body) {
                    Err(message) => message,
                    Ok(()) => error.to_string(),
                }));
            }
        };
        let wrong = |wanted: &str, value: &Value| {
            let found = type_name(value);
            refuse(format!("json: cannot unmarshal {found} into Go value of type {wanted}"))
        };
        match (patch_type, value) {
            (PatchType::Json, Value::Array(operations)) => {
                json::check(&operations).map_err(|error| match error {
                    json::Malformed::Type(message) => refuse(message),
                    json::Malformed::Count(count) => Box::new(Status::failure(
                        Reason::RequestEntityTooLarge,
                        format!(
                            "The allowed maximum operations in a JSON patch is {}, got {count}",
                            json::OPERATIONS_MAX
                        ),
                    )),
                })?;
                Ok(Patch::Json(operations))
            }
            (PatchType::Json, Value::Null) => Ok(Patch::Json(Vec::new())),
            (PatchType::Json, other) => Err(wrong("[]handlers.jsonPatchOp", &other)),
            (PatchType::Merge, Value::Null) => Err(bad_request("Invalid JSON Patch".to_owned())),
            (PatchType::Merge, patch @ Value::Object(_)) => Ok(Patch::Merge(patch)),
            (PatchType::Strategic, patch @ Value::Object(_)) => Ok(Patch::Strategic(patch)),
            (PatchType::Strategic, Value::Null) => {
                Ok(Patch::Strategic(Value::Object(Default::default())))
            }
            (_, other) => Err(wrong("map[string]interface {}", &other)),
        }
    }

    fn apply(&self, expected: Expected<'_>, mut object: Value) -> Result<Value, Box<Status>> {
        match self {
            Patch::Json(operations) => {
                json::apply(&mut object, operations).map_err(|_| does_not_apply())?;
            }
            Patch::Merge(patch) => merge::apply(&mut object, patch),
            Patch::Strategic(patch) => {
                let graph = schema::builtin();
                let ty = expected.ty(graph).ok_or_else(|| {
                    Box::new(Status::failure(
                        Reason::UnsupportedMediaType,
                        "strategic merge patch format is not supported",
                    ))
                })?;
                let named = ["kind", "apiVersion"].map(|name| (name, object.get(name).cloned()));
                object = strategic::apply(graph, ty, object, patch.clone())?;
                // Upstream decodes the result as the type that it was, whatever it calls itself.
                for (name, value) in named {
                    if let Some(value) = value {
                        object[name] = value;
                    }
                }
            }
        }
        Ok(object)
    }
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::failure(Reason::BadRequest, message))
}

/// What upstream answers, without telling which operation failed.
fn does_not_apply() -> Box<Status> {
    let message = "the server rejected our request due to an error in our request";
    Box::new(Status::failure(Reason::Invalid, message).with_details(StatusDetails::default()))
}

fn invalid(value: &str, message: &str) -> Box<Status> {
    let cause = format!("Invalid value: {value:?}: {message}");
    let status = Status::failure(Reason::Invalid, format!(" \"\" is invalid: patch: {cause}"));
    Box::new(status.with_details(StatusDetails {
        causes: vec![StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: cause,
            field: "patch".to_owned(),
        }],
        ..StatusDetails::default()
    }))
}
