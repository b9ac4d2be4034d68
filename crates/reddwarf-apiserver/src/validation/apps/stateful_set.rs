//! Stateful sets.

use super::rolling::{at_most_all, is_nothing};
use super::{numbers, path, selected_template, status, template};
use crate::validation::read::{has, items, text};
use crate::validation::workload::changed_but;
use crate::validation::{ErrorList, FieldError, FieldPath, check, names, volume_claim};
use serde_json::{Value, json};

/// What an update need not look at: it cannot change, or has not.
#[derive(Clone, Copy, Default)]
struct Skipped {
    service_name: bool,
    claims: bool,
    template: bool,
}

/// Checks a stateful set.
pub fn stateful_set(object: &Value) -> ErrorList {
    checked(&object["spec"], Skipped::default())
}

fn checked(spec: &Value, skipped: Skipped) -> ErrorList {
    let mut errors = ErrorList::new();
    match text(spec, "podManagementPolicy") {
        "" => errors.push(FieldError::required(path().child("podManagementPolicy"), "")),
        "OrderedReady" | "Parallel" => {}
        other => {
            let detail = "must be 'OrderedReady' or 'Parallel'";
            errors.push(FieldError::invalid(path().child("podManagementPolicy"), other, detail));
        }
    }
    errors.extend(strategy(spec));
    errors.extend(retention(spec));
    if !skipped.claims {
        errors.extend(claims(spec));
    }
    errors.extend(numbers(spec, &["replicas", "minReadySeconds"]));
    errors.extend(check::not_negative(&spec["ordinals"], "start", &path().child("ordinals")));
    let service = text(spec, "serviceName");
    if !service.is_empty() && !skipped.service_name {
        errors.extend(check::named(names::label, service, &path().child("serviceName")));
    }
    let looked_at = || match skipped.template {
        true => ErrorList::new(),
        false => template(spec, "StatefulSet"),
    };
    let empty = "empty selector is invalid for statefulset";
    errors.extend(selected_template(spec, empty, "", looked_at));
    errors
}

fn retention(spec: &Value) -> ErrorList {
    let policy = &spec["persistentVolumeClaimRetentionPolicy"];
    let at = path().child("persistentVolumeClaimRetentionPolicy");
    let fields = ["whenDeleted", "whenScaled"].iter();
    fields.filter_map(|field| check::one_of(policy, field, &["Retain", "Delete"], &at)).collect()
}

/// The claims made for each pod, as claims are checked elsewhere.
fn claims(spec: &Value) -> ErrorList {
    let list = path().child("volumeClaimTemplates");
    let mut errors = ErrorList::new();
    for (i, claim) in items(spec, "volumeClaimTemplates").iter().enumerate() {
        errors.extend(volume_claim::create(claim).into_iter().map(|error| {
            let field = FieldPath::new(&format!("{}.{}", list.index(i), error.field));
            FieldError { field, ..error }
        }));
    }
    errors
}

fn strategy(spec: &Value) -> ErrorList {
    let strategy = &spec["updateStrategy"];
    let at = path().child("updateStrategy");
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "OnDelete" if has(strategy, "rollingUpdate") => {
            let shown = json!({"Partition": rolling["partition"], "MaxUnavailable": rolling["maxUnavailable"]});
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            vec![FieldError::invalid(at.child("rollingUpdate"), shown, detail)]
        }
        "OnDelete" => ErrorList::new(),
        "RollingUpdate" => rolling_update(rolling, &at.child("rollingUpdate")),
        "" => vec![FieldError::required(at, "")],
        other => {
            let shown = json!({"Type": other, "RollingUpdate": check::internal(rolling)});
            vec![FieldError::invalid(at, shown, "must be 'RollingUpdate' or 'OnDelete'")]
        }
    }
}

fn rolling_update(rolling: &Value, at: &FieldPath) -> ErrorList {
    let mut errors: ErrorList = check::not_negative(rolling, "partition", at).into_iter().collect();
    if has(rolling, "maxUnavailable") {
        errors.extend(check::int_or_percent(rolling, "maxUnavailable", at));
        if is_nothing(&rolling["maxUnavailable"]) {
            let value = rolling["maxUnavailable"].clone();
            errors.push(FieldError::invalid(at.child("maxUnavailable"), value, "cannot be 0"));
        }
        errors.extend(at_most_all(rolling, "maxUnavailable", at));
    }
    errors
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
    let (new, old) = (&new["spec"], &old["spec"]);
    let template = new.get("template") == old.get("template");
    let mut errors = checked(new, Skipped { service_name: true, claims: true, template });
    if changed_but(new, old, &FREE) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden(path(), detail));
    }
    errors
}

/// Checks an update of a stateful set's status.
pub fn stateful_set_status(new: &Value, old: &Value) -> ErrorList {
    const PARTS: [&str; 4] =
        ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    let found = &new["status"];
    let mut errors = status::counts(found, &["replicas"]);
    errors.extend(status::counts(found, &PARTS));
    errors.extend(status::counts(found, &["observedGeneration", "collisionCount"]));
    errors.extend(status::parts(found, &PARTS, "status.readyReplicas"));
    errors.extend(status::collisions(new, old));
    errors
}

#[cfg(test)]
mod tests {
    use super::super::shown;
    use super::*;

    #[test]
    fn strategies() {
        let of = |kind: &str, rolling: Value| {
            let strategy_of = json!({"type": kind, "rollingUpdate": rolling});
            shown(&strategy(&json!({ "updateStrategy": strategy_of })))
        };
        assert!(of("RollingUpdate", json!({"partition": 1})).is_empty());
        assert_eq!(
            of("RollingUpdate", json!({"partition": -1, "maxUnavailable": "0%"})),
            [
                "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
                "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": cannot be 0",
            ]
        );
        assert_eq!(of("OnDelete", json!({"partition": 1})).len(), 1);
        assert_eq!(of("", Value::Null), ["spec.updateStrategy: Required value"]);
    }

    #[test]
    fn claims_are_claims() {
        let spec = json!({"volumeClaimTemplates": [{"spec": {"accessModes": ["Odd"]}}]});
        let errors = claims(&spec);
        assert!(
            errors
                .iter()
                .all(|e| { e.field.to_string().starts_with("spec.volumeClaimTemplates[0].spec.") }),
            "{errors:?}"
        );
        assert!(!errors.is_empty());
    }
}
