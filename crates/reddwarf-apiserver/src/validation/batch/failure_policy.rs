//! What a job makes of failed pods (`podFailurePolicy`).

use crate::validation::read::{has, items, text};
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath, check as common, names};
use serde_json::Value;

const RULES_MAX: usize = 20;
const VALUES_MAX: usize = 255;
const CONDITIONS_MAX: usize = 20;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

/// Checks the policy of a job's specification.
pub(super) fn check(spec: &Value, at: &FieldPath) -> ErrorList {
    let list = at.child("rules");
    let rules = items(&spec["podFailurePolicy"], "rules");
    let mut errors: ErrorList =
        common::too_many(rules.len(), RULES_MAX, &list).into_iter().collect();
    for (i, one) in rules.iter().enumerate() {
        errors.extend(rule(spec, one, &list.index(i)));
    }
    errors
}

/// An error about an object as a whole, whose value is not shown.
fn unshown(at: &FieldPath, detail: &str) -> FieldError {
    let (field, detail) = (at.clone(), detail.to_owned());
    FieldError { kind: ErrorKind::Invalid, field, value: None, detail }
}

/// A word that must be one of `supported`; a missing one is told of them as a list.
fn chosen(object: &Value, field: &str, supported: &[&str], at: &FieldPath) -> Option<FieldError> {
    if text(object, field).is_empty() {
        let quoted: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
        let detail = format!("valid values: [{}]", quoted.join(" "));
        return Some(FieldError::required(at.child(field), detail));
    }
    common::one_of(object, field, supported, at)
}

fn rule(spec: &Value, rule: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if text(rule, "action") == "FailIndex" {
        if !has(spec, "backoffLimitPerIndex") {
            let detail = "requires the backoffLimitPerIndex to be set";
            errors.push(FieldError::invalid(at.child("action"), "FailIndex", detail));
        }
    } else {
        errors.extend(chosen(rule, "action", &ACTIONS, at));
    }
    let conditions = items(rule, "onPodConditions");
    let (by_code, by_condition) = (has(rule, "onExitCodes"), !conditions.is_empty());
    if by_code {
        errors.extend(exit_codes(spec, &rule["onExitCodes"], &at.child("onExitCodes")));
    }
    if by_condition {
        errors.extend(pod_conditions(conditions, &at.child("onPodConditions")));
    }
    if by_code && by_condition {
        let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
        errors.push(unshown(at, detail));
    }
    if !by_code && !by_condition {
        let detail = "specifying one of OnExitCodes and OnPodConditions is required";
        errors.push(unshown(at, detail));
    }
    errors
}

fn pod_conditions(conditions: &[Value], at: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        common::too_many(conditions.len(), CONDITIONS_MAX, at).into_iter().collect();
    for (i, condition) in conditions.iter().enumerate() {
        let at = at.index(i);
        let kind = text(condition, "type");
        errors.extend(common::named(names::qualified_name, kind, &at.child("type")));
        errors.extend(chosen(condition, "status", &STATUSES, &at));
    }
    errors
}

fn exit_codes(spec: &Value, codes: &Value, at: &FieldPath) -> ErrorList {
    let mut errors: ErrorList = chosen(codes, "operator", &OPERATORS, at).into_iter().collect();
    let pod = &spec["template"]["spec"];
    let name = text(codes, "containerName");
    let mut containers = items(pod, "containers").iter().chain(items(pod, "initContainers"));
    if has(codes, "containerName") && !containers.any(|c| text(c, "name") == name) {
        let at = at.child("containerName");
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.push(FieldError::invalid(at, name, detail));
    }
    let list = at.child("values");
    let values = items(codes, "values");
    if values.is_empty() {
        let value = codes.get("values").cloned().unwrap_or_default();
        errors.push(FieldError::invalid(list.clone(), value, "at least one value is required"));
    }
    errors.extend(common::too_many(values.len(), VALUES_MAX, &list));
    for (i, value) in values.iter().enumerate() {
        if text(codes, "operator") == "In" && value.as_i64() == Some(0) {
            let detail = "must not be 0 for the In operator";
            errors.push(FieldError::invalid(list.index(i), value.clone(), detail));
        }
        if values[..i].contains(value) {
            errors.push(FieldError::duplicate(list.index(i), value.clone()));
        }
    }
    if !values.is_sorted_by_key(Value::as_i64) {
        errors.push(FieldError::invalid(list, codes["values"].clone(), "must be ordered"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(rule: Value) -> Vec<String> {
        let spec = json!({"podFailurePolicy": {"rules": [rule]},
            "template": {"spec": {"containers": [{"name": "c"}]}}});
        check(&spec, &FieldPath::new("p")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules() {
        let codes = json!({"operator": "In", "values": [1, 2], "containerName": "c"});
        assert!(shown(json!({"action": "FailJob", "onExitCodes": codes})).is_empty());
        assert_eq!(
            shown(json!({"action": "FailIndex", "onExitCodes": codes})),
            [
                "p.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set"
            ]
        );
        assert_eq!(
            shown(json!({})),
            [
                "p.rules[0].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
                "p.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
            ]
        );
    }

    #[test]
    fn exit_codes_are_ordered_and_new() {
        let codes = json!({"operator": "In", "values": [3, 0, 3], "containerName": "x"});
        let errors = shown(json!({"action": "Ignore", "onExitCodes": codes}));
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[3].ends_with("must be ordered"));
    }
}
