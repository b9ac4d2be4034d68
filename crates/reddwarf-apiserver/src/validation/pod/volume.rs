//! Volumes of a pod.

use crate::validation::read::{has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;
use std::collections::HashSet;

/// The kinds of volumes in the order in which upstream looks at them.
const SOURCES: [&str; 29] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Checks the volumes of a pod's specification.
pub fn volumes(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("volumes");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, volume) in items(spec, "volumes").iter().enumerate() {
        let at = list.index(at);
        errors.extend(source(volume, &at));
        let name = text(volume, "name");
        errors.extend(check::required_name(names::label, name, &at.child("name")));
        if !seen.insert(name) && !name.is_empty() {
            errors.push(FieldError::duplicate(at.child("name"), name));
        }
    }
    errors
}

/// Checks the one source of a volume.
pub fn source(volume: &Value, path: &FieldPath) -> ErrorList {
    let mut present = SOURCES.into_iter().filter(|name| has(volume, name));
    let Some(first) = present.next() else {
        return vec![FieldError::required(path.clone(), "must specify a volume type")];
    };
    let mut errors = one_source(first, &volume[first], &path.child(first));
    errors.extend(present.map(|more| {
        FieldError::forbidden(path.child(more), "may not specify more than 1 volume type")
    }));
    errors
}

fn one_source(kind: &str, source: &Value, path: &FieldPath) -> ErrorList {
    match kind {
        "hostPath" => host_path(source, path),
        "secret" => needed(source, &["secretName"], path),
        "configMap" => needed(source, &["name"], path),
        "persistentVolumeClaim" => needed(source, &["claimName"], path),
        "nfs" => {
            let mut errors = needed(source, &["server", "path"], path);
            let at = text(source, "path");
            if !at.is_empty() && !at.starts_with('/') {
                errors.push(FieldError::invalid(
                    path.child("path"),
                    at,
                    "must be an absolute path",
                ));
            }
            errors
        }
        "csi" => needed(source, &["driver"], path),
        "projected" => projected(source, path),
        _ => ErrorList::new(),
    }
}

fn needed(source: &Value, fields: &[&str], path: &FieldPath) -> ErrorList {
    fields.iter().filter_map(|f| check::required(text(source, f), path.child(f))).collect()
}

/// Checks a directory of the node, which may not climb out of itself.
pub fn host_path(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let at = text(source, "path");
    if at.is_empty() {
        errors.push(FieldError::required(path.child("path"), ""));
    } else if at.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path.child("path"), at, "must not contain '..'"));
    }
    errors.extend(check::one_of(source, "type", &HOST_PATH_TYPES, path));
    errors
}

fn projected(source: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("sources");
    let kinds = [
        "secret",
        "downwardAPI",
        "configMap",
        "serviceAccountToken",
        "clusterTrustBundle",
        "podCertificate",
    ];
    let mut errors = ErrorList::new();
    for (at, source) in items(source, "sources").iter().enumerate() {
        let mut present = kinds.into_iter().filter(|kind| has(source, kind));
        if present.next().is_none() {
            let path = list.index(at);
            errors.push(FieldError::required(path, "may not specify an empty volume source"));
        }
        errors.extend(present.map(|more| {
            let path = list.index(at).child(more);
            FieldError::forbidden(path, "may not specify more than 1 volume type per source")
        }));
    }
    errors
}
