//! Persistent volumes and claims.

use crate::defaults::fill::{at, fill, put, remove, text};
use crate::defaults::now;
use serde_json::{Value, json};

const TRANSITION: &str = "status.lastPhaseTransitionTime";

/// A new volume waits to be examined.
pub fn volume_create(object: &mut Value) {
    put(object, "status", json!({"phase": "Pending", "lastPhaseTransitionTime": now()}));
}

/// A volume notes when its phase changed.
pub fn volume_status_update(new: &mut Value, old: &Value) {
    let moved = text(new, "status.phase") != text(old, "status.phase");
    if moved && at(new, TRANSITION) == at(old, TRANSITION) {
        put(new, TRANSITION, now());
    }
}

/// A new claim waits for a volume.
pub fn claim_create(object: &mut Value) {
    put(object, "status", json!({"phase": "Pending"}));
    data_sources(object, &Value::Null);
}

/// The two ways to name a source of data agree.
pub fn claim_update(new: &mut Value, old: &Value) {
    data_sources(new, old);
}

fn data_sources(object: &mut Value, old: &Value) {
    let is_used = |field: &str| at(old, field).is_some();
    let is_foreign = at(object, "spec.dataSource").is_some_and(|source| !is_known(source));
    if is_foreign && at(object, "spec.dataSourceRef").is_none() && !is_used("spec.dataSource") {
        remove(object, "spec.dataSource");
    }
    let is_remote = !text(object, "spec.dataSourceRef.namespace").is_empty();
    if is_remote && !is_used("spec.dataSourceRef") {
        remove(object, "spec.dataSourceRef");
    }
    if let Some(source) = at(object, "spec.dataSource").cloned() {
        fill(object, "spec.dataSourceRef", source);
    } else if let Some(mut source) = at(object, "spec.dataSourceRef").cloned()
        && remove(&mut source, "namespace").is_none_or(|n| n == "")
    {
        put(object, "spec.dataSource", source);
    }
}

/// Whether a source is of a kind that was known before there were references to any kind.
fn is_known(source: &Value) -> bool {
    let group = text(source, "apiGroup");
    match text(source, "kind") {
        "PersistentVolumeClaim" => group.is_empty(),
        "VolumeSnapshot" => group == "snapshot.storage.k8s.io",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_data_agree() {
        let of = |spec: Value| {
            let mut claim = json!({"spec": spec});
            claim_create(&mut claim);
            claim["spec"].take()
        };
        let (claim, other) = (
            json!({"kind": "PersistentVolumeClaim", "name": "a"}),
            json!({"apiGroup": "example.com", "kind": "Book", "name": "a"}),
        );
        let both = |source: &Value| json!({"dataSource": source, "dataSourceRef": source});
        assert_eq!(of(json!({"dataSource": claim})), both(&claim));
        assert_eq!(of(json!({"dataSource": other})), json!({}));
        assert_eq!(of(json!({"dataSourceRef": other})), both(&other));
        let remote = json!({"kind": "PersistentVolumeClaim", "name": "a", "namespace": "b"});
        assert_eq!(of(json!({"dataSourceRef": remote})), json!({}));
    }
}
