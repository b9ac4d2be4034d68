//! Persistent volumes.

use super::pod::node_selector;
use super::read::{entries, has, text};
use super::semantic::{same, same_field};
use super::volume_claim::{VOLUME_MODES, access_modes};
use super::volume_source::{SECOND, iscsi, needed, no_backsteps, shared, with_secret};
use super::{ErrorList, FieldError, FieldPath, check, csi, names, resource_name};
use serde_json::Value;

/// The kinds of volumes in the order in which upstream looks at them.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];
const POLICIES: [&str; 3] = ["Delete", "Recycle", "Retain"];
const ATTRIBUTES: &str = "volumeAttributesClassName";
/// Labels of nodes that have been replaced, and what replaced them.
const REPLACED: [(&str, &str); 5] = [
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
    ("beta.kubernetes.io/os", "kubernetes.io/os"),
    ("beta.kubernetes.io/arch", "kubernetes.io/arch"),
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
];
const SECRETS: [&str; 4] = [
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
];

/// Checks a new volume.
pub fn create(object: &Value) -> ErrorList {
    let (spec, path) = (&object["spec"], FieldPath::new("spec"));
    let mut errors = ErrorList::new();
    if super::read::items(spec, "accessModes").is_empty() {
        errors.push(FieldError::required(path.child("accessModes"), ""));
    }
    errors.extend(access_modes(spec, &path));
    errors.extend(capacity(spec, &path.child("capacity")));
    errors.extend(check::one_of(spec, "persistentVolumeReclaimPolicy", &POLICIES, &path));
    errors.extend(node_affinity(spec, &path.child("nodeAffinity")));
    errors.extend(sources(spec, crate::object::name(object), &path));
    let recycled = text(spec, "persistentVolumeReclaimPolicy") == "Recycle";
    if recycled && has(spec, "hostPath") && is_root(text(&spec["hostPath"], "path")) {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        errors.push(FieldError::forbidden(path.child("persistentVolumeReclaimPolicy"), detail));
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        errors.extend(check::named(names::subdomain, class, &path.child("storageClassName")));
    }
    errors.extend(check::one_of(spec, "volumeMode", &VOLUME_MODES, &path));
    errors.extend(attributes(spec, &path));
    errors
}

fn capacity(spec: &Value, path: &FieldPath) -> ErrorList {
    let amounts = spec["capacity"].as_object();
    let mut errors = ErrorList::new();
    if amounts.is_none_or(|a| a.is_empty()) {
        errors.push(FieldError::required(path.clone(), ""));
    }
    if amounts.is_none_or(|a| a.len() != 1 || !a.contains_key("storage")) {
        let value = spec.get("capacity").cloned().unwrap_or_default();
        errors.push(FieldError::not_supported(path.clone(), value, &["storage"]));
    }
    for (name, value) in entries(spec, "capacity") {
        let at = path.key(name);
        errors.extend(resource_name::basic(value, &at));
        errors.extend(resource_name::positive(value, &at));
    }
    errors
}

fn node_affinity(spec: &Value, path: &FieldPath) -> ErrorList {
    let affinity = &spec["nodeAffinity"];
    let at = path.child("required");
    match (affinity.is_null(), has(affinity, "required")) {
        (true, _) => ErrorList::new(),
        (false, true) => node_selector(&affinity["required"], &at),
        (false, false) => {
            vec![FieldError::required(at, "must specify required node constraints")]
        }
    }
}

fn sources(spec: &Value, name: &str, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut count = 0;
    for kind in SOURCES.into_iter().filter(|kind| has(spec, kind)) {
        count += 1;
        // What is said of this kind is said wherever it stands.
        if count > 1 && kind != "flexVolume" {
            let shown = if kind == "cephfs" { "cephFS" } else { kind };
            errors.push(FieldError::forbidden(path.child(shown), SECOND));
            continue;
        }
        let source = &spec[kind];
        errors.extend(one(kind, source, name, &path.child(kind)));
        if kind == "local" && !has(spec, "nodeAffinity") {
            let detail = "Local volume requires node affinity";
            errors.push(FieldError::required(path.child("nodeAffinity"), detail));
        }
    }
    if count == 0 {
        errors.push(FieldError::required(path.clone(), "must specify a volume type"));
    }
    errors
}

fn one(kind: &str, source: &Value, name: &str, path: &FieldPath) -> ErrorList {
    match kind {
        "iscsi" => iscsi(source, name, path, true),
        "csi" => driver(source, path),
        "local" => {
            let mut errors = needed(source, &["path"], path);
            errors.extend(no_backsteps(text(source, "path"), &path.child("path")));
            errors
        }
        _ => shared(kind, source, path)
            .or_else(|| with_secret(kind, source, path))
            .unwrap_or_default(),
    }
}

fn driver(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = csi::driver_name(text(source, "driver"), &path.child("driver"));
    errors.extend(needed(source, &["volumeHandle"], path));
    for field in SECRETS.into_iter().filter(|field| has(source, field)) {
        let (secret, path) = (&source[field], path.child(field));
        let name = text(secret, "name");
        errors.extend(check::required_name(names::subdomain, name, &path.child("name")));
        let (namespace, at) = (text(secret, "namespace"), path.child("namespace"));
        errors.extend(check::required_name(names::label, namespace, &at));
    }
    errors
}

/// Whether a path leads to the root, however it is written.
fn is_root(path: &str) -> bool {
    let mut depth = 0_usize;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.saturating_sub(1),
            _ => depth += 1,
        }
    }
    path.starts_with('/') && depth == 0
}

fn attributes(spec: &Value, path: &FieldPath) -> ErrorList {
    let Some(class) = spec.get(ATTRIBUTES).and_then(Value::as_str) else {
        return ErrorList::new();
    };
    let at = path.child(ATTRIBUTES);
    let mut errors = match class {
        "" => vec![FieldError::required(at, "an empty string is disallowed")],
        class => check::named(names::subdomain, class, &at),
    };
    if !has(spec, "csi") {
        let detail = "has to be specified when using volumeAttributesClassName";
        errors.push(FieldError::required(path.child("csi"), detail));
    }
    errors
}

/// Checks an update of a volume.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = create(new);
    let (new, old) = (&new["spec"], &old["spec"]);
    let path = FieldPath::new("spec");
    if SOURCES.iter().any(|kind| !same(&source_as_before(new, old, kind), &old[*kind])) {
        let detail = "spec.persistentvolumesource is immutable after creation";
        errors.push(FieldError::forbidden(path.child("persistentvolumesource"), detail));
    }
    errors.extend(check::immutable(new, old, "volumeMode", FieldPath::new("volumeMode")));
    let (now, before) = (&new["nodeAffinity"], &old["nodeAffinity"]);
    if !before.is_null() && !same_place(now, before) {
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.push(FieldError::invalid(FieldPath::new("nodeAffinity"), now.clone(), detail));
    }
    if !same_field(new, old, ATTRIBUTES) && has(old, ATTRIBUTES) && !has(new, ATTRIBUTES) {
        let detail = "update from non-nil value to nil is forbidden";
        errors.push(FieldError::forbidden(path.child(ATTRIBUTES), detail));
    }
    errors
}

/// A source, without the secret for expansion that may be added to it.
fn source_as_before(new: &Value, old: &Value, kind: &str) -> Value {
    const ADDED: &str = "controllerExpandSecretRef";
    let mut source = new[kind].clone();
    if kind == "csi" && !old[kind].is_null() && !has(&old[kind], ADDED) {
        source.as_object_mut().map(|source| source.shift_remove(ADDED));
    }
    source
}

/// Whether two affinities mean the same nodes: labels may have got their new names.
fn same_place(new: &Value, old: &Value) -> bool {
    let mut renamed = old.clone();
    let list = |object: &Value, field: &str| object[field].as_array().map_or(0, Vec::len);
    for i in 0..list(&old["required"], "nodeSelectorTerms") {
        let term = &old["required"]["nodeSelectorTerms"][i];
        for j in 0..list(term, "matchExpressions") {
            let place = format!("/required/nodeSelectorTerms/{i}/matchExpressions/{j}/key");
            let now = new.pointer(&place).and_then(Value::as_str);
            let key = renamed.pointer_mut(&place);
            if let Some((now, key)) = now.zip(key)
                && REPLACED.iter().any(|(old, new)| key == old && *new == now)
            {
                *key = now.into();
            }
        }
    }
    same(new, &renamed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_volume() {
        assert_eq!(
            shown(&create(&json!({"spec": {}}))),
            [
                "spec.accessModes: Required value",
                "spec.capacity: Required value",
                "spec.capacity: Unsupported value: null: supported values: \"storage\"",
                "spec: Required value: must specify a volume type",
            ]
        );
    }

    fn volume(source: Value) -> Value {
        let mut spec = json!({"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1"}});
        for (kind, source) in source.as_object().into_iter().flatten() {
            spec[kind] = source.clone();
        }
        json!({"metadata": {"name": "v"}, "spec": spec})
    }

    #[test]
    fn sources_of_volumes() {
        let recycled =
            json!({"hostPath": {"path": "//."}, "persistentVolumeReclaimPolicy": "Recycle"});
        assert_eq!(create(&volume(recycled)).len(), 1);
        let driver = json!({"csi": {"driver": "d", "nodePublishSecretRef": {"name": "N"}}});
        assert_eq!(
            shown(&create(&volume(driver))).iter().map(|e| e.split(':').next()).collect::<Vec<_>>(),
            [
                Some("spec.csi.volumeHandle"),
                Some("spec.csi.nodePublishSecretRef.name"),
                Some("spec.csi.nodePublishSecretRef.namespace"),
            ]
        );
        let two = json!({"nfs": {"server": "s", "path": "/"}, "cephfs": {"monitors": ["m"]}});
        assert_eq!(create(&volume(two))[0].field.to_string(), "spec.cephFS");
    }

    #[test]
    fn a_source_stays() {
        let driver = |extra: Value| {
            let mut source = json!({"driver": "d", "volumeHandle": "h"});
            for (field, value) in extra.as_object().into_iter().flatten() {
                source[field] = value.clone();
            }
            volume(json!({ "csi": source }))
        };
        let secret = json!({"controllerExpandSecretRef": {"name": "n", "namespace": "n"}});
        assert!(update(&driver(secret.clone()), &driver(json!({}))).is_empty());
        assert_eq!(update(&driver(json!({})), &driver(secret)).len(), 1);
        assert_eq!(update(&driver(json!({"volumeHandle": "i"})), &driver(json!({}))).len(), 1);
    }

    #[test]
    fn labels_get_their_new_names() {
        let at = |key: &str, zone: &str| {
            let terms =
                json!([{"matchExpressions": [{"key": key, "operator": "In", "values": [zone]}]}]);
            json!({"required": {"nodeSelectorTerms": terms}})
        };
        let (old, new) = ("beta.kubernetes.io/os", "kubernetes.io/os");
        assert!(same_place(&at(new, "a"), &at(old, "a")));
        assert!(!same_place(&at(new, "b"), &at(old, "a")));
        assert!(!same_place(&at(old, "a"), &at(new, "a")));
    }
}
