//! Counts in the status of workloads.

use crate::validation::read::int;
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

pub(super) fn path() -> FieldPath {
    FieldPath::new("status")
}

fn count(status: &Value, field: &str) -> i64 {
    int(status, field).unwrap_or_default()
}

/// Fields that may not be negative, in order.
pub(super) fn counts(status: &Value, fields: &[&str]) -> ErrorList {
    fields.iter().filter_map(|field| check::not_negative(status, field, &path())).collect()
}

/// Counts of some of the replicas; the available ones are ready as well. `ready` is how upstream
/// names the count of those.
pub(super) fn parts(status: &Value, fields: &[&str], ready: &str) -> ErrorList {
    let above = |field: &str, whole: &str, named: &str| {
        let (part, whole) = (count(status, field), count(status, whole));
        let detail = format!("cannot be greater than {named}");
        (part > whole).then(|| FieldError::invalid(path().child(field), part, detail))
    };
    let mut errors: ErrorList =
        fields.iter().filter_map(|field| above(field, "replicas", "status.replicas")).collect();
    errors.extend(above("availableReplicas", "readyReplicas", ready));
    errors
}

/// The count of collisions only grows.
pub(super) fn collisions(new: &Value, old: &Value) -> Option<FieldError> {
    let (status, before) = (&new["status"], &old["status"]);
    let shrunk = count(status, "collisionCount") < count(before, "collisionCount");
    let at = path().child("collisionCount");
    shrunk
        .then(|| FieldError::invalid(at, count(status, "collisionCount"), "cannot be decremented"))
}
