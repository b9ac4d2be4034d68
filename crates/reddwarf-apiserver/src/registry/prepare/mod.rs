//! What upstream's strategies do before an object is created or updated.
//!
//! By then the name, uid and times are set and defaults are filled in. The pipeline has cleared
//! or kept the status as [`Strategy`](super::Strategy) says; what is here comes on top.

mod certificate;
mod device;
mod features;
mod pod;
mod storage;
mod workload;

pub use certificate::{request_status_update, request_update, times as condition_times};
pub use device::{claim_status_update as device_claim_status_update, slice_create, slice_update};
pub use features::{
    pod_template_create, pod_template_update, replication_controller_create,
    replication_controller_update,
};
pub use pod::{app_armor_to_copy, pod_create, pod_status_update, pod_update, qos_class};
pub use storage::{claim_create, claim_update, volume_create, volume_status_update};
pub use workload::{
    daemon_set_create, daemon_set_update, deployment_status_update, job_create,
    stateful_set_create, stateful_set_update,
};

use crate::defaults::fill::{at, each, keep, list, put, remove};
use serde_json::{Value, json};

const KUBERNETES: &str = "kubernetes";

/// A namespace is finalized by the control plane.
pub fn namespace_create(object: &mut Value) {
    let mut finalizers = list(object, "spec.finalizers").to_vec();
    if !finalizers.iter().any(|f| f == KUBERNETES) {
        finalizers.push(json!(KUBERNETES));
    }
    put(object, "spec.finalizers", finalizers);
    put(object, "status", json!({"phase": "Active"}));
}

/// Only `/finalize` changes a namespace's finalizers.
pub fn namespace_update(new: &mut Value, old: &Value) {
    keep(new, old, "spec.finalizers");
}

/// Leases do not have the fields of coordinated leader election, which is off.
pub fn lease_create(object: &mut Value) {
    for field in ["spec.strategy", "spec.preferredHolder"] {
        remove(object, field);
    }
}

/// See [`lease_create`].
pub fn lease_update(new: &mut Value, _old: &Value) {
    lease_create(new);
}

/// What configures a node is chosen elsewhere nowadays.
pub fn node_create(object: &mut Value) {
    remove(object, "spec.configSource");
    remove(object, "status.config");
}

/// See [`node_create`].
pub fn node_update(new: &mut Value, old: &Value) {
    if at(old, "spec.configSource").is_none() {
        remove(new, "spec.configSource");
    }
}

/// See [`node_create`].
pub fn node_status_update(new: &mut Value, old: &Value) {
    if at(old, "status.config").is_none() {
        remove(new, "status.config");
    }
}

/// Secrets of an account are named, and nothing else.
pub fn service_account_create(object: &mut Value) {
    each(object, "secrets", |secret| {
        let name = secret.get("name").cloned();
        *secret = name.map_or_else(|| json!({}), |name| json!({"name": name}));
    });
}

/// See [`service_account_create`].
pub fn service_account_update(new: &mut Value, _old: &Value) {
    service_account_create(new);
}

/// The topology of older versions cannot be written.
pub fn endpoint_slice_create(object: &mut Value) {
    each(object, "endpoints", |endpoint| drop(remove(endpoint, "deprecatedTopology")));
}

/// The topology stays with endpoints that do not change.
pub fn endpoint_slice_update(new: &mut Value, old: &Value) {
    if at(new, "endpoints") != at(old, "endpoints") {
        endpoint_slice_create(new);
    }
}

/// The version in which objects are stored is on record from the start.
pub fn definition_create(object: &mut Value) {
    let stored: Vec<Value> = list(object, "spec.versions")
        .iter()
        .filter(|v| v["storage"] == true)
        .map(|v| v["name"].clone())
        .collect();
    put(object, "status", json!({"storedVersions": stored}));
}

/// What the API server serves itself is there from the start.
pub fn api_service_create(object: &mut Value) {
    if at(object, "spec.service").is_none() {
        let available = json!({
            "type": "Available", "status": "True", "reason": "Local",
            "message": "Local APIServices are always available",
            "lastTransitionTime": crate::defaults::now(),
        });
        put(object, "status.conditions", json!([available]));
    }
}

/// A `/status` that can change nothing of the metadata.
pub fn status_keeps_metadata(new: &mut Value, old: &Value) {
    for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
        keep(new, old, &format!("metadata.{field}"));
    }
}
