//! Metadata of embedded resources: brought into form when an object is decoded, and validated
//! with the object.

use super::prune::Trail;
use super::schema::Schema;
use crate::schema;
use crate::validation::{self, ErrorList, FieldError, FieldPath, names};
use serde_json::Value;

/// Brings the metadata of embedded resources into form; unknown fields go to the trail.
///
/// # Errors
/// A type or metadata of the wrong form.
pub fn coerce(
    object: &mut Value,
    schema: &Schema,
    trail: &mut Trail,
) -> Result<(), Box<FieldError>> {
    match object {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if schema.embedded {
                    of_resource(name, value, trail)?;
                }
                if let Some(of) = schema.field(name) {
                    trail.field(name, |trail| coerce(value, of, trail))?;
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            let Some(of) = schema.items.as_deref() else { return Ok(()) };
            let mut items = items.iter_mut().enumerate();
            items.try_for_each(|(at, item)| trail.index(at, |trail| coerce(item, of, trail)))
        }
        _ => Ok(()),
    }
}

fn of_resource(name: &str, value: &mut Value, trail: &mut Trail) -> Result<(), Box<FieldError>> {
    let path =
        if trail.path().is_empty() { name.to_owned() } else { format!("{}.{name}", trail.path()) };
    match name {
        "apiVersion" | "kind" if !value.is_string() => {
            let path = FieldPath::new(&path);
            Err(FieldError::invalid(path, value.clone(), "must be a string").into())
        }
        "metadata" => {
            let (meta, unknown) =
                schema::metadata(value.clone(), &path, trail.records()).map_err(|error| {
                    let at = FieldPath::new(&path);
                    FieldError::invalid(at, value.clone(), error)
                })?;
            *value = meta;
            unknown.into_iter().for_each(|path| trail.record(path));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Validates type and metadata of embedded resources; `path` is that of `object`.
pub fn errors(object: &Value, schema: &Schema, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    below(object, schema, path, &mut errors);
    errors
}

fn below(value: &Value, schema: &Schema, path: &FieldPath, errors: &mut ErrorList) {
    match value {
        Value::Object(fields) => {
            if schema.embedded {
                errors.extend(resource_errors(value, path));
            }
            for (name, value) in fields {
                if let Some(of) = schema.properties.get(name.as_str()) {
                    below(value, of, &path.child(name), errors);
                } else if let Some(of) = schema.additional.schema() {
                    below(value, of, &path.key(name), errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(of) = schema.items.as_deref() else { return };
            for (at, item) in items.iter().enumerate() {
                below(item, of, &path.index(at), errors);
            }
        }
        _ => {}
    }
}

/// What is wrong with the type and metadata of an embedded resource.
pub fn resource_errors(resource: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for name in ["apiVersion", "kind"] {
        if resource.get(name).is_none() {
            errors.push(FieldError::required(path.child(name), ""));
        }
    }
    if let Some(api_version) = resource.get("apiVersion") {
        errors.extend(api_version_error(api_version, path.child("apiVersion")));
    }
    if let Some(kind) = resource.get("kind") {
        errors.extend(kind_error(kind, path.child("kind")));
    }
    if resource.get("metadata").is_some_and(Value::is_object) {
        errors.extend(metadata_errors(resource, path));
    }
    errors
}

fn api_version_error(value: &Value, path: FieldPath) -> Option<FieldError> {
    let Some(text) = value.as_str() else {
        return Some(FieldError::invalid(path, value.clone(), "must be a string"));
    };
    if text.is_empty() {
        return Some(FieldError::invalid(path, text, "must not be empty"));
    }
    let detail = format!("unexpected GroupVersion string: {text}");
    let malformed = reddwarf_core::gvk::parse_api_version(text).is_none();
    malformed.then(|| FieldError::invalid(path, text, detail))
}

fn kind_error(value: &Value, path: FieldPath) -> Option<FieldError> {
    let Some(text) = value.as_str() else {
        return Some(FieldError::invalid(path, value.clone(), "must be a string"));
    };
    if text.is_empty() {
        return Some(FieldError::invalid(path, text, "must not be empty"));
    }
    let wrong = names::dns_1035_label(&text.to_lowercase());
    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
    (!wrong.is_empty()).then(|| FieldError::invalid(path, text, detail))
}

/// The usual checks of metadata, of which an embedded resource need not have a name.
fn metadata_errors(resource: &Value, path: &FieldPath) -> ErrorList {
    let mut holder = serde_json::json!({"metadata": resource["metadata"]});
    let meta = &mut holder["metadata"];
    let named = meta.get("name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    if !named {
        meta["name"] = "fakename".into();
    }
    let namespace = meta.get("namespace").and_then(Value::as_str).unwrap_or_default();
    let namespaced = !namespace.is_empty();
    let errors = validation::metadata(&holder, namespaced, names::path_segment);
    let below = |mut error: FieldError| {
        error.field = path.child(&error.field.to_string());
        error
    };
    errors.into_iter().map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        Schema::compile(&json!({"type": "object", "properties": {"e": {"type": "object",
            "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}}))
    }

    #[test]
    fn unknown_fields_of_metadata_are_named() {
        let mut object = json!({"e": {"metadata": {"name": "n", "zz": 1, "labels": {"a": "b"}}}});
        let mut trail = Trail::recording();
        coerce(&mut object, &schema(), &mut trail).expect("metadata");
        assert_eq!(object["e"]["metadata"], json!({"name": "n", "labels": {"a": "b"}}));
        assert_eq!(trail.into_unknown(), ["e.metadata.zz"]);
        let mut object = json!({"e": {"kind": 5}});
        assert_eq!(
            coerce(&mut object, &schema(), &mut Trail::default()).map_err(|e| e.to_string()),
            Err("e.kind: Invalid value: 5: must be a string".to_owned())
        );
    }

    #[test]
    fn type_is_needed_and_names_are_checked() {
        let said = |e: Value| -> Vec<String> {
            errors(&json!({"e": e}), &schema(), &FieldPath::new(""))
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(
            said(json!({"metadata": {"name": "e"}})),
            ["e.apiVersion: Required value", "e.kind: Required value"]
        );
        assert_eq!(
            said(json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a/b"}})),
            ["e.metadata.name: Invalid value: \"a/b\": may not contain '/'"]
        );
        assert!(said(json!({"apiVersion": "v1", "kind": "X"})).is_empty());
    }
}
