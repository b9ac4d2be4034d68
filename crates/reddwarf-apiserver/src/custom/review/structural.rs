//! Structural schemas: every value has a type, and what narrows values (`allOf`, `not`, …) names
//! only what the structure has.

use crate::custom::pattern;
use crate::validation::read::{flag, has, is_empty, items, map, text};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::{Value, json};

/// Where in the structure a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Fields that no structural schema has, and whether even an empty one counts.
const UNSUPPORTED: [(&str, &str, bool); 7] = [
    ("id", "id", false),
    ("$schema", "schema", false),
    ("$ref", "$ref", false),
    ("patternProperties", "patternProperties", false),
    ("dependencies", "dependencies", false),
    ("additionalItems", "additionalItems", true),
    ("definitions", "definitions", false),
];

/// Why a schema cannot even be read as a structural one.
pub fn unsupported(schema: &Value) -> Option<String> {
    for (name, shown, even_empty) in UNSUPPORTED {
        if schema.get(name).is_some_and(|value| even_empty || !is_empty(value)) {
            return Some(format!("OpenAPIV3Schema '{shown}' is not supported"));
        }
    }
    let below = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|name| items(schema, name));
    if let Some(why) = schema.get("not").into_iter().chain(below).find_map(unsupported) {
        return Some(why);
    }
    let preserve = "x-kubernetes-preserve-unknown-fields";
    if schema.get(preserve) == Some(&Value::Bool(false)) {
        return Some(format!("internal error: '{preserve}' must be true or undefined"));
    }
    if !items(schema, "items").is_empty() {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let one = |name: &str| schema.get(name).filter(|of| of.is_object()).and_then(unsupported);
    let properties = || map(schema, "properties").into_iter().flat_map(|of| of.values());
    one("items")
        .or_else(|| properties().find_map(unsupported))
        .or_else(|| one("additionalProperties"))
}

/// What keeps a schema from being structural, sorted.
pub fn errors(schema: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    structure(schema, Level::Root, path, &mut errors);
    complete(schema, Some(schema), path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn structure(schema: &Value, level: Level, path: &FieldPath, errors: &mut ErrorList) {
    if text(schema, "type") == "array" && !has(schema, "items") {
        errors.push(FieldError::required(path.child("items"), "must be specified"));
    }
    if let Some(of) = schema.get("items").filter(|of| of.is_object()) {
        structure(of, Level::Item, &path.child("items"), errors);
    }
    for (name, of) in map(schema, "properties").into_iter().flatten() {
        structure(of, Level::Field, &path.child("properties").key(name), errors);
    }
    if let Some(additional) = schema.get("additionalProperties") {
        let field = path.child("additionalProperties");
        if level == Level::Root {
            errors.push(FieldError::forbidden(field.clone(), "must not be used at the root"));
        }
        if additional.is_object() {
            structure(additional, Level::Field, &field, errors);
        }
    }
    extension_errors(schema, path, errors);
    let skips =
        (is_int_or_string(schema), items(schema, "allOf").first().is_some_and(is_int_or_string));
    narrowing(schema, skips, path, errors);
    type_errors(schema, level, path, errors);
    if level == Level::Root || flag(schema, "x-kubernetes-embedded-resource") {
        resource_errors(schema, path, errors);
    }
    let metadata = schema.pointer("/properties/metadata");
    if level == Level::Root && metadata.is_some_and(restricts) {
        let field = path.child("properties").key("metadata");
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(field, detail));
    }
}

fn extension_errors(schema: &Value, path: &FieldPath, errors: &mut ErrorList) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for name in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, name) {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(path.child(name), true, detail));
        }
    }
}

fn type_errors(schema: &Value, level: Level, path: &FieldPath, errors: &mut ErrorList) {
    let (ty, field) = (text(schema, "type"), || path.child("type"));
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    if embedded && ty != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(match ty {
            "" => FieldError::required(field(), detail),
            ty => FieldError::invalid(field(), ty, detail),
        });
    } else if ty.is_empty() && !preserves && !flag(schema, "x-kubernetes-int-or-string") {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(field(), detail));
    }
    if embedded && schema.get("additionalProperties").is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(path.child("additionalProperties"), detail));
    }
    if level == Level::Root && !ty.is_empty() && ty != "object" {
        errors.push(FieldError::invalid(field(), ty, "must be object at the root"));
    }
    if embedded && !preserves && map(schema, "properties").is_none_or(|of| of.is_empty()) {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(path.child("properties"), detail));
    }
}

/// The type and metadata of a whole object.
fn resource_errors(schema: &Value, path: &FieldPath, errors: &mut ErrorList) {
    for (name, ty) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let of = map(schema, "properties").and_then(|of| of.get(name));
        if let Some(of) = of.filter(|of| text(of, "type") != ty) {
            let field = path.child("properties").key(name).child("type");
            errors.push(FieldError::invalid(field, text(of, "type"), format!("must be {ty}")));
        }
    }
}

/// Whether a schema of metadata says more than that of names.
fn restricts(metadata: &Value) -> bool {
    let names_only = |of: &Value| {
        let of = of.as_object();
        of.is_some_and(|of| of.keys().all(|name| name == "name" || name == "generateName"))
    };
    metadata.as_object().into_iter().flatten().any(|(name, value)| match name.as_str() {
        "type" | "default" => false,
        "properties" => !names_only(value),
        "additionalProperties" => true,
        _ => !(is_empty(value) || *value == Value::Bool(false)),
    })
}

/// The one way to write a type of two.
fn is_int_or_string(schema: &Value) -> bool {
    items(schema, "anyOf") == [json!({"type": "integer"}), json!({"type": "string"})]
}

/// What narrows values. `skips` says whether `anyOf`, and that of the first of `allOf`, is the
/// one of a type of two.
fn narrowing(schema: &Value, skips: (bool, bool), path: &FieldPath, errors: &mut ErrorList) {
    for name in ["anyOf", "allOf", "oneOf"] {
        if name == "anyOf" && skips.0 {
            continue;
        }
        for (at, of) in items(schema, name).iter().enumerate() {
            let skip = name == "allOf" && at == 0 && skips.1;
            nested(of, skip, &path.child(name).index(at), errors);
        }
    }
    if let Some(of) = schema.get("not").filter(|of| of.is_object()) {
        nested(of, false, &path.child("not"), errors);
    }
    let pattern = text(schema, "pattern");
    if let Some(why) = pattern::error(pattern).filter(|_| !pattern.is_empty()) {
        let detail = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(FieldError::invalid(path.child("pattern"), pattern, detail));
    }
}

/// Fields that belong to the structure alone, and what they must be elsewhere.
const OF_STRUCTURE: [(&str, &str); 12] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
];

/// A schema that narrows another.
fn nested(schema: &Value, skip: bool, path: &FieldPath, errors: &mut ErrorList) {
    narrowing(schema, (skip, false), path, errors);
    if let Some(of) = schema.get("items").filter(|of| of.is_object()) {
        nested(of, false, &path.child("items"), errors);
    }
    for (name, of) in map(schema, "properties").into_iter().flatten() {
        nested(of, false, &path.child("properties").key(name), errors);
    }
    for (name, detail) in OF_STRUCTURE {
        let Some(value) = schema.get(name) else { continue };
        let given = match detail {
            "must be undefined to be structural" => *value != Value::Bool(false),
            _ => !is_empty(value) && *value != Value::Bool(false),
        };
        if given {
            errors.push(FieldError::forbidden(path.child(name), detail));
        }
    }
    if !items(schema, "x-kubernetes-validations").is_empty() {
        let field = path.child("x-kubernetes-validations");
        errors.push(FieldError::forbidden(field, "must be empty to be structural"));
    }
    if schema.pointer("/properties/metadata").is_some() {
        let field = path.child("properties").key("metadata");
        errors.push(FieldError::forbidden(field, "must not be specified in a nested context"));
    }
}

/// Whatever narrows values names what the structure has. `at` is where that is.
fn complete(
    narrowing: &Value,
    structure: Option<&Value>,
    at: &FieldPath,
    path: &FieldPath,
    errors: &mut ErrorList,
) {
    if let Some(of) = narrowing.get("not").filter(|of| of.is_object()) {
        complete_nested(of, structure, at, &path.child("not"), errors);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, of) in items(narrowing, name).iter().enumerate() {
            complete_nested(of, structure, at, &path.child(name).index(index), errors);
        }
    }
}

fn complete_nested(
    narrowing: &Value,
    structure: Option<&Value>,
    at: &FieldPath,
    path: &FieldPath,
    errors: &mut ErrorList,
) {
    let Some(of) = structure else {
        let detail = format!("because it is defined in {path}");
        errors.push(FieldError::required(at.clone(), detail));
        return;
    };
    complete(narrowing, structure, at, path, errors);
    if let Some(items) = narrowing.get("items").filter(|of| of.is_object()) {
        let structure = of.get("items").filter(|of| of.is_object());
        complete_nested(items, structure, &at.child("items"), &path.child("items"), errors);
    }
    for (name, property) in map(narrowing, "properties").into_iter().flatten() {
        let structure = map(of, "properties").and_then(|of| of.get(name));
        let (at, path) = (at.child("properties").key(name), path.child("properties").key(name));
        complete_nested(property, structure, &at, &path, errors);
    }
}
