//! Bindings of policies to requests and parameters.

use super::super::read::{has, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, labels, names};
use super::rule::{MUTATING_OPERATIONS, OPERATIONS, match_resources};
use serde_json::Value;

const ACTIONS: [&str; 3] = ["Audit", "Deny", "Warn"];
const NOT_BOTH: &str = "name and selector are mutually exclusive";

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks the binding of a mutating policy.
pub fn mutating_binding(object: &Value) -> ErrorList {
    binding(&object["spec"], &MUTATING_OPERATIONS)
}

fn binding(spec: &Value, operations: &[&str]) -> ErrorList {
    let policy = text(spec, "policyName");
    let mut errors = check::required_name(names::subdomain, policy, &path().child("policyName"));
    if has(spec, "paramRef") {
        errors.extend(parameters(&spec["paramRef"], &path().child("paramRef")));
    }
    if has(spec, "matchResources") {
        let at = path().child("matchResources");
        errors.extend(match_resources(&spec["matchResources"], operations, &at));
    }
    errors
}

/// Checks the binding of a validating policy.
pub fn validating_binding(object: &Value) -> ErrorList {
    let mut errors = binding(&object["spec"], &OPERATIONS);
    errors.extend(actions(&object["spec"]));
    errors
}

fn parameters(reference: &Value, at: &FieldPath) -> ErrorList {
    let (name, selected) = (text(reference, "name"), has(reference, "selector"));
    let (name_at, selector_at) = (at.child("name"), at.child("selector"));
    let mut errors = check::named(names::path_segment, name, &name_at);
    errors.extend(labels::selector(&reference["selector"], &selector_at));
    match (name.is_empty(), selected) {
        (false, true) => {
            errors.push(FieldError::forbidden(name_at, NOT_BOTH));
            errors.push(FieldError::forbidden(selector_at, NOT_BOTH));
        }
        (true, false) => {
            let detail = "one of name or selector must be specified";
            errors.push(FieldError::required(at.clone(), detail));
        }
        _ => {}
    }
    let field = "parameterNotFoundAction";
    match text(reference, field) {
        "" => errors.push(FieldError::required(at.child(field), "")),
        _ => errors.extend(check::one_of(reference, field, &["Deny", "Allow"], at)),
    }
    errors
}

fn actions(spec: &Value) -> ErrorList {
    let (given, list) = (items(spec, "validationActions"), path().child("validationActions"));
    let mut errors = ErrorList::new();
    for (at, action) in given.iter().enumerate() {
        let name = action.as_str().unwrap_or_default();
        if !ACTIONS.contains(&name) {
            errors.push(FieldError::not_supported(list.index(at), name, &ACTIONS));
        }
        if given[..at].contains(action) {
            errors.push(FieldError::duplicate(list.index(at), name));
        }
    }
    if given.is_empty() {
        let detail = "at least one validation action is required";
        errors.push(FieldError::required(list, detail));
    } else if ["Deny", "Warn"].iter().all(|action| given.iter().any(|g| g == action)) {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(FieldError::invalid(list, given.to_vec(), detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn parameters_are_named_or_selected() {
        let of = |reference: Value| fields(&parameters(&reference, &FieldPath::new("p")));
        assert!(of(json!({"name": "a", "parameterNotFoundAction": "Deny"})).is_empty());
        assert!(of(json!({"selector": {}, "parameterNotFoundAction": "Allow"})).is_empty());
        assert_eq!(of(json!({})), ["p", "p.parameterNotFoundAction"]);
        assert_eq!(
            of(json!({"name": "a/b", "selector": {}, "parameterNotFoundAction": "Odd"})),
            ["p.name", "p.name", "p.selector", "p.parameterNotFoundAction"]
        );
    }

    #[test]
    fn actions_do_not_repeat_themselves() {
        let of = |given: Value| actions(&json!({ "validationActions": given })).len();
        assert_eq!(of(json!(["Deny", "Audit"])), 0);
        assert_eq!(of(json!([])), 1);
        assert_eq!(of(json!(["Deny", "Warn", "Deny"])), 2);
    }
}
