//! Where a container finds volumes: mounts and block devices.

use super::volume::Volumes;
use crate::validation::read::{flag, has, items, text};
use crate::validation::volume_source::{descending, no_backsteps};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

const PROPAGATIONS: [&str; 3] = ["Bidirectional", "HostToContainer", "None"];
const RECURSIVE: [&str; 3] = ["Disabled", "Enabled", "IfPossible"];

/// Checks the mounts and devices of a container.
pub fn all(container: &Value, volumes: &Volumes<'_>, path: &FieldPath) -> ErrorList {
    let mut errors = mounts(container, volumes, &path.child("volumeMounts"));
    errors.extend(devices(container, volumes, &path.child("volumeDevices")));
    errors
}

fn mounts(container: &Value, volumes: &Volumes<'_>, list: &FieldPath) -> ErrorList {
    let devices = items(container, "volumeDevices");
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, mount) in items(container, "volumeMounts").iter().enumerate() {
        let at = list.index(at);
        let (name, place) = (text(mount, "name"), text(mount, "mountPath"));
        errors.extend(check::required(name, at.child("name")));
        if volumes.get(name).is_none() {
            errors.push(FieldError::not_found(at.child("name"), name));
        }
        errors.extend(check::required(place, at.child("mountPath")));
        if seen.contains(&place) {
            errors.push(FieldError::invalid(at.child("mountPath"), place, "must be unique"));
        }
        seen.push(place);
        if devices.iter().any(|device| text(device, "name") == name) {
            let detail = "must not already exist in volumeDevices";
            errors.push(FieldError::invalid(at.child("name"), name, detail));
        }
        if devices.iter().any(|device| text(device, "devicePath") == place) {
            let detail = "must not already exist as a path in volumeDevices";
            errors.push(FieldError::invalid(at.child("mountPath"), place, detail));
        }
        // From here on upstream names the list, not the item.
        errors.extend(sub_path(mount, &at, list));
        errors.extend(propagation(mount, container, &list.child("mountPropagation")));
        errors.extend(recursive(mount, &list.child("recursiveReadOnly")));
    }
    errors
}

fn sub_path(mount: &Value, at: &FieldPath, list: &FieldPath) -> ErrorList {
    let (plain, expanded) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    let mut errors = ErrorList::new();
    if !plain.is_empty() {
        errors.extend(descending(plain, &list.child("subPath")));
    }
    if expanded.is_empty() {
        return errors;
    }
    if !plain.is_empty() {
        let detail = "subPathExpr and subPath are mutually exclusive";
        errors.push(FieldError::invalid(at.child("subPathExpr"), expanded, detail));
    }
    errors.extend(descending(expanded, &list.child("subPathExpr")));
    errors
}

fn propagation(mount: &Value, container: &Value, at: &FieldPath) -> ErrorList {
    if !has(mount, "mountPropagation") {
        return ErrorList::new();
    }
    let chosen = text(mount, "mountPropagation");
    let mut errors = ErrorList::new();
    if !PROPAGATIONS.contains(&chosen) {
        errors.push(FieldError::not_supported(at.clone(), chosen, &PROPAGATIONS));
    }
    if chosen == "Bidirectional" && !flag(&container["securityContext"], "privileged") {
        let detail = "Bidirectional mount propagation is available only to privileged containers";
        errors.push(FieldError::forbidden(at.clone(), detail));
    }
    errors
}

fn recursive(mount: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    match mount.get("recursiveReadOnly").and_then(Value::as_str) {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if !flag(mount, "readOnly") {
                let detail = "may only be specified when readOnly is true";
                errors.push(FieldError::forbidden(at.clone(), detail));
            }
            if has(mount, "mountPropagation") && text(mount, "mountPropagation") != "None" {
                let detail = "may only be specified when mountPropagation is None or not specified";
                errors.push(FieldError::forbidden(at.clone(), detail));
            }
        }
        Some(other) => errors.push(FieldError::not_supported(at.clone(), other, &RECURSIVE)),
    }
    errors
}

fn devices(container: &Value, volumes: &Volumes<'_>, list: &FieldPath) -> ErrorList {
    let mounts = items(container, "volumeMounts");
    let mut errors = ErrorList::new();
    let (mut names, mut places): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for (at, device) in items(container, "volumeDevices").iter().enumerate() {
        let at = list.index(at);
        let (name, place) = (text(device, "name"), text(device, "devicePath"));
        errors.extend(check::required(name, at.child("name")));
        if names.contains(&name) {
            errors.push(FieldError::invalid(at.child("name"), name, "must be unique"));
        }
        match volumes.get(name) {
            None => errors.push(FieldError::not_found(at.child("name"), name)),
            Some(volume) if !has(volume, "persistentVolumeClaim") && !has(volume, "ephemeral") => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.push(FieldError::invalid(at.child("name"), name, detail));
            }
            Some(_) => {}
        }
        errors.extend(check::required(place, at.child("devicePath")));
        if places.contains(&place) {
            errors.push(FieldError::invalid(at.child("devicePath"), place, "must be unique"));
        }
        match no_backsteps(place, &at) {
            Some(_) => {
                let detail = "can not contain backsteps ('..')";
                errors.push(FieldError::invalid(at.child("devicePath"), place, detail));
            }
            None => places.push(place),
        }
        if mounts.iter().any(|mount| text(mount, "name") == name) {
            let detail = "must not already exist in volumeMounts";
            errors.push(FieldError::invalid(at.child("name"), name, detail));
        }
        if mounts.iter().any(|mount| text(mount, "mountPath") == place) {
            let detail = "must not already exist as a path in volumeMounts";
            errors.push(FieldError::invalid(at.child("devicePath"), place, detail));
        }
        if !name.is_empty() {
            names.push(name);
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(container: Value) -> Vec<String> {
        let (claim, empty) = (
            json!({"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}),
            json!({"name": "empty", "emptyDir": {}}),
        );
        let volumes = Volumes::of(vec![&claim, &empty]);
        let errors = all(&container, &volumes, &FieldPath::new("c"));
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn mounts_of_a_container() {
        assert_eq!(
            fields(json!({"volumeMounts": [
                {"name": "empty", "mountPath": "/a", "subPath": "../x", "mountPropagation": "Bidirectional"},
                {"name": "none", "mountPath": "/a", "recursiveReadOnly": "Enabled"},
            ]})),
            [
                "c.volumeMounts.subPath FieldValueInvalid",
                "c.volumeMounts.mountPropagation FieldValueForbidden",
                "c.volumeMounts[1].name FieldValueNotFound",
                "c.volumeMounts[1].mountPath FieldValueInvalid",
                "c.volumeMounts.recursiveReadOnly FieldValueForbidden",
            ]
        );
    }

    #[test]
    fn devices_of_a_container() {
        assert!(
            fields(json!({"volumeDevices": [{"name": "claim", "devicePath": "/d"}]})).is_empty()
        );
        assert_eq!(
            fields(json!({"volumeDevices": [{"name": "empty", "devicePath": "/d/.."}],
                "volumeMounts": [{"name": "empty", "mountPath": "/m"}]})),
            [
                "c.volumeMounts[0].name FieldValueInvalid",
                "c.volumeDevices[0].name FieldValueInvalid",
                "c.volumeDevices[0].devicePath FieldValueInvalid",
                "c.volumeDevices[0].name FieldValueInvalid",
            ]
        );
    }
}
