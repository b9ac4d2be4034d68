//! Controller revisions.

use crate::validation::read::has;
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

/// Checks a controller revision.
pub fn controller_revision(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if !has(object, "data") {
        errors.push(FieldError::required(FieldPath::new("data"), "data is mandatory"));
    }
    errors.extend(check::not_negative(object, "revision", &FieldPath::new("")));
    errors
}

/// Checks an update of a controller revision.
pub fn controller_revision_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = controller_revision(new);
    errors.extend(check::immutable(new, old, "data", FieldPath::new("data")));
    errors
}
