//! Policies in CEL.

use super::super::expression::{self, Expected};
use super::super::read::{differs, has, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, condition, names};
use super::rule::{MUTATING_OPERATIONS, OPERATIONS, match_resources};
use super::variable::{Given, OF_REQUESTS, match_conditions, variables};
use super::{FAILURE_POLICIES, REINVOCATION_POLICIES};
use crate::object;
use serde_json::Value;
use std::collections::HashSet;

const ANNOTATIONS_MAX: usize = 20;
const ANNOTATION_BYTES_MAX: usize = 5 * 1024;
const REASONS: [&str; 3] = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
/// The ways to change an object with the field of each, and what its expression comes to.
const PATCHES: [(&str, &str, Expected); 2] = [
    ("ApplyConfiguration", "applyConfiguration", Expected::Object),
    ("JSONPatch", "jsonPatch", Expected::JsonPatch),
];
const NO_EXPRESSION: &str = "expression is not specified";

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a new validating policy.
pub fn validating_policy(object: &Value) -> ErrorList {
    validating(object, true)
}

/// Checks an update of a validating policy.
pub fn validating_policy_update(new: &Value, old: &Value) -> ErrorList {
    validating(new, conditions_changed(new, old))
}

/// Checks a new mutating policy.
pub fn mutating_policy(object: &Value) -> ErrorList {
    mutating(object, true)
}

/// Checks an update of a mutating policy.
pub fn mutating_policy_update(new: &Value, old: &Value) -> ErrorList {
    mutating(new, conditions_changed(new, old))
}

fn conditions_changed(new: &Value, old: &Value) -> bool {
    let changed = |field| differs(&new["spec"], &old["spec"], field);
    changed("paramKind") || changed("matchConditions")
}

/// The names that the expressions of a policy may use.
fn declared(spec: &Value) -> Vec<&'static str> {
    let mut names = OF_REQUESTS.to_vec();
    names.push("variables");
    if has(spec, "paramKind") {
        names.push("params");
    }
    names
}

/// What both kinds of policies begin with.
fn beginning(spec: &Value, conditions: bool, operations: &[&str]) -> ErrorList {
    let mut errors = ErrorList::new();
    match text(spec, "failurePolicy") {
        "" => errors.push(FieldError::required(path().child("failurePolicy"), "")),
        _ => errors.extend(check::one_of(spec, "failurePolicy", &FAILURE_POLICIES, &path())),
    }
    if has(spec, "paramKind") {
        errors.extend(parameter_kind(&spec["paramKind"], &path().child("paramKind")));
    }
    let at = path().child("matchConstraints");
    if has(spec, "matchConstraints") {
        let constraints = &spec["matchConstraints"];
        errors.extend(match_resources(constraints, operations, &at));
        if items(constraints, "resourceRules").is_empty() {
            errors.push(FieldError::required(at.child("resourceRules"), ""));
        }
    } else {
        errors.push(FieldError::required(at, ""));
    }
    let declared = declared(spec);
    if conditions {
        errors.extend(match_conditions(spec, &declared, &path()));
    }
    errors.extend(variables(spec, &declared, &path()));
    errors
}

fn parameter_kind(kind: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = api_version(text(kind, "apiVersion"), &at.child("apiVersion"));
    let (name, at) = (text(kind, "kind"), at.child("kind"));
    let wrong = names::dns_1035_label(&name.to_lowercase());
    if name.is_empty() {
        errors.push(FieldError::required(at, ""));
    } else if !wrong.is_empty() {
        let detail =
            format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.push(FieldError::invalid(at, name, detail));
    }
    errors
}

fn api_version(given: &str, at: &FieldPath) -> ErrorList {
    if given.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let (group, version) = given.split_once('/').unwrap_or(("", given));
    let invalid = |value: &str, detail: String| FieldError::invalid(at.clone(), value, detail);
    if version.contains('/') {
        return vec![invalid(given, format!("unexpected GroupVersion string: {given}"))];
    }
    let mut errors = ErrorList::new();
    let wrong = names::subdomain(group);
    if !group.is_empty() && !wrong.is_empty() {
        errors.push(invalid(group, wrong.join(",")));
    }
    let wrong = names::dns_1035_label(version);
    if version.is_empty() {
        errors.push(invalid(given, "version must be specified".to_owned()));
    } else if !wrong.is_empty() {
        errors.push(invalid(version, wrong.join(",")));
    }
    errors
}

fn validating(object: &Value, conditions: bool) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = beginning(spec, conditions, &OPERATIONS);
    let declared = declared(spec);
    let (validations, annotations) = (items(spec, "validations"), items(spec, "auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        let fields = ["validations", "auditAnnotations"].into_iter();
        errors.extend(fields.map(|field| FieldError::required(path().child(field), detail)));
    }
    for (at, one) in validations.iter().enumerate() {
        errors.extend(validation(one, &declared, &path().child("validations").index(at)));
    }
    errors.extend(audit_annotations(annotations, object::name(object), &declared));
    errors
}

fn validation(validation: &Value, declared: &[&str], at: &FieldPath) -> ErrorList {
    let given = Given { declared, expected: Expected::Bool, missing: NO_EXPRESSION };
    let mut errors: ErrorList = given.check(validation, "expression", at).into_iter().collect();
    let of_message = text(validation, "messageExpression");
    if !of_message.is_empty() && of_message.trim().is_empty() {
        let at = at.child("messageExpression");
        errors.push(FieldError::invalid(at, of_message, "must be non-empty if specified"));
    } else if !of_message.is_empty() {
        let at = at.child("messageExpression");
        errors.extend(expression::check(of_message, declared, Expected::Text, &at));
    }
    let message = text(validation, "message");
    let detail = if !message.is_empty() && message.trim().is_empty() {
        Some("must be non-empty if specified")
    } else if message.trim().contains(['\n', '\r']) {
        Some("must not contain line breaks")
    } else {
        None
    };
    let at_message = at.child("message");
    errors.extend(detail.map(|detail| FieldError::invalid(at_message, message, detail)));
    errors.extend(check::one_of(validation, "reason", &REASONS, at));
    errors
}

fn audit_annotations(annotations: &[Value], policy: &str, declared: &[&str]) -> ErrorList {
    let missing = "valueExpression is not specified";
    let given = Given { declared, expected: Expected::TextOrNull, missing };
    let list = path().child("auditAnnotations");
    let mut errors = ErrorList::new();
    if annotations.len() > ANNOTATIONS_MAX {
        let detail = format!("must not have more than {ANNOTATIONS_MAX} auditAnnotations");
        errors.push(FieldError::invalid(list.clone(), annotations.to_vec(), detail));
    }
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, annotation) in annotations.iter().enumerate() {
        let path = list.index(at);
        let (key, at_key) = (text(annotation, "key"), path.child("key"));
        errors.extend(check::named(names::qualified_name, &format!("{policy}/{key}"), &at_key));
        if text(annotation, "valueExpression").trim().len() > ANNOTATION_BYTES_MAX {
            let detail = format!("must not exceed {ANNOTATION_BYTES_MAX} bytes in length");
            errors.push(FieldError::required(path.child("valueExpression"), detail));
        } else {
            errors.extend(given.check(annotation, "valueExpression", &path));
        }
        if !seen.insert(key) {
            errors.push(FieldError::duplicate(at_key, key));
        }
    }
    errors
}

/// Checks an update of a validating policy's status.
pub fn validating_policy_status(new: &Value, _old: &Value) -> ErrorList {
    let (status, path) = (&new["status"], FieldPath::new("status"));
    let list = path.child("typeChecking").child("expressionWarnings");
    let mut errors = ErrorList::new();
    for (at, warning) in items(&status["typeChecking"], "expressionWarnings").iter().enumerate() {
        let at = list.index(at);
        errors.extend(check::required(text(warning, "warning"), at.child("warning")));
        let field = text(warning, "fieldRef").trim();
        errors.extend(check::required(field, at.child("fieldRef")));
    }
    errors.extend(condition::all(status, &path));
    errors
}

fn mutating(object: &Value, conditions: bool) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = beginning(spec, conditions, &MUTATING_OPERATIONS);
    let (mutations, list) = (items(spec, "mutations"), path().child("mutations"));
    if mutations.is_empty() {
        let detail = "mutations must contain at least one item";
        errors.push(FieldError::required(list.clone(), detail));
    }
    for (at, one) in mutations.iter().enumerate() {
        errors.extend(mutation(one, &declared(spec), &list.index(at)));
    }
    let field = "reinvocationPolicy";
    match text(spec, field) {
        "" => errors.push(FieldError::required(path().child(field), "")),
        _ => errors.extend(check::one_of(spec, field, &REINVOCATION_POLICIES, &path())),
    }
    errors
}

fn mutation(mutation: &Value, declared: &[&str], at: &FieldPath) -> ErrorList {
    let kind = text(mutation, "patchType");
    if kind.is_empty() {
        return vec![FieldError::required(at.child("patchType"), "")];
    }
    if !PATCHES.iter().any(|(known, ..)| *known == kind) {
        let kinds = PATCHES.map(|(known, ..)| known);
        return vec![FieldError::not_supported(at.child("patchType"), kind, &kinds)];
    }
    let mut errors = ErrorList::new();
    for (of, field, expected) in PATCHES {
        let at = at.child(field);
        let given = Given { declared, expected, missing: NO_EXPRESSION };
        match (of == kind, has(mutation, field)) {
            (true, true) => {
                errors.extend(given.check(&mutation[field], "expression", &at));
            }
            (true, false) => {
                let detail = format!("must be specified when patchType is {kind}");
                errors.push(FieldError::required(at, detail));
            }
            (false, true) => {
                let detail = format!("must not be specified when patchType is {kind}");
                errors.push(FieldError::forbidden(at, detail));
            }
            (false, false) => {}
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn kinds_of_parameters() {
        let of = |version: &str, kind: &str| {
            let value = json!({"apiVersion": version, "kind": kind});
            shown(&parameter_kind(&value, &FieldPath::new("p")))
        };
        assert!(of("v1", "ConfigMap").is_empty());
        assert!(of("rules.example.com/v1", "Rule").is_empty());
        assert_eq!(of("", ""), ["p.apiVersion FieldValueRequired", "p.kind FieldValueRequired"]);
        assert_eq!(of("a/b/c", "A B").len(), 2);
        assert_eq!(of("Bad_/", "A").len(), 2);
    }

    #[test]
    fn messages_are_one_line() {
        let of = |field: &str, value: &str| {
            let value = json!({"expression": "true", field: value});
            shown(&validation(&value, &OF_REQUESTS, &FieldPath::new("v")))
        };
        assert!(of("message", "fine").is_empty());
        assert_eq!(of("message", " "), ["v.message FieldValueInvalid"]);
        assert_eq!(of("message", "a\nb"), ["v.message FieldValueInvalid"]);
        assert_eq!(of("messageExpression", " "), ["v.messageExpression FieldValueInvalid"]);
        assert_eq!(of("reason", "Odd"), ["v.reason FieldValueNotSupported"]);
    }

    #[test]
    fn a_mutation_is_of_its_type() {
        let of = |value: Value| shown(&mutation(&value, &OF_REQUESTS, &FieldPath::new("m")));
        assert!(
            of(json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}})).is_empty()
        );
        assert_eq!(of(json!({})), ["m.patchType FieldValueRequired"]);
        assert_eq!(
            of(json!({"patchType": "ApplyConfiguration", "jsonPatch": {"expression": "[]"}})),
            ["m.applyConfiguration FieldValueRequired", "m.jsonPatch FieldValueForbidden"]
        );
    }

    #[test]
    fn keys_of_annotations_name_the_policy() {
        let annotations = [json!({"key": "a", "valueExpression": "'x'"}), json!({"key": "a"})];
        assert_eq!(
            shown(&audit_annotations(&annotations, "policy", &[])),
            [
                "spec.auditAnnotations[1].valueExpression FieldValueRequired",
                "spec.auditAnnotations[1].key FieldValueDuplicate",
            ]
        );
    }
}
