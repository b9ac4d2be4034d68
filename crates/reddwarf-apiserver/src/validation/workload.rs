//! Workloads that make pods from a template.

use super::read::{differs, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, pod};
use serde_json::Value;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

fn numbers(spec: &Value, fields: &[&str]) -> ErrorList {
    fields.iter().filter_map(|field| check::not_negative(spec, field, &path())).collect()
}

/// The selector must match the template's labels; one that cannot be read is told of elsewhere.
pub fn matching(spec: &Value) -> Option<FieldError> {
    let of_template = &spec["template"]["metadata"]["labels"];
    let selector = &spec["selector"];
    if !labels::selector(selector, &path()).is_empty() {
        return None;
    }
    let matches = has(spec, "selector") && labels::matches(selector, of_template);
    let at = path().child("template").child("metadata").child("labels");
    let detail = "`selector` does not match template `labels`";
    (!matches).then(|| FieldError::invalid(at, of_template.clone(), detail))
}

/// A template whose pods run for ever.
pub fn running_template(spec: &Value, kind: &str) -> ErrorList {
    let template = &spec["template"];
    let at = path().child("template");
    let mut errors = pod::template(template, &at);
    let at = at.child("spec");
    let restart = text(&template["spec"], "restartPolicy");
    if !restart.is_empty() && restart != "Always" {
        let at = at.child("restartPolicy");
        errors.push(FieldError::not_supported(at, restart, &["Always"]));
    }
    if has(&template["spec"], "activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        errors.push(FieldError::forbidden(at.child("activeDeadlineSeconds"), detail));
    }
    errors
}

/// Checks an update of the status of a replica set or replication controller.
pub fn replica_status(new: &Value, _old: &Value) -> ErrorList {
    let status = &new["status"];
    let at = FieldPath::new("status");
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    let count = |field| int(status, field).unwrap_or_default();
    let mut errors: ErrorList =
        counts.iter().filter_map(|field| check::not_negative(status, field, &at)).collect();
    for field in &counts[1..] {
        if count(field) > count("replicas") {
            let detail = "cannot be greater than status.replicas";
            errors.push(FieldError::invalid(at.child(field), count(field), detail));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let detail = "cannot be greater than readyReplicas";
        let at = at.child("availableReplicas");
        errors.push(FieldError::invalid(at, count("availableReplicas"), detail));
    }
    errors
}

/// Whether any field outside `free` differs.
pub fn changed_but(new: &Value, old: &Value, free: &[&str]) -> bool {
    let fields = new.as_object().into_iter().chain(old.as_object()).flat_map(|o| o.keys());
    fields.filter(|f| !free.contains(&f.as_str())).any(|field| differs(new, old, field))
}

/// Checks a pod template.
pub fn pod_template(object: &Value) -> ErrorList {
    pod::template(&object["template"], &FieldPath::new("template"))
}

/// Checks a namespace's own finalizers.
pub fn namespace(object: &Value) -> ErrorList {
    let list = path().child("finalizers");
    items(&object["spec"], "finalizers")
        .iter()
        .enumerate()
        .flat_map(|(at, name)| {
            super::meta::finalizer(name.as_str().unwrap_or_default(), &list.index(at))
        })
        .collect()
}
