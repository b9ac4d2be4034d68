//! Replica sets.

use super::{kept_selector, numbers, selected_template, status, template};
use crate::validation::ErrorList;
use serde_json::Value;

/// Checks a replica set.
pub fn replica_set(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = numbers(spec, &["replicas", "minReadySeconds"]);
    errors.extend(selected_template(
        spec,
        "empty selector is invalid for deployment",
        "invalid label selector",
        || template(spec, "ReplicaSet"),
    ));
    errors
}

/// Checks an update of a replica set.
pub fn replica_set_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = replica_set(new);
    errors.extend(kept_selector(new, old));
    errors
}

/// Checks an update of a replica set's status.
pub fn replica_set_status(new: &Value, _old: &Value) -> ErrorList {
    let parts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    let found = &new["status"];
    let mut errors = status::counts(found, &["replicas"]);
    errors.extend(status::counts(found, &parts));
    errors.extend(status::counts(found, &["observedGeneration"]));
    errors.extend(status::parts(found, &parts, "readyReplicas"));
    errors
}
