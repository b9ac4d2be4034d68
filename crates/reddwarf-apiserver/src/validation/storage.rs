//! Volumes and claims.

use super::pod::{node_selector, volume};
use super::read::{differs, has, items, text};
use super::workload::changed_but;
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use reddwarf_core::quantity::Quantity;
use serde_json::{Value, json};

const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
/// The kinds of volumes that a persistent volume may be.
const SOURCES: [&str; 11] = [
    "hostPath",
    "nfs",
    "iscsi",
    "fc",
    "local",
    "csi",
    "rbd",
    "cephfs",
    "azureDisk",
    "azureFile",
    "flexVolume",
];

fn path() -> FieldPath {
    FieldPath::new("spec")
}

fn access_modes(spec: &Value, missing: &str) -> ErrorList {
    let at = path().child("accessModes");
    let modes: Vec<&str> = items(spec, "accessModes").iter().filter_map(Value::as_str).collect();
    if modes.is_empty() {
        return vec![FieldError::required(at, missing)];
    }
    let mut errors: ErrorList = modes
        .iter()
        .filter(|mode| !ACCESS_MODES.contains(mode))
        .map(|mode| FieldError::not_supported(at.clone(), *mode, &ACCESS_MODES))
        .collect();
    if modes.len() > 1 && modes.contains(&"ReadWriteOncePod") {
        let detail = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(at, detail));
    }
    errors
}

fn is_positive(value: &Value) -> bool {
    let quantity = value.as_str().and_then(|text| Quantity::parse(text).ok());
    quantity.is_some_and(|q| !q.is_negative() && !q.is_zero())
}

fn class_name(spec: &Value) -> ErrorList {
    let class = text(spec, "storageClassName");
    if class.is_empty() {
        return ErrorList::new();
    }
    check::named(names::subdomain, class, &path().child("storageClassName"))
}

/// Checks a persistent volume.
pub fn volume(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = access_modes(spec, "");
    let capacity = path().child("capacity");
    let amounts = spec["capacity"].as_object();
    if amounts.is_none_or(|a| a.is_empty()) {
        errors.push(FieldError::required(capacity.clone(), ""));
    }
    if amounts.is_none_or(|a| a.len() != 1 || !a.contains_key("storage")) {
        let value = spec.get("capacity").cloned().unwrap_or_default();
        errors.push(FieldError::not_supported(capacity.clone(), value, &["storage"]));
    }
    for (name, value) in amounts.into_iter().flatten().filter(|(_, value)| !is_positive(value)) {
        let at = capacity.key(name);
        let shown = value.as_str().and_then(|t| t.parse::<i64>().ok());
        let shown = shown.map_or_else(|| value.clone(), Value::from);
        errors.push(FieldError::invalid(at.clone(), shown, "must be a valid resource quantity"));
        errors.push(FieldError::invalid(at, value.clone(), "must be greater than zero"));
    }
    errors.extend(volume_source(spec));
    let policies = ["Delete", "Recycle", "Retain"];
    errors.extend(check::one_of(spec, "persistentVolumeReclaimPolicy", &policies, &path()));
    errors.extend(class_name(spec));
    errors.extend(check::one_of(spec, "volumeMode", &VOLUME_MODES, &path()));
    if let Some(required) = spec["nodeAffinity"].get("required") {
        errors.extend(node_selector(required, &path().child("nodeAffinity").child("required")));
    }
    errors
}

fn volume_source(spec: &Value) -> ErrorList {
    let mut present = SOURCES.into_iter().filter(|kind| has(spec, kind));
    let Some(first) = present.next() else {
        return vec![FieldError::required(path(), "must specify a volume type")];
    };
    let mut errors = match first {
        "hostPath" => volume::host_path(&spec[first], &path().child(first)),
        "local" if !has(spec, "nodeAffinity") => {
            let detail = "Local volume requires node affinity";
            vec![FieldError::required(path().child("nodeAffinity"), detail)]
        }
        _ => ErrorList::new(),
    };
    let detail = "may not specify more than 1 volume type";
    errors.extend(present.map(|more| FieldError::forbidden(path().child(more), detail)));
    errors
}

/// Checks an update of a persistent volume.
pub fn volume_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = volume(new);
    let (new, old) = (&new["spec"], &old["spec"]);
    if SOURCES.iter().any(|kind| differs(new, old, kind)) {
        let detail = "spec.persistentvolumesource is immutable after creation";
        errors.push(FieldError::forbidden(path().child("persistentvolumesource"), detail));
    }
    errors.extend(check::immutable(new, old, "volumeMode", FieldPath::new("volumeMode")));
    if has(old, "nodeAffinity") && differs(new, old, "nodeAffinity") {
        let value = new.get("nodeAffinity").cloned().unwrap_or_default();
        let detail = "field is immutable, except for updating from beta label to GA";
        errors.push(FieldError::invalid(FieldPath::new("nodeAffinity"), value, detail));
    }
    errors
}

/// Checks a claim.
pub fn claim(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = labels::selector(&spec["selector"], &path().child("selector"));
    errors.extend(access_modes(spec, "at least 1 access mode is required"));
    let at = path().child("resources").key("storage");
    match spec["resources"]["requests"].get("storage") {
        None => errors.push(FieldError::required(at, "")),
        Some(value) if !is_positive(value) => {
            errors.push(FieldError::invalid(at, value.clone(), "must be greater than zero"));
        }
        Some(_) => {}
    }
    errors.extend(class_name(spec));
    errors.extend(check::one_of(spec, "volumeMode", &VOLUME_MODES, &path()));
    let both = has(spec, "dataSource") && has(spec, "dataSourceRef");
    let part = |field: &str, name| text(&spec[field], name);
    let same = ["kind", "name", "apiGroup"]
        .iter()
        .all(|name| part("dataSource", name) == part("dataSourceRef", name));
    if both && !same {
        errors.push(FieldError::invalid(path(), json!({}), "must match dataSourceRef"));
    }
    errors
}

/// Checks an update of a claim.
pub fn claim_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = claim(new);
    let bound = text(&old["status"], "phase") == "Bound";
    let (new, old) = (&new["spec"], &old["spec"]);
    let mut free = vec!["volumeAttributesClassName"];
    if text(old, "volumeName").is_empty() {
        free.push("volumeName");
    }
    if !has(old, "storageClassName") {
        free.push("storageClassName");
    }
    let mut resized = new["resources"].clone();
    if bound {
        resized["requests"] = old["resources"]["requests"].clone();
    }
    let resources_changed = resized != old["resources"];
    free.push("resources");
    if resources_changed || changed_but(new, old, &free) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden(path(), detail));
    } else if bound && shrinks(new, old) {
        let at = path().child("resources").child("requests").child("storage");
        let detail = "field can not be less than status.capacity";
        errors.push(FieldError::forbidden(at, detail));
    }
    errors.extend(check::immutable(new, old, "volumeMode", FieldPath::new("volumeMode")));
    errors
}

fn shrinks(new: &Value, old: &Value) -> bool {
    let asked = |spec: &Value| {
        let text = spec["resources"]["requests"]["storage"].as_str()?.to_owned();
        Quantity::parse(&text).ok()
    };
    asked(new).zip(asked(old)).is_some_and(|(new, old)| new < old)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_keeps_its_specification() {
        let claim_of = |size: &str, class: &str| {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
                "resources": {"requests": {"storage": size}}}, "status": {"phase": "Bound"}})
        };
        let old = claim_of("1Gi", "a");
        assert!(claim_update(&old, &old).is_empty());
        assert!(claim_update(&claim_of("2Gi", "a"), &old).is_empty());
        assert_eq!(claim_update(&claim_of("1Gi", "b"), &old).len(), 1);
        assert_eq!(claim_update(&claim_of("1Mi", "a"), &old).len(), 1);
        let mut pending = old.clone();
        pending["status"]["phase"] = json!("Pending");
        assert_eq!(claim_update(&claim_of("2Gi", "a"), &pending).len(), 1);
    }

    #[test]
    fn an_empty_volume() {
        let shown: Vec<String> =
            volume(&json!({"spec": {}})).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "spec.accessModes: Required value",
                "spec.capacity: Required value",
                "spec.capacity: Unsupported value: null: supported values: \"storage\"",
                "spec: Required value: must specify a volume type",
            ]
        );
    }
}
