//! What storage drivers say of themselves: `CSIDriver`, `CSINode`, `CSIStorageCapacity` and
//! `VolumeAttachment`.

use super::read::{entries, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, NEGATIVE, check, labels, names};
use reddwarf_core::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::HashSet;

const DRIVER_NAME_BYTES_MAX: usize = 63;
const NODE_ID_BYTES_MAX: usize = 192;
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;
const UPDATE_SECONDS_MIN: i64 = 10;
const METADATA_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 1024;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks the name of a driver; its case does not matter.
pub fn driver_name(name: &str, at: &FieldPath) -> ErrorList {
    if name.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let mut errors = ErrorList::new();
    if name.len() > DRIVER_NAME_BYTES_MAX {
        errors.push(FieldError::too_long(at.clone(), DRIVER_NAME_BYTES_MAX));
    }
    let wrong = names::subdomain(&name.to_lowercase()).into_iter();
    errors.extend(wrong.map(|detail| FieldError::invalid(at.clone(), name, detail)));
    errors
}

/// Checks a driver.
pub fn driver(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    let mut errors: ErrorList =
        check::one_of(spec, "fsGroupPolicy", &policies, &path()).into_iter().collect();
    errors.extend(token_requests(spec));
    let modes = ["Persistent", "Ephemeral"];
    let given = items(spec, "volumeLifecycleModes").iter().filter_map(Value::as_str);
    let at = path().child("volumeLifecycleModes");
    let unknown = given.filter(|mode| !modes.contains(mode));
    errors.extend(unknown.map(|mode| FieldError::not_supported(at.clone(), mode, &modes)));
    let period = "nodeAllocatableUpdatePeriodSeconds";
    if let Some(seconds) = int(spec, period).filter(|s| *s < UPDATE_SECONDS_MIN) {
        let detail = "must be greater than or equal to 10 seconds";
        errors.push(FieldError::invalid(path().child(period), seconds, detail));
    }
    errors
}

fn token_requests(spec: &Value) -> ErrorList {
    let list = path().child("tokenRequests");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, request) in items(spec, "tokenRequests").iter().enumerate() {
        let (at, audience) = (list.index(at), text(request, "audience"));
        if !seen.insert(audience) {
            errors.push(FieldError::duplicate(at.child("audience"), audience));
            continue;
        }
        let Some(seconds) = int(request, "expirationSeconds") else { continue };
        let at = at.child("expirationSeconds");
        if seconds < TOKEN_SECONDS_MIN {
            let detail = "may not specify a duration less than 10 minutes";
            errors.push(FieldError::invalid(at, seconds, detail));
        } else if seconds > TOKEN_SECONDS_MAX {
            let detail = "may not specify a duration larger than 2^32 seconds";
            errors.push(FieldError::invalid(at, seconds, detail));
        }
    }
    errors
}

/// Checks an update of a driver.
pub fn driver_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = driver(new);
    let (new, old) = (&new["spec"], &old["spec"]);
    // Upstream misspells the path of the first.
    for (field, shown) in
        [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
    {
        errors.extend(check::immutable(new, old, field, path().child(shown)));
    }
    errors
}

/// Checks the drivers of a node.
pub fn node(object: &Value) -> ErrorList {
    let list = path().child("drivers");
    let drivers = items(&object["spec"], "drivers");
    let mut errors = ErrorList::new();
    let mut named: HashSet<&str> = HashSet::new();
    for (at, driver) in drivers.iter().enumerate() {
        let path = list.index(at);
        let name = text(driver, "name");
        errors.extend(driver_name(name, &path.child("name")));
        errors.extend(node_id(text(driver, "nodeID"), &path.child("nodeID")));
        let allocatable = path.child("allocatable");
        errors.extend(check::not_negative(&driver["allocatable"], "count", &allocatable));
        if !named.insert(name) {
            errors.push(FieldError::duplicate(path.child("name"), name));
        }
        errors.extend(topology_keys(driver, &path));
    }
    errors
}

fn node_id(id: &str, at: &FieldPath) -> Option<FieldError> {
    let detail = format!("must be {NODE_ID_BYTES_MAX} characters or less");
    check::required(id, at.clone()).or_else(|| {
        (id.len() > NODE_ID_BYTES_MAX).then(|| FieldError::invalid(at.clone(), id, detail))
    })
}

/// Errors of the keys are those of the driver: upstream does not name the list.
fn topology_keys(driver: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for key in items(driver, "topologyKeys").iter().filter_map(Value::as_str) {
        errors.extend(check::required(key, path.clone()));
        if !seen.insert(key) {
            errors.push(FieldError::duplicate(path.clone(), key));
        }
        errors.extend(check::named(names::qualified_name, key, path));
    }
    errors
}

/// Checks an update of the drivers of a node: of a driver that stays, only how much can be
/// allocated may change.
pub fn node_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = node(new);
    let identity = |driver: &Value| {
        json!({"Name": driver["name"], "NodeID": driver["nodeID"],
            "TopologyKeys": driver["topologyKeys"], "Allocatable": null})
    };
    for before in items(&old["spec"], "drivers") {
        let same = |now: &&Value| now["name"] == before["name"];
        for now in items(&new["spec"], "drivers").iter().filter(same) {
            if identity(now) != identity(before) {
                let at = path().child("drivers");
                errors.push(FieldError::invalid(at, identity(now), "field is immutable"));
            }
        }
    }
    errors
}

/// Checks how much storage there is.
pub fn capacity(object: &Value) -> ErrorList {
    capacity_with(object, false)
}

fn capacity_with(object: &Value, keep_values: bool) -> ErrorList {
    let topology = labels::selector(&object["nodeTopology"], &FieldPath::new("nodeTopology"));
    let mut errors = if keep_values { labels::but_values(topology) } else { topology };
    let class = text(object, "storageClassName");
    errors.extend(check::named(names::subdomain, class, &FieldPath::new("storageClassName")));
    let amount = text(object, "capacity");
    if Quantity::parse(amount).is_ok_and(|q| q.is_negative()) {
        errors.push(FieldError::invalid(FieldPath::new("capacity"), amount, NEGATIVE));
    }
    errors
}

/// Checks an update of how much storage there is.
pub fn capacity_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = capacity_with(new, labels::has_bad_value(&old["nodeTopology"]));
    let kept = ["nodeTopology", "storageClassName"].into_iter();
    errors
        .extend(kept.filter_map(|field| check::immutable(new, old, field, FieldPath::new(field))));
    errors
}

/// Checks a new attachment.
pub fn attachment(object: &Value) -> ErrorList {
    let mut errors = stored_attachment(object);
    let spec = &object["spec"];
    let at = path().child("attacher");
    if !text(spec, "attacher").is_empty() {
        errors.extend(driver_name(text(spec, "attacher"), &at));
    }
    if let Some(name) = spec["source"]["persistentVolumeName"].as_str().filter(|n| !n.is_empty()) {
        let at = path().child("source").child("persistentVolumeName");
        errors.extend(check::named(names::subdomain, name, &at));
    }
    errors
}

/// What also holds for attachments that are older than the checks of names.
fn stored_attachment(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors: ErrorList =
        check::required(text(spec, "attacher"), path().child("attacher")).into_iter().collect();
    errors.extend(source(&spec["source"], &path().child("source")));
    let at = path().child("nodeName");
    errors.extend(check::named(names::subdomain, text(spec, "nodeName"), &at));
    errors.extend(attachment_status(&object["status"], &FieldPath::new("status")));
    errors
}

fn source(source: &Value, at: &FieldPath) -> Option<FieldError> {
    let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (has(source, "inlineVolumeSpec"), source["persistentVolumeName"].as_str()) {
        (false, None) => Some(FieldError::required(at.clone(), detail)),
        (true, Some(_)) => Some(FieldError::forbidden(at.clone(), detail)),
        (false, Some("")) => {
            let detail = "must specify non empty persistentVolumeName";
            Some(FieldError::required(at.child("persistentVolumeName"), detail))
        }
        _ => None,
    }
}

fn attachment_status(status: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let metadata = entries(status, "attachmentMetadata");
    let bytes: usize = metadata.map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
    if bytes > METADATA_BYTES_MAX {
        errors.push(FieldError::too_long(path.child("attachmentMetadata"), METADATA_BYTES_MAX));
    }
    for field in ["attachError", "detachError"] {
        let (error, at) = (&status[field], path.child(field));
        if text(error, "message").len() > MESSAGE_BYTES_MAX {
            errors.push(FieldError::too_long(at.child("message"), METADATA_BYTES_MAX));
        }
        if let Some(code) = int(error, "errorCode").filter(|code| *code < 0) {
            let detail = "must be between 0 and 2147483647, inclusive";
            errors.push(FieldError::invalid(at.child("errorCode"), code, detail));
        }
    }
    errors
}

/// Checks an update of an attachment, or of its status.
pub fn attachment_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = stored_attachment(new);
    if new["spec"] != old["spec"] {
        let spec = &new["spec"];
        let source = &spec["source"];
        let shown = json!({"Attacher": spec["attacher"], "Source": {
            "PersistentVolumeName": source["persistentVolumeName"],
            "InlineVolumeSpec": source["inlineVolumeSpec"]}, "NodeName": spec["nodeName"]});
        errors.push(FieldError::invalid(path(), shown, "field is immutable"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn names_of_drivers() {
        let at = FieldPath::new("d");
        assert!(driver_name("Example.com", &at).is_empty());
        assert_eq!(driver_name("", &at).len(), 1);
        assert_eq!(driver_name(&format!("{}_", "a".repeat(63)), &at).len(), 2);
    }

    #[test]
    fn tokens_of_a_driver() {
        let requests = json!([{"audience": "a", "expirationSeconds": 1}, {"audience": "a"},
            {"expirationSeconds": 1_i64 << 33}]);
        assert_eq!(
            fields(&driver(&json!({"spec": {"tokenRequests": requests}}))),
            [
                "spec.tokenRequests[0].expirationSeconds",
                "spec.tokenRequests[1].audience",
                "spec.tokenRequests[2].expirationSeconds",
            ]
        );
    }

    #[test]
    fn a_driver_of_a_node_stays() {
        let of = |id: &str, count: i64| json!({"spec": {"drivers": [{"name": "d", "nodeID": id, "allocatable": {"count": count}}]}});
        assert!(node_update(&of("n", 2), &of("n", 1)).is_empty());
        assert!(node_update(&json!({"spec": {"drivers": []}}), &of("n", 1)).is_empty());
        assert_eq!(fields(&node_update(&of("m", 1), &of("n", 1))), ["spec.drivers"]);
    }

    #[test]
    fn attachments_have_one_source() {
        let of = |source: Value| {
            let object = json!({"spec": {"attacher": "a", "nodeName": "n", "source": source}});
            attachment(&object).iter().map(|e| e.kind.reason()).collect::<Vec<_>>()
        };
        assert!(of(json!({"persistentVolumeName": "p"})).is_empty());
        assert_eq!(of(json!({})), ["FieldValueRequired"]);
        assert_eq!(
            of(json!({"persistentVolumeName": "p", "inlineVolumeSpec": {}})),
            ["FieldValueForbidden"]
        );
    }

    #[test]
    fn a_status_is_checked_with_the_attachment() {
        let old = json!({"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "p"}}});
        let mut new = old.clone();
        new["status"] = json!({"attached": true, "attachError": {"errorCode": -1, "message": "x".repeat(1025)}});
        assert_eq!(
            fields(&attachment_update(&new, &old)),
            ["status.attachError.message", "status.attachError.errorCode"]
        );
    }
}
