//! The devices that a driver offers.

use super::super::csi::driver_name;
use super::super::read::{entries, flag, has, int, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, names, pod};
use super::device::device;
use super::{each_once, named, pool_name};
use serde_json::Value;

const DEVICES_MAX: usize = 128;
/// Devices in a slice with taints or counters.
const DEVICES_WITH_MORE_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a slice.
pub fn slice(object: &Value) -> ErrorList {
    slice_spec(&object["spec"], &Value::Null)
}

/// Checks an update of a slice.
pub fn slice_update(new: &Value, old: &Value) -> ErrorList {
    slice_spec(&new["spec"], &old["spec"])
}

fn slice_spec(spec: &Value, old: &Value) -> ErrorList {
    let mut errors = driver_name(text(spec, "driver"), &path().child("driver"));
    errors.extend(pool(&spec["pool"], &path().child("pool")));
    if !old.is_null() {
        let name = path().child("pool").child("name");
        errors.extend(check::immutable(&spec["pool"], &old["pool"], "name", name));
        let kept = ["driver", "nodeName"].into_iter();
        errors.extend(kept.filter_map(|f| check::immutable(spec, old, f, path().child(f))));
    }
    errors.extend(placement(spec));
    if has(spec, "sharedCounters") && has(spec, "devices") {
        let detail = "only one of `sharedCounters` or `devices` is allowed";
        errors.push(FieldError::invalid(path(), "", detail));
    }
    let devices = items(spec, "devices");
    let more =
        |d: &Value| !items(d, "taints").is_empty() || !items(d, "consumesCounters").is_empty();
    let max = if devices.iter().any(more) { DEVICES_WITH_MORE_MAX } else { DEVICES_MAX };
    let by_device = flag(spec, "perDeviceNodeSelection");
    errors.extend(each_once(devices, max, &path().child("devices"), named, |one, at| {
        let before = items(old, "devices").iter().find(|d| d["name"] == one["name"]);
        device(one, before, by_device, at)
    }));
    let (sets, list) = (items(spec, "sharedCounters"), path().child("sharedCounters"));
    errors.extend(each_once(sets, COUNTER_SETS_MAX, &list, named, |set, at| {
        let mut errors = check::required_name(names::label, text(set, "name"), &at.child("name"));
        errors.extend(counters(set, COUNTERS_MAX, at));
        errors
    }));
    errors
}

/// Checks the counters of a set, or those that a device takes from one.
pub(super) fn counters(of: &Value, max: usize, path: &FieldPath) -> ErrorList {
    let at = path.child("counters");
    let count = entries(of, "counters").count();
    if count == 0 {
        return vec![FieldError::required(at, "")];
    }
    if let Some(error) = check::too_many(count, max, &at) {
        return vec![error];
    }
    entries(of, "counters").flat_map(|(name, _)| check::named(names::label, name, &at)).collect()
}

fn pool(pool: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = pool_name(text(pool, "name"), &path.child("name"));
    let count = int(pool, "resourceSliceCount").unwrap_or_default();
    if count <= 0 {
        let at = path.child("resourceSliceCount");
        errors.push(FieldError::invalid(at, count, "must be greater than zero"));
    }
    if let Some(generation) = int(pool, "generation").filter(|g| *g < 0) {
        let detail = "must be greater than or equal to zero";
        errors.push(FieldError::invalid(path.child("generation"), generation, detail));
    }
    errors
}

/// Exactly one field says which nodes have the devices.
fn placement(spec: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut given = Vec::new();
    if let Some(node) = spec.get("nodeName").and_then(Value::as_str) {
        let at = path().child("nodeName");
        if node.is_empty() {
            let detail = "must be either unset or set to a non-empty string";
            errors.push(FieldError::invalid(at, "", detail));
        } else {
            given.push("`nodeName`");
            errors.extend(check::named(names::subdomain, node, &at));
        }
    }
    if has(spec, "nodeSelector") {
        given.push("`nodeSelector`");
        let (selector, at) = (&spec["nodeSelector"], path().child("nodeSelector"));
        errors.extend(pod::node_selector(selector, &at));
        let terms = items(selector, "nodeSelectorTerms");
        if terms.len() != 1 {
            let detail = "must have exactly one node selector term";
            let at = at.child("nodeSelectorTerms");
            errors.push(FieldError::invalid(at, terms.to_vec(), detail));
        }
    }
    for (field, shown) in
        [("allNodes", "`allNodes`"), ("perDeviceNodeSelection", "`perDeviceNodeSelection`")]
    {
        match spec.get(field).and_then(Value::as_bool) {
            Some(true) => given.push(shown),
            Some(false) => {
                let detail = "must be either unset or set to true";
                errors.push(FieldError::invalid(path().child(field), false, detail));
            }
            None => {}
        }
    }
    let detail = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
    match given.len() {
        0 => errors.push(FieldError::required(path(), detail)),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", given.join(", "));
            let detail = format!("{detail}, but multiple fields are set");
            errors.push(FieldError::invalid(path(), shown, detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(more: &[(&str, Value)]) -> Value {
        let pool = json!({"name": "p", "generation": 1, "resourceSliceCount": 1});
        let mut spec = json!({"driver": "d.example.com", "pool": pool});
        for (field, value) in more {
            spec[*field] = value.clone();
        }
        json!({ "spec": spec })
    }

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn one_field_places_the_devices() {
        assert!(slice(&of(&[("nodeName", json!("n"))])).is_empty());
        assert_eq!(fields(&slice(&of(&[]))), ["spec"]);
        assert_eq!(fields(&slice(&of(&[("allNodes", json!(false))]))), ["spec.allNodes", "spec"]);
        let both = slice(&of(&[("allNodes", json!(true)), ("nodeName", json!("n"))]));
        assert_eq!(both[0].value, Some(json!("{`nodeName`, `allNodes`}")));
    }

    #[test]
    fn a_slice_keeps_its_node() {
        let old = of(&[("nodeName", json!("n"))]);
        assert!(slice_update(&old, &old).is_empty());
        assert_eq!(
            fields(&slice_update(&of(&[("nodeName", json!("m"))]), &old)),
            ["spec.nodeName"]
        );
    }

    #[test]
    fn counters_are_named() {
        let sets = json!([{"name": "Bad_", "counters": {}}, {"name": "a", "counters": {"B": {"value": "1"}}}]);
        assert_eq!(
            fields(&slice(&of(&[("allNodes", json!(true)), ("sharedCounters", sets)]))),
            [
                "spec.sharedCounters[0].name",
                "spec.sharedCounters[0].counters",
                "spec.sharedCounters[1].counters",
            ]
        );
    }
}
