//! Defaults of volumes.

use super::amounts::round_resources;
use super::container::{field_ref, pull_policy, resource_field_ref};
use super::fill::{each, fill, fill_empty, text, within};
use serde_json::{Value, json};

const FILE_MODE: i32 = 0o644;
const TOKEN_SECONDS: i64 = 3600;

/// A volume of a pod.
pub(super) fn volume(volume: &mut Value) {
    let sources = volume.as_object().map_or(0, |v| v.keys().filter(|k| *k != "name").count());
    if sources == 0 {
        fill(volume, "emptyDir", json!({}));
    }
    source(volume);
    within(volume, "secret", |s| fill(s, "defaultMode", FILE_MODE));
    within(volume, "configMap", |s| fill(s, "defaultMode", FILE_MODE));
    within(volume, "downwardAPI", |s| {
        fill(s, "defaultMode", FILE_MODE);
        each(s, "items", downward_item);
    });
    within(volume, "projected", projected);
    within(volume, "image", |image| {
        let policy = pull_policy(text(image, "reference"));
        fill_empty(image, "pullPolicy", policy);
    });
    within(volume, "ephemeral.volumeClaimTemplate.spec", claim_spec);
}

/// What volumes of pods and persistent volumes have in common.
pub(super) fn source(of: &mut Value) {
    within(of, "hostPath", |s| fill(s, "type", ""));
    within(of, "iscsi", |s| fill_empty(s, "iscsiInterface", "default"));
    within(of, "rbd", |s| {
        fill_empty(s, "pool", "rbd");
        fill_empty(s, "user", "admin");
        fill_empty(s, "keyring", "/etc/ceph/keyring");
    });
    within(of, "azureDisk", |s| {
        fill(s, "cachingMode", "ReadWrite");
        fill(s, "kind", "Shared");
        fill(s, "fsType", "ext4");
        fill(s, "readOnly", false);
    });
    within(of, "scaleIO", |s| {
        fill_empty(s, "storageMode", "ThinProvisioned");
        fill_empty(s, "fsType", "xfs");
    });
}

/// The spec of a claim.
pub(super) fn claim_spec(spec: &mut Value) {
    fill(spec, "volumeMode", "Filesystem");
    round_resources(spec);
}

fn projected(projected: &mut Value) {
    fill(projected, "defaultMode", FILE_MODE);
    each(projected, "sources", |source| {
        within(source, "serviceAccountToken", |t| fill(t, "expirationSeconds", TOKEN_SECONDS));
        each(source, "downwardAPI.items", downward_item);
    });
}

fn downward_item(item: &mut Value) {
    within(item, "fieldRef", field_ref);
    within(item, "resourceFieldRef", resource_field_ref);
}
