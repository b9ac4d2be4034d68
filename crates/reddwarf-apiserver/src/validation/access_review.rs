//! Questions about rights (`authorization.k8s.io`).

use super::read::{entries, has, is_empty, items, text};
use super::{ErrorKind, ErrorList, FieldError, FieldPath, check, names};
use serde_json::{Value, json};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a review of that kind.
pub fn review(kind: &str, review: &Value) -> ErrorList {
    let spec = &review["spec"];
    let is_local = kind == "LocalSubjectAccessReview";
    let mut errors: ErrorList = question(spec).into_iter().collect();
    let unnamed = text(spec, "user").is_empty() && items(spec, "groups").is_empty();
    if kind != "SelfSubjectAccessReview" && unnamed {
        let detail = "at least one of user or group must be specified";
        errors.push(FieldError::invalid(path().child("user"), "", detail));
    }
    let at = path().child("resourceAttributes");
    for (field, rule) in [("fieldSelector", KeyRule::Any), ("labelSelector", KeyRule::Label)] {
        if has(&spec["resourceAttributes"], field) {
            errors.extend(selector(&spec["resourceAttributes"][field], &at.child(field), rule));
        }
    }
    errors.extend(metadata(review, is_local));
    if is_local {
        errors.extend(local(review));
    }
    errors
}

/// A review asks about a resource or about another path.
fn question(spec: &Value) -> Option<FieldError> {
    match (has(spec, "resourceAttributes"), has(spec, "nonResourceAttributes")) {
        (true, true) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            Some(FieldError::invalid(other(), internal(&spec["nonResourceAttributes"]), detail))
        }
        (false, false) => {
            let detail =
                "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            Some(FieldError::invalid(path().child("resourceAttributes"), Value::Null, detail))
        }
        _ => None,
    }
}

fn other() -> FieldPath {
    path().child("nonResourceAttributes")
}

fn internal(attributes: &Value) -> Value {
    json!({"Path": text(attributes, "path"), "Verb": text(attributes, "verb")})
}

/// Whether any key will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyRule {
    Any,
    Label,
}

fn selector(selector: &Value, at: &FieldPath, rule: KeyRule) -> ErrorList {
    let (raw, requirements) = (text(selector, "rawSelector"), items(selector, "requirements"));
    let list = at.child("requirements");
    let mut errors = ErrorList::new();
    match (raw.is_empty(), requirements.is_empty()) {
        (false, false) => {
            let detail = "may not specified at the same time as requirements";
            errors.push(FieldError::invalid(at.child("rawSelector"), raw, detail));
        }
        (true, true) => {
            let detail = format!("when {at} is specified, requirements or rawSelector is required");
            errors.push(FieldError::required(list.clone(), detail));
        }
        _ => {}
    }
    for (i, one) in requirements.iter().enumerate() {
        errors.extend(requirement(one, &list.index(i), rule));
    }
    errors
}

/// A requirement; one with an operator that is not known here is asked by a newer client.
fn requirement(requirement: &Value, at: &FieldPath, rule: KeyRule) -> ErrorList {
    let (key, values) = (text(requirement, "key"), items(requirement, "values"));
    let mut errors = ErrorList::new();
    if rule == KeyRule::Any && key.is_empty() {
        errors.push(FieldError::required(at.child("key"), "must be specified"));
    }
    match text(requirement, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(at.child("values"), detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(at.child("values"), detail));
        }
        _ => {}
    }
    if rule == KeyRule::Label {
        errors.extend(check::named(names::qualified_name, key, &at.child("key")));
        for (i, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            let at = at.child("values").index(i);
            errors.extend(check::named(names::label_value, value, &at));
        }
    }
    errors
}

/// Nothing is stored, so there is nothing to name.
fn metadata(review: &Value, is_local: bool) -> Option<FieldError> {
    let free = |field: &str| field == "managedFields" || (is_local && field == "namespace");
    let mut fields = entries(review, "metadata");
    let detail = if is_local { "must be empty except for namespace" } else { "must be empty" };
    fields.any(|(field, value)| !free(field) && !is_empty(value)).then(|| FieldError {
        kind: ErrorKind::Invalid,
        field: FieldPath::new("metadata"),
        value: Some(review["metadata"].clone()),
        detail: detail.to_owned(),
    })
}

fn local(review: &Value) -> ErrorList {
    let spec = &review["spec"];
    let mut errors = ErrorList::new();
    let asked = text(&spec["resourceAttributes"], "namespace");
    if has(spec, "resourceAttributes") && asked != text(&review["metadata"], "namespace") {
        let at = path().child("resourceAttributes").child("namespace");
        errors.push(FieldError::invalid(at, asked, "must match metadata.namespace"));
    }
    if has(spec, "nonResourceAttributes") {
        let detail = "disallowed on this kind of request";
        let value = internal(&spec["nonResourceAttributes"]);
        errors.push(FieldError::invalid(other(), value, detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: &str, object: Value) -> Vec<String> {
        review(kind, &object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_asked_and_for_whom() {
        assert_eq!(
            shown("SubjectAccessReview", json!({"spec": {}})),
            [
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified",
                "spec.user: Invalid value: \"\": at least one of user or group must be specified",
            ]
        );
        let both = json!({"resourceAttributes": {}, "nonResourceAttributes": {"path": "/x", "verb": "get"}});
        assert_eq!(
            shown("SelfSubjectAccessReview", json!({"metadata": {"name": "n"}, "spec": both})),
            [
                "spec.nonResourceAttributes: Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: cannot be specified in combination with resourceAttributes",
                "metadata: Invalid value: {\"name\":\"n\"}: must be empty",
            ]
        );
    }

    #[test]
    fn selectors() {
        let attributes = json!({
            "fieldSelector": {"requirements": [{"key": "", "operator": "Odd"}], "rawSelector": "x=y"},
            "labelSelector": {},
        });
        assert_eq!(
            shown("SelfSubjectAccessReview", json!({"spec": {"resourceAttributes": attributes}})),
            [
                "spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"x=y\": may not specified at the same time as requirements",
                "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be specified",
                "spec.resourceAttributes.labelSelector.requirements: Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required",
            ]
        );
    }

    #[test]
    fn a_local_review_stays_in_its_namespace() {
        let object = |spec: Value| json!({"metadata": {"namespace": "n"}, "spec": spec});
        let spec = json!({"user": "u", "resourceAttributes": {"namespace": "n"}});
        assert!(shown("LocalSubjectAccessReview", object(spec)).is_empty());
        let elsewhere = json!({"user": "u", "resourceAttributes": {"namespace": "other"}});
        assert_eq!(
            shown("LocalSubjectAccessReview", object(elsewhere)),
            [
                "spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"
            ]
        );
    }
}
