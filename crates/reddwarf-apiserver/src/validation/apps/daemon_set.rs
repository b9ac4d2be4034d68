//! Daemon sets.

use super::rolling::{at_most_all, is_nothing};
use super::{kept_selector, numbers, path, status, template};
use crate::validation::read::{has, text};
use crate::validation::workload::matching;
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels};
use serde_json::{Value, json};

/// Checks a daemon set.
pub fn daemon_set(object: &Value) -> ErrorList {
    checked(&object["spec"], labels::selector)
}

fn checked(spec: &Value, selector: fn(&Value, &FieldPath) -> ErrorList) -> ErrorList {
    let at = path().child("selector");
    let mut errors = selector(&spec["selector"], &at);
    errors.extend(matching(spec));
    if has(spec, "selector") && labels::selects_all(&spec["selector"]) {
        let detail = "empty selector is invalid for daemonset";
        errors.push(FieldError::invalid(at, json!({}), detail));
    }
    errors.extend(template(spec, "DaemonSet"));
    errors.extend(numbers(spec, &["minReadySeconds"]));
    errors.extend(strategy(spec));
    errors.extend(numbers(spec, &["revisionHistoryLimit"]));
    errors
}

fn strategy(spec: &Value) -> ErrorList {
    let strategy = &spec["updateStrategy"];
    let at = path().child("updateStrategy");
    match text(strategy, "type") {
        "OnDelete" => ErrorList::new(),
        "RollingUpdate" if !has(strategy, "rollingUpdate") => {
            vec![FieldError::required(at.child("rollingUpdate"), "")]
        }
        "RollingUpdate" => rolling(&strategy["rollingUpdate"], &at.child("rollingUpdate")),
        other => {
            let rolling = check::internal(&strategy["rollingUpdate"]);
            let shown = json!({"Type": other, "RollingUpdate": rolling});
            vec![FieldError::not_supported(at, shown, &["RollingUpdate", "OnDelete"])]
        }
    }
}

fn rolling(rolling: &Value, at: &FieldPath) -> ErrorList {
    let fields = ["maxUnavailable", "maxSurge"];
    let mut errors: ErrorList =
        fields.iter().filter_map(|field| check::int_or_percent(rolling, field, at)).collect();
    errors.extend(fields.iter().filter_map(|field| at_most_all(rolling, field, at)));
    let (unavailable, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
    match (is_nothing(unavailable), is_nothing(surge)) {
        (true, true) => {
            let at = at.child("maxUnavailable");
            errors.push(FieldError::required(at, "cannot be 0 when maxSurge is 0"));
        }
        (false, false) => {
            let detail = "may not be set when maxUnavailable is non-zero";
            errors.push(FieldError::invalid(at.child("maxSurge"), surge.clone(), detail));
        }
        _ => {}
    }
    errors
}

/// Checks an update of a daemon set.
pub fn daemon_set_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors: ErrorList = kept_selector(new, old).into_iter().collect();
    let selector: fn(&Value, &FieldPath) -> ErrorList =
        match labels::has_bad_value(&old["spec"]["selector"]) {
            true => |selector, at| labels::but_values(labels::selector(selector, at)),
            false => labels::selector,
        };
    errors.extend(checked(&new["spec"], selector));
    errors
}

/// Checks an update of a daemon set's status.
pub fn daemon_set_status(new: &Value, old: &Value) -> ErrorList {
    const COUNTS: [&str; 9] = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    let mut errors = status::counts(&new["status"], &COUNTS);
    errors.extend(status::collisions(new, old));
    errors
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn either_surge_or_unavailable() {
        let of = |unavailable: Value, surge: Value| {
            let rolling = json!({"maxUnavailable": unavailable, "maxSurge": surge});
            let strategy_of = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
            shown(&strategy(&json!({ "updateStrategy": strategy_of })))
        };
        assert!(of(json!(1), json!(0)).is_empty() && of(json!("0%"), json!("10%")).is_empty());
        assert_eq!(
            of(json!(0), json!("0%")),
            [
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"
            ]
        );
        assert_eq!(of(json!(1), json!("101%")).len(), 2);
        let missing = strategy(&json!({"updateStrategy": {"type": "RollingUpdate"}}));
        assert_eq!(shown(&missing), ["spec.updateStrategy.rollingUpdate: Required value"]);
    }
}
