//! What every schema of a definition keeps to, structural or not.

use super::field_path;
use crate::custom::schema::Schema;
use crate::validation::read::{flag, has, is_empty, items, map, text};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::Value;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// The fields that every object has.
const OF_RESOURCE: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// What a schema is asked that is let pass where it was accepted before.
pub(super) struct Asked {
    /// Types are among those of OpenAPI.
    pub types: bool,
    /// Items of sets are atomic.
    pub atomic_sets: bool,
    /// Keys of lists are always there.
    pub keys: bool,
}

/// Whether a schema or one below it satisfies `wanted`.
pub(crate) fn any(schema: &Value, wanted: &dyn Fn(&Value) -> bool) -> bool {
    let Some(fields) = schema.as_object() else { return false };
    let below = |value: &Value| any(value, wanted);
    wanted(schema)
        || fields.iter().any(|(name, value)| match name.as_str() {
            "items" | "allOf" | "anyOf" | "oneOf" if value.is_array() => {
                value.as_array().into_iter().flatten().any(below)
            }
            "items" | "not" | "additionalProperties" | "additionalItems" => below(value),
            "properties" | "patternProperties" | "definitions" | "dependencies" => {
                value.as_object().into_iter().flatten().any(|(_, value)| below(value))
            }
            _ => false,
        })
}

/// Whether a schema uses extensions that need a structural one.
pub(super) fn is_extended(schema: &Value) -> bool {
    let flags = ["x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"];
    let lists = ["x-kubernetes-list-map-keys", "x-kubernetes-validations"];
    let given = ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type"];
    flags.iter().any(|name| flag(schema, name))
        || lists.iter().any(|name| !items(schema, name).is_empty())
        || given.iter().any(|name| has(schema, name))
}

/// Whether a schema's type is unknown.
pub(crate) fn has_unknown_type(schema: &Value) -> bool {
    let ty = text(schema, "type");
    !ty.is_empty() && !TYPES.contains(&ty)
}

fn item(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|of| of.is_object())
}

/// Whether a schema is that of a set whose items are not atomic.
pub(super) fn has_granular_set(schema: &Value) -> bool {
    text(schema, "x-kubernetes-list-type") == "set"
        && item(schema).is_some_and(|of| granular(of).is_some())
}

/// The extension that would make an item of a set atomic.
fn granular(item: &Value) -> Option<&'static str> {
    let (list, map) = ("x-kubernetes-list-type", "x-kubernetes-map-type");
    match text(item, "type") {
        "array" => (has(item, list) && text(item, list) != "atomic").then_some(list),
        "object" => (text(item, map) != "atomic").then_some(map),
        _ => None,
    }
}

/// What is wrong with the items of a set, or with the keys of a list's items.
pub(super) fn key_errors(schema: &Value, path: &FieldPath) -> ErrorList {
    let (list, mut errors) = (text(schema, "x-kubernetes-list-type"), ErrorList::new());
    let Some(of) = item(schema).filter(|_| list == "set" || list == "map") else { return errors };
    let path = path.child("items");
    if flag(of, "nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        errors.push(FieldError::forbidden(path.child("nullable"), detail));
    }
    let keys = items(schema, "x-kubernetes-list-map-keys").iter().filter(|_| list == "map");
    for key in keys {
        let name = key.as_str().unwrap_or_default();
        let Some(property) = map(of, "properties").and_then(|of| of.get(name)) else { continue };
        let path = path.child("properties").key(name);
        if !items(of, "required").contains(key) && property.get("default").is_none() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(path.child("default"), detail));
        }
        if flag(property, "nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(path.child("nullable"), detail));
        }
    }
    errors
}

/// Where a walk stands.
#[derive(Clone)]
struct Place {
    /// Why there may be no defaults.
    no_defaults: Option<String>,
    /// Inside the type or metadata of an object.
    in_metadata: bool,
    root: bool,
}

/// Checks a schema and those below it.
pub(super) fn errors(schema: &Value, asked: &Asked, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let place = Place { no_defaults: None, in_metadata: false, root: true };
    walk(schema, asked, &place, path, &mut errors);
    errors
}

fn walk(schema: &Value, asked: &Asked, place: &Place, path: &FieldPath, errors: &mut ErrorList) {
    unsupported(schema, asked, place, path, errors);
    if flag(schema, "uniqueItems") {
        let detail =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(path.child("uniqueItems"), detail));
    }
    below(schema, asked, place, path, errors);
    let preserve = "x-kubernetes-preserve-unknown-fields";
    if schema.get(preserve) == Some(&Value::Bool(false)) {
        errors.push(FieldError::invalid(path.child(preserve), false, "must be true or undefined"));
    }
    kind_of_map(schema, path, errors);
    kind_of_list(schema, asked, path, errors);
    if text(schema, "x-kubernetes-list-type") == "map" {
        keyed_list(schema, path, errors);
    }
    if asked.keys {
        errors.extend(key_errors(schema, path));
    }
    for (at, rule) in items(schema, "x-kubernetes-validations").iter().enumerate() {
        rule_errors(rule, schema, &path.child("x-kubernetes-validations").index(at), errors);
    }
}

fn unsupported(
    schema: &Value,
    asked: &Asked,
    place: &Place,
    path: &FieldPath,
    errors: &mut ErrorList,
) {
    let ty = text(schema, "type");
    if asked.types && has_unknown_type(schema) {
        errors.push(FieldError::not_supported(path.child("type"), ty, &TYPES));
    }
    if let Some(why) = place.no_defaults.as_ref().filter(|_| has(schema, "default")) {
        let detail = format!("must not be set {why}");
        errors.push(FieldError::forbidden(path.child("default"), detail));
    }
    let mut forbid = |name: &str, detail: &str| {
        errors.push(FieldError::forbidden(path.child(name), detail));
    };
    for (name, even_empty) in [
        ("id", false),
        ("additionalItems", true),
        ("patternProperties", false),
        ("definitions", false),
        ("dependencies", true),
        ("$ref", true),
    ] {
        if schema.get(name).is_some_and(|value| even_empty || !is_empty(value)) {
            forbid(name, &format!("{name} is not supported"));
        }
    }
    if ty == "null" {
        forbid("type", "type cannot be set to null, use nullable as an alternative");
    }
    if !items(schema, "items").is_empty() {
        forbid("items", "items must be a schema object and not an array");
    }
    let embedded = "x-kubernetes-embedded-resource";
    if place.in_metadata && flag(schema, embedded) {
        forbid(embedded, "must not be used inside of resource meta");
    }
}

/// The schemas below a schema.
fn below(schema: &Value, asked: &Asked, place: &Place, path: &FieldPath, errors: &mut ErrorList) {
    let inner = Place { root: false, ..place.clone() };
    let properties = || map(schema, "properties").into_iter().flatten();
    if let Some(additional) = schema.get("additionalProperties") {
        let field = path.child("additionalProperties");
        if properties().next().is_some() && *additional != Value::Bool(true) {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.push(FieldError::forbidden(field.clone(), detail));
        }
        if additional.is_object() {
            let mut place = inner.clone();
            if place.in_metadata {
                let why = "inside additionalProperties applying to object metadata";
                place.no_defaults = Some(why.to_owned());
            }
            walk(additional, asked, &place, &field, errors);
        }
    }
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    for (name, of) in properties() {
        let mut inner = inner.clone();
        if (place.root || embedded) && OF_RESOURCE.contains(&name.as_str()) {
            inner.in_metadata = true;
            if place.root {
                inner.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        walk(of, asked, &inner, &path.child("properties").key(name), errors);
    }
    if let Some(of) = schema.get("not").filter(|of| of.is_object()) {
        walk(of, asked, &inner, &path.child("not"), errors);
    }
    for name in ["allOf", "oneOf", "anyOf", "items"] {
        for (at, of) in items(schema, name).iter().enumerate() {
            walk(of, asked, &inner, &path.child(name).index(at), errors);
        }
    }
    for (name, of) in map(schema, "definitions").into_iter().flatten() {
        walk(of, asked, &inner, &path.child("definitions").key(name), errors);
    }
    if let Some(of) = item(schema) {
        walk(of, asked, &inner, &path.child("items"), errors);
    }
    let dependencies = map(schema, "dependencies").into_iter().flatten();
    for (name, of) in dependencies.filter(|(_, of)| of.is_object()) {
        walk(of, asked, &inner, &path.child("dependencies").key(name), errors);
    }
}

/// A type that an extension asks for.
fn type_error(
    schema: &Value,
    wanted: &str,
    extension: &str,
    path: &FieldPath,
) -> Option<FieldError> {
    let detail = format!("must be {wanted} if {extension} is specified");
    match text(schema, "type") {
        "" => Some(FieldError::required(path.child("type"), detail)),
        ty if ty != wanted => Some(FieldError::invalid(path.child("type"), ty, detail)),
        _ => None,
    }
}

fn kind_of_map(schema: &Value, path: &FieldPath, errors: &mut ErrorList) {
    let name = "x-kubernetes-map-type";
    if !has(schema, name) {
        return;
    }
    errors.extend(type_error(schema, "object", name, path));
    let (kind, allowed) = (text(schema, name), ["atomic", "granular"]);
    if !allowed.contains(&kind) {
        errors.push(FieldError::not_supported(path.child(name), kind, &allowed));
    }
}

fn kind_of_list(schema: &Value, asked: &Asked, path: &FieldPath, errors: &mut ErrorList) {
    let name = "x-kubernetes-list-type";
    let kind = text(schema, name);
    let wrong_type = type_error(schema, "array", name, path).filter(|_| has(schema, name));
    let granular_item = item(schema).filter(|_| asked.atomic_sets && kind == "set");
    if wrong_type.is_some() {
        errors.extend(wrong_type);
    } else if let Some((item, extension)) = granular_item.and_then(|of| Some((of, granular(of)?))) {
        let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
        // Upstream shows the kind of list here, even for a map.
        let shown = item.get(name).cloned().unwrap_or_default();
        let field = path.child("items").child(extension);
        errors.push(FieldError::invalid(field, shown, detail));
    }
    let allowed = ["atomic", "set", "map"];
    if has(schema, name) && !allowed.contains(&kind) {
        errors.push(FieldError::not_supported(path.child(name), kind, &allowed));
    }
    if kind != "map" && !items(schema, "x-kubernetes-list-map-keys").is_empty() {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match has(schema, name) {
            true => FieldError::invalid(path.child(name), kind, detail),
            false => FieldError::required(path.child(name), detail),
        });
    }
}

fn keyed_list(schema: &Value, path: &FieldPath, errors: &mut ErrorList) {
    let name = "x-kubernetes-list-map-keys";
    let keys = items(schema, name);
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(path.child(name), detail));
    }
    let field = path.child("items");
    let Some(of) = item(schema) else {
        errors.push(match schema.get("items") {
            None => {
                let detail = "must have a schema if x-kubernetes-list-type is map";
                FieldError::required(field, detail)
            }
            Some(list) => {
                let detail = "must only have a single schema if x-kubernetes-list-type is map";
                FieldError::invalid(field, list.clone(), detail)
            }
        });
        return;
    };
    if text(of, "type") != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(field.child("type"), text(of, "type"), detail));
        return;
    }
    for (at, key) in keys.iter().enumerate() {
        let key_name = key.as_str().unwrap_or_default();
        match map(of, "properties").and_then(|of| of.get(key_name)) {
            Some(property) if matches!(text(property, "type"), "array" | "object") => {
                let field = field.child("properties").key(key_name).child("type");
                let detail =
                    "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(FieldError::invalid(field, text(of, "type"), detail));
            }
            Some(_) => {}
            None => {
                let detail = "entries must all be names of item properties";
                errors.push(FieldError::invalid(path.child(name), keys.to_vec(), detail));
            }
        }
        if keys[..at].contains(key) {
            let detail = "must not contain duplicate entries";
            errors.push(FieldError::invalid(path.child(name), keys.to_vec(), detail));
        }
    }
}

/// What of a rule can be checked without reading its expressions.
fn rule_errors(rule: &Value, schema: &Value, path: &FieldPath, errors: &mut ErrorList) {
    let broken = |text: &str| text.contains(['\n', '\r']);
    let (message, rule_text) = (text(rule, "message"), text(rule, "rule").trim());
    if rule_text.is_empty() {
        errors.push(FieldError::required(path.child("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        let detail = "must be non-empty if specified";
        errors.push(FieldError::invalid(path.child("message"), message, detail));
    } else if broken(message.trim()) {
        let detail = "must not contain line breaks";
        errors.push(FieldError::invalid(path.child("message"), message, detail));
    } else if broken(rule_text) && message.trim().is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(path.child("message"), detail));
    }
    let expression = text(rule, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(path.child("messageExpression"), detail));
    }
    if has(rule, "reason") && !REASONS.contains(&text(rule, "reason")) {
        let field = path.child("reason");
        errors.push(FieldError::not_supported(field, text(rule, "reason"), &REASONS));
    }
    let at = text(rule, "fieldPath");
    let mut refuse =
        |detail: &str| errors.push(FieldError::invalid(path.child("fieldPath"), at, detail));
    if !at.is_empty() && at.trim().is_empty() {
        refuse("must be non-empty if specified");
    }
    if broken(at) {
        refuse("must not contain line breaks");
    }
    let readable = || super::structural::unsupported(schema).is_none();
    if !at.is_empty() && readable() && field_path::find(at, &Schema::compile(schema), true).is_err()
    {
        refuse("must be a valid path");
    }
}
