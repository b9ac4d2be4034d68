//! Checks values against a schema, with upstream's errors (`kube-openapi`'s `validate`).

mod fail;
mod format;
mod node;
mod number;

pub use format::known as known_format;
pub use node::Correlated;

use super::schema::Schema;
use crate::validation::{ErrorList, FieldPath};
use serde_json::Value;

/// What is wrong with `value`; `path` is where it stands in its object, empty for the object
/// itself. Errors of parts that are the same in `old` are left out.
pub fn errors(
    value: &Value,
    schema: &Schema,
    old: Option<Correlated<'_>>,
    path: &FieldPath,
) -> ErrorList {
    let outcome = node::check(value, schema, "", old);
    outcome.fails.iter().map(|fail| fail.to_error(path)).collect()
}

#[cfg(test)]
mod tests;
