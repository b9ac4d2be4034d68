//! Defaults of storage.

use super::amounts::round;
use super::fill::{fill, fill_empty, list, put, within};
use super::volume;
use serde_json::{Value, json};

/// A persistent volume.
pub fn persistent_volume(object: &mut Value) {
    fill_empty(object, "status.phase", "Pending");
    fill_empty(object, "spec.persistentVolumeReclaimPolicy", "Retain");
    fill(object, "spec.volumeMode", "Filesystem");
    within(object, "spec", volume::source);
    round(object, "spec.capacity");
}

/// A persistent volume claim.
pub fn persistent_volume_claim(object: &mut Value) {
    fill_empty(object, "status.phase", "Pending");
    within(object, "spec", volume::claim_spec);
    round(object, "status.capacity");
    round(object, "status.allocatedResources");
}

/// A storage class.
pub fn storage_class(object: &mut Value) {
    fill(object, "reclaimPolicy", "Delete");
    fill(object, "volumeBindingMode", "Immediate");
}

/// A CSI driver.
pub fn csi_driver(object: &mut Value) {
    fill(object, "spec.attachRequired", true);
    fill(object, "spec.podInfoOnMount", false);
    fill(object, "spec.storageCapacity", false);
    fill(object, "spec.fsGroupPolicy", "ReadWriteOnceWithFSType");
    fill(object, "spec.requiresRepublish", false);
    fill(object, "spec.seLinuxMount", false);
    if list(object, "spec.volumeLifecycleModes").is_empty() {
        put(object, "spec.volumeLifecycleModes", json!(["Persistent"]));
    }
}
