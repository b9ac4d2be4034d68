//! When a container is restarted: after it ended, and when it is resized.

use crate::validation::read::{has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

const POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const RESIZED: [&str; 2] = ["cpu", "memory"];
const RESIZE_POLICIES: [&str; 2] = ["NotRequired", "RestartContainer"];
const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;

/// Checks the restart policy and rules of a container; `is_init` for init containers.
pub fn policy(container: &Value, is_init: bool, path: &FieldPath) -> ErrorList {
    let rules = items(container, "restartPolicyRules");
    let at = path.child("restartPolicy");
    if !has(container, "restartPolicy") {
        let detail = "must specify restartPolicy when restart rules are used";
        let mut errors = ErrorList::new();
        if !rules.is_empty() {
            errors.push(FieldError::required(at, detail));
            if !is_init {
                errors.extend(restart_rules(rules, path));
            }
        }
        return errors;
    }
    let chosen = text(container, "restartPolicy");
    if is_init && chosen == "Always" {
        let detail =
            "restartPolicyRules are not allowed for init containers with restart policy Always";
        let refused = FieldError::forbidden(path.child("restartPolicyRules"), detail);
        return if rules.is_empty() { ErrorList::new() } else { vec![refused] };
    }
    let mut errors: ErrorList =
        check::one_of(container, "restartPolicy", &POLICIES, path).into_iter().collect();
    errors.extend(restart_rules(rules, path));
    errors
}

fn restart_rules(rules: &[Value], path: &FieldPath) -> ErrorList {
    let list = path.child("restartPolicyRules");
    let mut errors: ErrorList =
        check::too_many(rules.len(), RULES_MAX, &list).into_iter().collect();
    for (at, rule) in rules.iter().enumerate() {
        let at = list.index(at);
        let action = text(rule, "action");
        if action != "Restart" {
            errors.push(FieldError::not_supported(at.child("action"), action, &["Restart"]));
        }
        let at = at.child("exitCodes");
        if !has(rule, "exitCodes") {
            errors.push(FieldError::required(at, "must be specified"));
            continue;
        }
        let codes = &rule["exitCodes"];
        let operator = text(codes, "operator");
        if !OPERATORS.contains(&operator) {
            errors.push(FieldError::not_supported(at.child("operator"), operator, &OPERATORS));
        }
        let count = items(codes, "values").len();
        errors.extend(check::too_many(count, EXIT_CODES_MAX, &at.child("values")));
    }
    errors
}

/// Checks what a resize of a container does to it.
pub fn resize(container: &Value, spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("resizePolicy");
    let policies = items(container, "resizePolicy");
    let never = text(spec, "restartPolicy") == "Never";
    let mut errors = ErrorList::new();
    for (at, policy) in policies.iter().enumerate() {
        let (resource, restart) = (text(policy, "resourceName"), text(policy, "restartPolicy"));
        if policies[..at].iter().any(|before| text(before, "resourceName") == resource) {
            errors.push(FieldError::duplicate(list.index(at), resource));
        }
        for (value, supported) in [(resource, &RESIZED), (restart, &RESIZE_POLICIES)] {
            match value {
                "" => errors.push(FieldError::required(list.clone(), "")),
                _ if supported.contains(&value) => {}
                _ => errors.push(FieldError::not_supported(list.clone(), value, supported)),
            }
        }
        if never && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.push(FieldError::invalid(list.clone(), restart, detail));
        }
    }
    errors
}

/// Init containers that end are over before anything could restart them.
pub fn not_in_init(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("resizePolicy");
    let policies = items(container, "resizePolicy").iter().enumerate();
    let restarting = policies.filter(|(_, p)| text(p, "restartPolicy") == "RestartContainer");
    let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
    restarting
        .map(|(at, _)| {
            let at = list.index(at).child("restartPolicy");
            FieldError::invalid(at, "RestartContainer", detail)
        })
        .collect()
}

/// Whether an init container runs beside the others.
pub fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

/// Whether an init container that ends is to be restarted by a resize.
pub fn has_restarted_init(spec: &Value) -> bool {
    let path = FieldPath::new("spec");
    let plain = items(spec, "initContainers").iter().filter(|c| !is_sidecar(c));
    plain.into_iter().any(|container| !not_in_init(container, &path).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn rules_come_with_a_policy() {
        let at = FieldPath::new("c");
        let rule = json!({"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}});
        let container =
            json!({"restartPolicy": "Never", "restartPolicyRules": [rule, {"action": "Odd"}]});
        assert_eq!(
            fields(&policy(&container, false, &at)),
            [
                "c.restartPolicyRules[1].action FieldValueNotSupported",
                "c.restartPolicyRules[1].exitCodes FieldValueRequired",
            ]
        );
        let alone = json!({ "restartPolicyRules": [rule] });
        assert_eq!(fields(&policy(&alone, true, &at)), ["c.restartPolicy FieldValueRequired"]);
        let sidecar = json!({"restartPolicy": "Always", "restartPolicyRules": [rule]});
        assert_eq!(
            fields(&policy(&sidecar, true, &at)),
            ["c.restartPolicyRules FieldValueForbidden"]
        );
    }

    #[test]
    fn resizing_restarts_nothing_that_never_restarts() {
        let container = json!({"resizePolicy": [
            {"resourceName": "cpu", "restartPolicy": "RestartContainer"},
            {"resourceName": "cpu", "restartPolicy": "NotRequired"},
            {"resourceName": "odd", "restartPolicy": ""},
        ]});
        let errors = resize(&container, &json!({"restartPolicy": "Never"}), &FieldPath::new("c"));
        assert_eq!(
            fields(&errors),
            [
                "c.resizePolicy FieldValueInvalid",
                "c.resizePolicy[1] FieldValueDuplicate",
                "c.resizePolicy FieldValueNotSupported",
                "c.resizePolicy FieldValueRequired",
                "c.resizePolicy FieldValueInvalid",
            ]
        );
        assert_eq!(not_in_init(&container, &FieldPath::new("c")).len(), 1);
    }
}
