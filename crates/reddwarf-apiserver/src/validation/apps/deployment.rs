//! Deployments.

use super::rolling::{at_most_all, is_nothing};
use super::{kept_selector, numbers, path, selected_template, status, template};
use crate::validation::read::{differs, has, int, text};
use crate::validation::{ErrorList, FieldError, check};
use serde_json::{Value, json};

/// Checks a deployment.
pub fn deployment(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = numbers(spec, &["replicas"]);
    errors.extend(selected_template(
        spec,
        "empty selector is invalid for deployment",
        "invalid label selector",
        || template(spec, "ReplicaSet"),
    ));
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
            let shown = json!({"Type": other, "RollingUpdate": check::internal(rolling)});
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

/// Checks an update of a deployment's status.
pub fn deployment_status(new: &Value, old: &Value) -> ErrorList {
    const COUNTS: [&str; 7] = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ];
    let found = &new["status"];
    let mut errors = status::counts(found, &COUNTS);
    let parts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    errors.extend(status::parts(found, &parts, "readyReplicas"));
    errors.extend(status::collisions(new, old));
    errors
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

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
    fn a_selector_that_cannot_be_read_hides_the_template() {
        let selector = json!({"matchLabels": {"a b": "c"}});
        let errors = deployment(&json!({"spec": {"selector": selector}}));
        let details: Vec<&str> = errors.iter().map(|e| e.detail.as_str()).collect();
        assert_eq!(details.len(), 2);
        assert_eq!(details[1], "invalid label selector");
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

    #[test]
    fn counts_in_the_status() {
        let of = |status: Value| json!({ "status": status });
        let errors = deployment_status(
            &of(json!({"replicas": 1, "readyReplicas": 2, "availableReplicas": 3})),
            &of(json!({"collisionCount": 1})),
        );
        assert_eq!(
            shown(&errors),
            [
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
                "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
                "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
                "status.collisionCount: Invalid value: 0: cannot be decremented",
            ]
        );
    }
}
