//! Workloads that make pods from a template.

use super::read::{differs, has, int, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, pod};
use serde_json::{Value, json};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

fn numbers(spec: &Value, fields: &[&str]) -> ErrorList {
    fields.iter().filter_map(|field| check::not_negative(spec, field, &path())).collect()
}

/// A `LabelSelector` that must select something.
fn selector(spec: &Value, empty: &str) -> ErrorList {
    let at = path().child("selector");
    if !has(spec, "selector") {
        return vec![FieldError::required(at, "")];
    }
    let mut errors = labels::selector(&spec["selector"], &at);
    if labels::selects_all(&spec["selector"]) {
        errors.push(FieldError::invalid(at, json!({}), empty));
    }
    errors
}

/// The selector must match the template's labels.
pub fn matching(spec: &Value) -> Option<FieldError> {
    let of_template = &spec["template"]["metadata"]["labels"];
    let matches = has(spec, "selector") && labels::matches(&spec["selector"], of_template);
    let at = path().child("template").child("metadata").child("labels");
    let detail = "`selector` does not match template `labels`";
    (!matches).then(|| FieldError::invalid(at, of_template.clone(), detail))
}

/// A template whose pods run for ever.
fn running_template(spec: &Value, kind: &str) -> ErrorList {
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

fn kept_selector(new: &Value, old: &Value) -> Option<FieldError> {
    check::immutable(&new["spec"], &old["spec"], "selector", path().child("selector"))
}

/// Whether a number or percentage is nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text == "0%",
        number => number.as_i64() == Some(0),
    }
}

fn at_most_all(rolling: &Value, field: &str, at: &FieldPath) -> Option<FieldError> {
    let value = rolling.get(field)?;
    check::percentage(value).filter(|percent| *percent > 100)?;
    let detail = "must not be greater than 100%";
    Some(FieldError::invalid(at.child(field), value.clone(), detail))
}

/// Checks a deployment.
pub fn deployment(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = numbers(spec, &["replicas"]);
    errors.extend(selector(spec, "empty selector is invalid for deployment"));
    errors.extend(matching(spec));
    errors.extend(running_template(spec, "ReplicaSet"));
    errors.extend(strategy(spec));
    errors.extend(numbers(spec, &["minReadySeconds", "revisionHistoryLimit"]));
    if let Some(deadline) = int(spec, "progressDeadlineSeconds") {
        errors.extend(numbers(spec, &["progressDeadlineSeconds"]));
        if deadline <= int(spec, "minReadySeconds").unwrap_or_default() {
            let at = path().child("progressDeadlineSeconds");
            let detail = "must be greater than minReadySeconds";
            errors.push(FieldError::invalid(at, deadline, detail));
        }
    }
    errors
}

fn strategy(spec: &Value) -> ErrorList {
    let strategy = &spec["strategy"];
    let at = path().child("strategy");
    let mut errors = ErrorList::new();
    let rolling = &strategy["rollingUpdate"];
    let rolling_at = at.child("rollingUpdate");
    match text(strategy, "type") {
        "Recreate" if has(strategy, "rollingUpdate") => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            errors.push(FieldError::forbidden(rolling_at, detail));
        }
        "Recreate" | "" => {}
        "RollingUpdate" => {
            errors.extend(check::int_or_percent(rolling, "maxUnavailable", &rolling_at));
            errors.extend(check::int_or_percent(rolling, "maxSurge", &rolling_at));
            if is_nothing(&rolling["maxUnavailable"]) && is_nothing(&rolling["maxSurge"]) {
                let detail = "may not be 0 when `maxSurge` is 0";
                let value = rolling["maxUnavailable"].clone();
                let at = rolling_at.child("maxUnavailable");
                errors.push(FieldError::invalid(at, value, detail));
            }
            errors.extend(at_most_all(rolling, "maxUnavailable", &rolling_at));
        }
        other => {
            let shown = json!({"Type": other, "RollingUpdate": null});
            errors.push(FieldError::not_supported(at, shown, &["Recreate", "RollingUpdate"]));
        }
    }
    errors
}

/// Checks an update of a deployment.
pub fn deployment_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = deployment(new);
    let changed = differs(&new["spec"], &old["spec"], "selector");
    errors.retain(|e| !changed || e.field.to_string() != "spec.template.metadata.labels");
    errors.extend(kept_selector(new, old));
    errors
}

/// Checks a replica set.
pub fn replica_set(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = numbers(spec, &["replicas", "minReadySeconds"]);
    errors.extend(selector(spec, "empty selector is invalid for deployment"));
    errors.extend(matching(spec));
    errors.extend(running_template(spec, "ReplicaSet"));
    errors
}

/// Checks an update of a replica set.
pub fn replica_set_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = replica_set(new);
    errors.extend(kept_selector(new, old));
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

/// Checks a stateful set.
pub fn stateful_set(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    let order = text(spec, "podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&order) {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        errors.push(FieldError::invalid(path().child("podManagementPolicy"), order, detail));
    }
    errors.extend(stateful_strategy(spec));
    let retention = path().child("persistentVolumeClaimRetentionPolicy");
    for field in ["whenDeleted", "whenScaled"] {
        let policy = &spec["persistentVolumeClaimRetentionPolicy"];
        errors.extend(check::one_of(policy, field, &["Retain", "Delete"], &retention));
    }
    errors.extend(numbers(spec, &["replicas", "minReadySeconds"]));
    errors.extend(check::not_negative(&spec["ordinals"], "start", &path().child("ordinals")));
    let service = text(spec, "serviceName");
    if !service.is_empty() {
        errors.extend(check::named(super::names::label, service, &path().child("serviceName")));
    }
    errors.extend(selector(spec, "empty selector is invalid for statefulset"));
    errors.extend(matching(spec));
    errors.extend(running_template(spec, "StatefulSet"));
    errors
}

fn stateful_strategy(spec: &Value) -> ErrorList {
    let strategy = &spec["updateStrategy"];
    let at = path().child("updateStrategy");
    match text(strategy, "type") {
        "OnDelete" if has(strategy, "rollingUpdate") => {
            let rolling = &strategy["rollingUpdate"];
            let shown = json!({"Partition": rolling["partition"], "MaxUnavailable": rolling["maxUnavailable"]});
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            vec![FieldError::invalid(at.child("rollingUpdate"), shown, detail)]
        }
        "OnDelete" => ErrorList::new(),
        "RollingUpdate" => {
            let rolling = at.child("rollingUpdate");
            check::not_negative(&strategy["rollingUpdate"], "partition", &rolling)
                .into_iter()
                .collect()
        }
        "" => vec![FieldError::required(at, "")],
        other => {
            let shown = json!({"Type": other, "RollingUpdate": null});
            vec![FieldError::invalid(at, shown, "must be 'RollingUpdate' or 'OnDelete'")]
        }
    }
}

/// Checks an update of a stateful set.
pub fn stateful_set_update(new: &Value, old: &Value) -> ErrorList {
    const FREE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let mut errors = stateful_set(new);
    if changed_but(&new["spec"], &old["spec"], &FREE) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden(path(), detail));
    }
    errors
}

/// Whether any field outside `free` differs.
pub fn changed_but(new: &Value, old: &Value, free: &[&str]) -> bool {
    let fields = new.as_object().into_iter().chain(old.as_object()).flat_map(|o| o.keys());
    fields.filter(|f| !free.contains(&f.as_str())).any(|field| differs(new, old, field))
}

/// Checks a daemon set.
pub fn daemon_set(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    errors.extend(labels::selector(&spec["selector"], &path().child("selector")));
    errors.extend(matching(spec));
    if has(spec, "selector") && labels::selects_all(&spec["selector"]) {
        let detail = "empty selector is invalid for daemonset";
        errors.push(FieldError::invalid(path().child("selector"), json!({}), detail));
    }
    errors.extend(running_template(spec, "DaemonSet"));
    errors.extend(numbers(spec, &["minReadySeconds"]));
    errors.extend(daemon_strategy(spec));
    errors.extend(numbers(spec, &["revisionHistoryLimit"]));
    errors
}

fn daemon_strategy(spec: &Value) -> ErrorList {
    let strategy = &spec["updateStrategy"];
    let at = path().child("updateStrategy");
    match text(strategy, "type") {
        "OnDelete" => ErrorList::new(),
        "RollingUpdate" => {
            let rolling = &strategy["rollingUpdate"];
            let at = at.child("rollingUpdate");
            let mut errors = ErrorList::new();
            for field in ["maxUnavailable", "maxSurge"] {
                errors.extend(check::int_or_percent(rolling, field, &at));
                errors.extend(at_most_all(rolling, field, &at));
            }
            let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
            match (is_nothing(unavailable), is_nothing(surge)) {
                (true, true) => {
                    let detail = "cannot be 0 when maxSurge is 0";
                    let at = at.child("maxUnavailable");
                    errors.push(FieldError::invalid(at, unavailable.clone(), detail));
                }
                (false, false) => {
                    let detail = "may not be set when maxUnavailable is non-zero";
                    errors.push(FieldError::invalid(at.child("maxSurge"), surge.clone(), detail));
                }
                _ => {}
            }
            errors
        }
        other => {
            let shown = json!({"Type": other, "RollingUpdate": null});
            vec![FieldError::not_supported(at, shown, &["RollingUpdate", "OnDelete"])]
        }
    }
}

/// Checks an update of a daemon set.
pub fn daemon_set_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors: ErrorList = kept_selector(new, old).into_iter().collect();
    errors.extend(daemon_set(new));
    errors
}

/// Checks a controller revision.
pub fn controller_revision(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if !has(object, "data") {
        errors.push(FieldError::required(FieldPath::new("data"), "data is mandatory"));
    }
    errors.extend(check::not_negative(object, "revision", &FieldPath::new("")));
    errors
}

/// Checks an update of a controller revision.
pub fn controller_revision_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors: ErrorList =
        check::immutable(new, old, "data", FieldPath::new("data")).into_iter().collect();
    errors.extend(check::not_negative(new, "revision", &FieldPath::new("")));
    errors
}

/// Checks a disruption budget.
pub fn disruption_budget(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid(path(), internal_budget(spec), detail));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        errors.extend(check::int_or_percent(spec, field, &path()));
        errors.extend(at_most_all(spec, field, &path()));
    }
    errors.extend(labels::selector(&spec["selector"], &path().child("selector")));
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.extend(check::one_of(spec, "unhealthyPodEvictionPolicy", &policies, &path()));
    errors
}

/// The spec as upstream's messages show it: in its internal form.
fn internal_budget(spec: &Value) -> Value {
    let fields = ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"];
    let mut shown = serde_json::Map::new();
    for field in fields {
        let mut name = field.to_owned();
        name[..1].make_ascii_uppercase();
        shown.insert(name, spec.get(field).cloned().unwrap_or_default());
    }
    Value::Object(shown)
}

/// Checks an update of a disruption budget's status.
pub fn disruption_status(new: &Value, _old: &Value) -> ErrorList {
    let at = FieldPath::new("status");
    let counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
    counts.iter().filter_map(|field| check::not_negative(&new["status"], field, &at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_deployment() {
        let errors = shown(&deployment(
            &json!({"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}),
        ));
        assert_eq!(
            errors,
            [
                "spec.selector: Required value",
                "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
                "spec.template.spec.containers: Required value",
            ]
        );
    }

    #[test]
    fn strategies() {
        let spec = |strategy: Value| json!({ "strategy": strategy });
        let both_nothing = spec(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}),
        );
        assert_eq!(
            shown(&strategy(&both_nothing)),
            [
                "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"
            ]
        );
        assert_eq!(strategy(&spec(json!({"type": "Recreate", "rollingUpdate": {}}))).len(), 1);
        assert!(strategy(&spec(json!({"type": "Recreate"}))).is_empty());
    }
}
