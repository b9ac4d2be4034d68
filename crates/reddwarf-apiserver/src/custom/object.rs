//! Validation of custom objects.

use super::check::{self, Correlated};
use super::kind::CustomKind;
use super::schema::Schema;
use super::{list_type, metadata, rules, scale};
use crate::validation::{ErrorList, FieldPath};
use serde_json::Value;

/// Validates a new object; its own metadata is validated already.
pub fn create(kind: &CustomKind, object: &Value, mut errors: ErrorList) -> ErrorList {
    let schema = kind.version.schema();
    if let Some(schema) = schema {
        errors.extend(check::errors(object, schema, None, &FieldPath::new("")));
    }
    errors.extend(scale_errors(kind, object, true));
    if let Some(schema) = schema {
        errors.extend(metadata::errors(object, schema, &FieldPath::new("")));
        errors.extend(list_type::errors(object, schema));
        rules::check(schema, object, None, &FieldPath::new(""), &mut errors);
    }
    errors
}

/// Validates an update; what was invalid before is tolerated as long as it does not change.
pub fn update(kind: &CustomKind, new: &Value, old: &Value, mut errors: ErrorList) -> ErrorList {
    let schema = kind.version.schema();
    if let Some(schema) = schema {
        let correlated = Some(Correlated::root(old));
        errors.extend(check::errors(new, schema, correlated, &FieldPath::new("")));
    }
    errors.extend(scale_errors(kind, new, true));
    if let Some(schema) = schema {
        errors.extend(metadata::errors(new, schema, &FieldPath::new("")));
        errors.extend(new_list_errors(schema, new, old));
        rules::check(schema, new, Some(old), &FieldPath::new(""), &mut errors);
    }
    errors
}

/// Validates an update of the status.
pub fn update_status(
    kind: &CustomKind,
    new: &Value,
    old: &Value,
    mut errors: ErrorList,
) -> ErrorList {
    let schema = kind.version.schema();
    let of_status = schema.and_then(|schema| schema.properties.get("status"));
    if let (Some(of_status), Some(status)) = (of_status, new.get("status")) {
        let correlated = old.get("status").map(Correlated::below);
        errors.extend(check::errors(status, of_status, correlated, &FieldPath::new("status")));
    }
    errors.extend(scale_errors(kind, new, false));
    if let Some(schema) = schema {
        errors.extend(new_list_errors(schema, new, old));
        rules::check(schema, new, Some(old), &FieldPath::new(""), &mut errors);
    }
    errors
}

fn scale_errors(kind: &CustomKind, object: &Value, with_spec: bool) -> ErrorList {
    let paths = kind.version.scale.as_ref();
    paths.map(|paths| scale::errors(paths, object, with_spec)).unwrap_or_default()
}

/// Repeated items, unless there were some before.
fn new_list_errors(schema: &Schema, new: &Value, old: &Value) -> ErrorList {
    match list_type::errors(old, schema).is_empty() {
        true => list_type::errors(new, schema),
        false => ErrorList::new(),
    }
}
