//! Subresources, columns and selectable fields of a version.

use super::field_path;
use crate::custom::schema::Schema;
use crate::validation::read::{items, text};
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath};
use serde_json::Value;

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] =
    ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// Fields by which objects can be selected.
const SELECTABLE_FIELDS_MAX: usize = 8;

fn simple_path_error(path: &str, field: FieldPath) -> Option<FieldError> {
    let detail = "must be a simple json path starting with .";
    (!path.starts_with('.')).then(|| FieldError::invalid(field, path, detail))
}

/// Checks `subresources`.
pub(super) fn subresource_errors(subresources: Option<&Value>, path: &FieldPath) -> ErrorList {
    let Some(scale) = subresources.and_then(|s| s.get("scale")).filter(|s| s.is_object()) else {
        return ErrorList::new();
    };
    let mut errors = ErrorList::new();
    for (name, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (value, field) = (text(scale, name), path.child(&format!("scale.{name}")));
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if let Some(error) = simple_path_error(value, field.clone()) {
            errors.push(error);
        } else if !value.starts_with(&format!("{root}.")) {
            let detail = format!("should be a json path under {root}");
            errors.push(FieldError::invalid(field, value, detail));
        }
    }
    let (selector, field) =
        (text(scale, "labelSelectorPath"), path.child("scale.labelSelectorPath"));
    if !selector.is_empty() {
        if let Some(error) = simple_path_error(selector, field.clone()) {
            errors.push(error);
        } else if !selector.starts_with(".spec.") && !selector.starts_with(".status.") {
            let detail = "should be a json path under either .spec or .status";
            errors.push(FieldError::invalid(field, selector, detail));
        }
    }
    errors
}

/// Checks `additionalPrinterColumns`.
pub(super) fn column_errors(columns: &[Value], path: &FieldPath) -> ErrorList {
    columns
        .iter()
        .enumerate()
        .flat_map(|(at, column)| one_column(column, &path.index(at)))
        .collect()
}

fn one_column(column: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if text(column, "name").is_empty() {
        errors.push(FieldError::required(path.child("name"), ""));
    }
    let (ty, format) = (text(column, "type"), text(column, "format"));
    let detail = format!("must be one of {}", COLUMN_TYPES.join(","));
    if ty.is_empty() {
        errors.push(FieldError::required(path.child("type"), detail));
    } else if !COLUMN_TYPES.contains(&ty) {
        errors.push(FieldError::invalid(path.child("type"), ty, detail));
    }
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let detail = format!("must be one of {}", COLUMN_FORMATS.join(","));
        errors.push(FieldError::invalid(path.child("format"), format, detail));
    }
    let json_path = text(column, "jsonPath");
    match json_path {
        "" => errors.push(FieldError::required(path.child("JSONPath"), "")),
        _ => errors.extend(simple_path_error(json_path, path.child("JSONPath"))),
    }
    errors
}

/// Checks `selectableFields` against the schema of their version; `too_many` allows more of them
/// than there may be.
pub(super) fn selectable_errors(
    fields: &[Value],
    schema: &Value,
    too_many: bool,
    path: &FieldPath,
) -> ErrorList {
    let schema = Schema::compile(schema);
    let mut errors = ErrorList::new();
    let mut seen: Vec<Vec<String>> = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let (json_path, path) = (text(field, "jsonPath"), path.index(at).child("jsonPath"));
        if json_path.is_empty() {
            errors.push(FieldError::required(path, ""));
            continue;
        }
        let (names, found) = match field_path::find(json_path, &schema, false) {
            Ok(found) => found,
            Err(why) => {
                let detail = format!("is an invalid path: {why}");
                errors.push(FieldError::invalid(path, json_path, detail));
                continue;
            }
        };
        if names.first().is_some_and(|name| name == "metadata") {
            let detail = "must not point to fields in metadata";
            errors.push(FieldError::invalid(path.clone(), json_path, detail));
        }
        if !matches!(&*found.ty, "string" | "boolean" | "integer") {
            let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(path.clone(), json_path, detail));
        }
        if seen.contains(&names) {
            errors.push(FieldError::duplicate(path, json_path));
        } else {
            seen.push(names);
        }
    }
    if seen.len() > SELECTABLE_FIELDS_MAX && !too_many {
        errors.push(FieldError {
            kind: ErrorKind::TooMany,
            field: path.clone(),
            value: Some(seen.len().into()),
            detail: format!("must have at most {SELECTABLE_FIELDS_MAX} items"),
        });
    }
    errors
}

/// Whether selectable fields that are too many were so before, and are the same.
pub(super) fn were_too_many(new: &Value, old: Option<&Value>) -> bool {
    let same = old.is_some_and(|old| old["selectableFields"] == new["selectableFields"]);
    same && items(new, "selectableFields").len() > SELECTABLE_FIELDS_MAX
}
