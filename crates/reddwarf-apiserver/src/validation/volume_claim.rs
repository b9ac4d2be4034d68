//! Claims for volumes.

use super::read::{entries, has, items, text};
use super::resource_name::{self, amount};
use super::semantic::{same, same_field};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use reddwarf_core::quantity::Quantity;
use serde_json::{Value, json};

/// How a volume may be reached.
pub const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// What a volume is.
pub const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const CLASS: &str = "storageClassName";
const ATTRIBUTES: &str = "volumeAttributesClassName";
const RESIZE_STATUSES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

/// What an update may keep that a new claim may not have.
#[derive(Clone, Copy, Default)]
struct Ratchet {
    /// Selectors may hold values that are no label values.
    selector_values: bool,
    /// Sources of data may be of any group.
    source_groups: bool,
}

impl Ratchet {
    fn of(spec: &Value) -> Self {
        let at = FieldPath::new("selector");
        let grouped = |field: &str| has(&spec[field], "apiGroup");
        Ratchet {
            selector_values: !labels::selector(&spec["selector"], &at).is_empty(),
            source_groups: grouped("dataSource") || grouped("dataSourceRef"),
        }
    }
}

/// Checks a new claim.
pub fn create(object: &Value) -> ErrorList {
    spec(&object["spec"], Ratchet::default(), &FieldPath::new("spec"))
}

/// Checks the template of a claim that is made with a pod. Only labels and annotations of its
/// metadata come to the claim.
pub fn template(template: &Value, path: &FieldPath) -> ErrorList {
    let (meta, at) = (&template["metadata"], path.child("metadata"));
    let mut errors = labels::annotations(&meta["annotations"], &at.child("annotations"));
    errors.extend(labels::labels(&meta["labels"], &at.child("labels")));
    let kept = |field: &str| ["annotations", "labels", "creationTimestamp"].contains(&field);
    let others = meta.as_object().into_iter().flatten();
    let others = others.filter(|(field, value)| !kept(field) && !super::read::is_empty(value));
    errors.extend(others.map(|(field, _)| FieldError::forbidden(at.child(field), "cannot be set")));
    errors.extend(spec(&template["spec"], Ratchet::default(), &path.child("spec")));
    errors
}

/// Checks a list of access modes.
pub fn access_modes(spec: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("accessModes");
    let modes: Vec<&str> = items(spec, "accessModes").iter().filter_map(Value::as_str).collect();
    let unknown = modes.iter().filter(|mode| !ACCESS_MODES.contains(mode));
    let mut errors: ErrorList =
        unknown.map(|mode| FieldError::not_supported(at.clone(), *mode, &ACCESS_MODES)).collect();
    let one_pod = |mode: &&str| *mode == "ReadWriteOncePod";
    let another = modes.iter().any(|mode| ACCESS_MODES.contains(mode) && !one_pod(mode));
    if modes.iter().any(one_pod) && another {
        let detail = "may not use ReadWriteOncePod with other access modes";
        errors.push(FieldError::forbidden(at, detail));
    }
    errors
}

fn class_name(spec: &Value, field: &str, path: &FieldPath) -> ErrorList {
    match text(spec, field) {
        "" => ErrorList::new(),
        class => check::named(names::subdomain, class, &path.child(field)),
    }
}

fn spec(spec: &Value, ratchet: Ratchet, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if items(spec, "accessModes").is_empty() {
        let detail = "at least 1 access mode is required";
        errors.push(FieldError::required(path.child("accessModes"), detail));
    }
    let found = labels::selector(&spec["selector"], &path.child("selector"));
    errors.extend(if ratchet.selector_values { labels::but_values(found) } else { found });
    errors.extend(access_modes(spec, path));
    let at = path.child("resources").key("storage");
    match spec["resources"]["requests"].get("storage") {
        None => errors.push(FieldError::required(at, "")),
        Some(value) => errors.extend(resource_name::positive(value, &at)),
    }
    errors.extend(class_name(spec, CLASS, path));
    errors.extend(check::one_of(spec, "volumeMode", &VOLUME_MODES, path));
    for field in ["dataSource", "dataSourceRef"] {
        if has(spec, field) {
            errors.extend(source(&spec[field], ratchet, &path.child(field)));
        }
    }
    errors.extend(sources_agree(spec, path));
    errors.extend(class_name(spec, ATTRIBUTES, path));
    errors
}

/// Checks where the first content comes from.
fn source(source: &Value, ratchet: Ratchet, path: &FieldPath) -> ErrorList {
    let (kind, group) = (text(source, "kind"), text(source, "apiGroup"));
    let mut errors: ErrorList = ["name", "kind"]
        .iter()
        .filter_map(|field| check::required(text(source, field), path.child(field)))
        .collect();
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        errors.push(FieldError::invalid(path.clone(), kind, detail));
    }
    if !group.is_empty() && !ratchet.source_groups {
        errors.extend(check::named(names::subdomain, group, &path.child("apiGroup")));
    }
    let namespace = text(source, "namespace");
    if !namespace.is_empty() {
        errors.extend(check::named(names::label, namespace, &path.child("namespace")));
    }
    errors
}

fn sources_agree(spec: &Value, path: &FieldPath) -> Option<FieldError> {
    let (local, any) = (&spec["dataSource"], &spec["dataSourceRef"]);
    if local.is_null() || any.is_null() {
        return None;
    }
    let detail = if !text(any, "namespace").is_empty() {
        "may not be specified when dataSourceRef.namespace is specified"
    } else if ["apiGroup", "kind", "name"].iter().any(|f| local.get(*f) != any.get(*f)) {
        "must match dataSourceRef"
    } else {
        return None;
    };
    // Upstream shows a path as the value, which has no fields to show.
    Some(FieldError::invalid(path.clone(), json!({}), detail))
}

/// Checks an update of a claim. Upstream looks at the new one twice.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let ratchet = Ratchet::of(&old["spec"]);
    let mut errors = spec(&new["spec"], ratchet, &path);
    errors.extend(errors.clone());
    let upgraded = class_from_annotation(new, old);
    if !upgraded {
        errors.extend(kept_annotation(new, old));
    }
    if !same(&masked(new, old, upgraded), &old["spec"]) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors.extend(shrunk(new, old, &path));
    let at = FieldPath::new("volumeMode");
    errors.extend(check::immutable(&new["spec"], &old["spec"], "volumeMode", at));
    errors.extend(attributes_stay(new, old, &path));
    errors
}

fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"].get(CLASS_ANNOTATION)?.as_str()
}

/// Whether the class moves from the annotation, where it once stood, to its field.
fn class_from_annotation(new: &Value, old: &Value) -> bool {
    let Some(class) = annotation(old) else { return false };
    !has(&old["spec"], CLASS)
        && new["spec"][CLASS] == class
        && annotation(new).is_none_or(|now| now == class)
}

fn kept_annotation(new: &Value, old: &Value) -> Option<FieldError> {
    let (now, before) = (annotation(new).unwrap_or_default(), annotation(old).unwrap_or_default());
    let at = FieldPath::new("metadata").child("annotations").child(CLASS_ANNOTATION);
    (now != before).then(|| FieldError::invalid(at, now, "field is immutable"))
}

/// The new specification with all that may change as it was.
fn masked(new: &Value, old: &Value, upgraded: bool) -> Value {
    let (mut spec, before) = (new["spec"].clone(), &old["spec"]);
    let mut keep = |field: &str| match before.get(field) {
        Some(value) => spec[field] = value.clone(),
        None => drop(spec.as_object_mut().map(|s| s.shift_remove(field))),
    };
    if text(before, "volumeName").is_empty() {
        keep("volumeName");
    }
    let class = text(&new["spec"], CLASS);
    let first = has(&new["spec"], CLASS)
        && !has(before, CLASS)
        && annotation(old).is_none_or(|was| was == class);
    if upgraded || first {
        keep(CLASS);
    }
    if text(&new["status"], "phase") != "Bound" {
        return spec;
    }
    keep(ATTRIBUTES);
    if has(&spec["resources"], "requests") {
        let storage = &before["resources"]["requests"]["storage"];
        spec["resources"]["requests"]["storage"] = storage.clone();
    }
    spec
}

/// A claim may shrink to what it got, when it did not get all that it asked for.
fn shrunk(new: &Value, old: &Value, path: &FieldPath) -> Option<FieldError> {
    let of = |amounts: &Value| amount(&amounts["storage"]).unwrap_or(Quantity::ZERO);
    let asked = |object: &Value| of(&object["spec"]["resources"]["requests"]);
    let got = of(&old["status"]["capacity"]);
    let at = path.child("resources").child("requests").child("storage");
    (asked(new) < asked(old) && asked(new) <= got)
        .then(|| FieldError::forbidden(at, "field can not be less than status.capacity"))
}

/// Attributes that were applied can be replaced, not taken away.
fn attributes_stay(new: &Value, old: &Value, path: &FieldPath) -> Option<FieldError> {
    if same_field(&new["spec"], &old["spec"], ATTRIBUTES)
        || !has(&old["status"], "currentVolumeAttributesClassName")
    {
        return None;
    }
    let detail = match new["spec"].get(ATTRIBUTES).and_then(Value::as_str) {
        None => {
            "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil"
        }
        Some("") => {
            "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"
        }
        Some(_) => return None,
    };
    Some(FieldError::forbidden(path.child(ATTRIBUTES), detail))
}

/// Checks an update of a claim's status.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let (status, path) = (&new["status"], FieldPath::new("status"));
    let mut errors = ErrorList::new();
    for (name, value) in entries(status, "capacity") {
        errors.extend(resource_name::basic(value, &path.child("capacity").key(name)));
    }
    let at = path.child("allocatedResourceStatuses");
    for (name, value) in entries(status, "allocatedResourceStatuses") {
        errors.extend(resource_key(name, &at));
        if !RESIZE_STATUSES.contains(&value.as_str().unwrap_or_default()) {
            errors.push(FieldError::not_supported(at.clone(), name.as_str(), &RESIZE_STATUSES));
        }
    }
    let at = path.child("allocatedResources");
    for (name, value) in entries(status, "allocatedResources") {
        let unknown = resource_key(name, &at);
        if unknown.is_empty() {
            errors.extend(resource_name::basic(value, &at.key(name)));
        }
        errors.extend(unknown);
    }
    errors
}

/// Of the system's own resources a claim has storage only.
fn resource_key(name: &str, at: &FieldPath) -> ErrorList {
    let errors = check::named(names::qualified_name, name, at);
    if errors.is_empty() && resource_name::is_native(name) && name != "storage" {
        return vec![FieldError::not_supported(at.clone(), name, &["storage"])];
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(size: &str, class: &str) -> Value {
        json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": class,
            "resources": {"requests": {"storage": size}}}, "status": {"phase": "Bound"}})
    }

    #[test]
    fn a_claim_keeps_its_specification() {
        let old = claim("1Gi", "a");
        assert!(update(&old, &old).is_empty());
        assert!(update(&claim("2Gi", "a"), &old).is_empty());
        assert_eq!(update(&claim("1Gi", "b"), &old).len(), 1);
        let mut pending = claim("1Gi", "a");
        pending["status"]["phase"] = json!("Pending");
        let mut grown = claim("2Gi", "a");
        grown["status"] = pending["status"].clone();
        assert_eq!(update(&grown, &pending).len(), 1);
    }

    #[test]
    fn a_claim_shrinks_to_what_it_got() {
        let mut old = claim("3Gi", "a");
        assert!(update(&claim("1Mi", "a"), &old).is_empty(), "it got nothing yet");
        old["status"]["capacity"] = json!({"storage": "1Gi"});
        assert!(update(&claim("2Gi", "a"), &old).is_empty());
        assert_eq!(
            update(&claim("1Gi", "a"), &old)[0].field.to_string(),
            "spec.resources.requests.storage"
        );
    }

    #[test]
    fn a_class_is_given_once() {
        let mut old = claim("1Gi", "a");
        old["spec"].as_object_mut().expect("an object").shift_remove(CLASS);
        assert!(update(&claim("1Gi", "a"), &old).is_empty());
        old["metadata"] = json!({"annotations": {CLASS_ANNOTATION: "b"}});
        assert!(update(&claim("1Gi", "b"), &old).is_empty());
        assert_eq!(update(&claim("1Gi", "a"), &old).len(), 2);
    }

    #[test]
    fn sources_of_data() {
        let mut object = claim("1Gi", "a");
        object["spec"]["dataSource"] = json!({"kind": "Odd", "name": ""});
        object["spec"]["dataSourceRef"] = json!({"apiGroup": "A", "kind": "K", "name": "n"});
        let fields: Vec<String> = create(&object).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            ["spec.dataSource.name", "spec.dataSource", "spec.dataSourceRef.apiGroup", "spec"]
        );
    }

    #[test]
    fn what_a_status_says() {
        let object = json!({"status": {"capacity": {"storage": "-1"},
            "allocatedResourceStatuses": {"storage": "Odd"}, "allocatedResources": {"cpu": "1"}}});
        let errors = status(&object, &Value::Null);
        let shown: Vec<_> = errors.iter().map(|e| (e.field.to_string(), e.kind.reason())).collect();
        assert_eq!(
            shown,
            [
                ("status.capacity[storage]".to_owned(), "FieldValueInvalid"),
                ("status.allocatedResourceStatuses".to_owned(), "FieldValueNotSupported"),
                ("status.allocatedResources".to_owned(), "FieldValueNotSupported"),
            ]
        );
    }
}
