//! Persistent volumes and claims.

use crate::defaults::fill::{at, fill, put, text};
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
    data_sources(object);
}

/// The two ways to name a source of data agree.
pub fn claim_update(new: &mut Value, _old: &Value) {
    data_sources(new);
}

fn data_sources(object: &mut Value) {
    if let Some(source) = at(object, "spec.dataSource").cloned() {
        fill(object, "spec.dataSourceRef", source);
    } else if let Some(source) = at(object, "spec.dataSourceRef").cloned() {
        let group = text(&source, "apiGroup");
        let known = match text(&source, "kind") {
            "PersistentVolumeClaim" => group.is_empty(),
            "VolumeSnapshot" => group == "snapshot.storage.k8s.io",
            _ => false,
        };
        if known && text(&source, "namespace").is_empty() {
            put(object, "spec.dataSource", source);
        }
    }
}
