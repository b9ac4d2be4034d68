//! Pod templates on their own, and replication controllers.

use super::read::{has, int, is_empty, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, pod};
use serde_json::{Value, json};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a new pod template.
pub fn template(object: &Value) -> ErrorList {
    pod::template(&object["template"], &FieldPath::new("template"))
}

/// Checks an update of a pod template.
pub fn template_update(new: &Value, old: &Value) -> ErrorList {
    pod::template_update(&new["template"], &old["template"], &FieldPath::new("template"))
}

/// Checks a new replication controller.
pub fn controller(object: &Value) -> ErrorList {
    spec(&object["spec"], pod::template)
}

/// Checks an update of a replication controller.
pub fn controller_update(new: &Value, old: &Value) -> ErrorList {
    let before = &old["spec"]["template"];
    spec(&new["spec"], |template, at| pod::template_update(template, before, at))
}

/// Checks the specification of a controller, whose selector is a plain map.
fn spec(spec: &Value, pods: impl Fn(&Value, &FieldPath) -> ErrorList) -> ErrorList {
    let mut errors: ErrorList =
        check::not_negative(spec, "minReadySeconds", &path()).into_iter().collect();
    let chosen = spec.get("selector").filter(|s| !is_empty(s));
    if chosen.is_none() {
        errors.push(FieldError::required(path().child("selector"), ""));
    }
    errors.extend(check::not_negative(spec, "replicas", &path()));
    let (template, at) = (&spec["template"], path().child("template"));
    if template.is_null() {
        errors.push(FieldError::required(at, ""));
        return errors;
    }
    let of_template = &template["metadata"]["labels"];
    let wanted = json!({ "matchLabels": chosen });
    if chosen.is_some() && !labels::matches(&wanted, of_template) {
        let at = at.child("metadata").child("labels");
        let detail = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid(at, of_template.clone(), detail));
    }
    errors.extend(pods(template, &at));
    errors.extend(runs_on(&template["spec"], &at.child("spec")));
    errors
}

/// Pods that are replaced when they end do not end of themselves.
fn runs_on(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let restart = text(spec, "restartPolicy");
    if restart != "Always" {
        let at = path.child("restartPolicy");
        errors.push(FieldError::not_supported(at, restart, &["Always"]));
    }
    if has(spec, "activeDeadlineSeconds") {
        let detail = "activeDeadlineSeconds in ReplicationController is not Supported";
        errors.push(FieldError::forbidden(path.child("activeDeadlineSeconds"), detail));
    }
    errors
}

/// Checks an update of the status of a replication controller.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let (status, at) = (&new["status"], FieldPath::new("status"));
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    let count = |field: &str| int(status, field).unwrap_or_default();
    let numbers = counts.iter().chain(&["observedGeneration"]);
    let mut errors: ErrorList =
        numbers.filter_map(|field| check::not_negative(status, field, &at)).collect();
    for field in counts[1..].iter().filter(|field| count(field) > count("replicas")) {
        let detail = "cannot be greater than status.replicas";
        errors.push(FieldError::invalid(at.child(field), count(field), detail));
    }
    if count("availableReplicas") > count("readyReplicas") {
        let (at, available) = (at.child("availableReplicas"), count("availableReplicas"));
        errors.push(FieldError::invalid(at, available, "cannot be greater than readyReplicas"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_controller() {
        let fields: Vec<String> =
            controller(&json!({"spec": {}})).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields, ["spec.selector", "spec.template"]);
    }

    #[test]
    fn pods_of_a_controller_run_on() {
        let object = json!({"spec": {"selector": {"a": "b"}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 1, "containers": [{"name": "c", "image": "i"}]}}}});
        let fields: Vec<String> = controller(&object).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            ["spec.template.spec.restartPolicy", "spec.template.spec.activeDeadlineSeconds"]
        );
    }

    #[test]
    fn counts_of_pods() {
        let object = json!({"status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3, "observedGeneration": -1}});
        assert_eq!(status(&object, &Value::Null).len(), 4);
    }
}
