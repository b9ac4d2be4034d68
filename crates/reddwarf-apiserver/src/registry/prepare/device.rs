//! Claims for devices, and the devices that drivers offer.

use super::status_keeps_metadata;
use crate::defaults::fill::{at, each, list, put, remove};
use serde_json::Value;

/// What an attribute of several values is given in; the feature is off.
const LISTS: [&str; 4] = ["ints", "bools", "strings", "versions"];

/// The status of a device goes with its allocation.
pub fn claim_status_update(new: &mut Value, old: &Value) {
    status_keeps_metadata(new, old);
    const ALLOCATED: &str = "status.allocation.devices.results";
    let same = |one: &Value, other: &Value| {
        ["driver", "pool", "device", "shareID"]
            .iter()
            .all(|field| one.get(field) == other.get(field))
    };
    let (before, now) = (list(old, ALLOCATED), list(new, ALLOCATED));
    let gone = |device: &Value| {
        before.iter().any(|b| same(b, device)) && !now.iter().any(|n| same(n, device))
    };
    let devices = list(new, "status.devices");
    let kept: Vec<Value> = devices.iter().filter(|device| !gone(device)).cloned().collect();
    if kept.is_empty() {
        remove(new, "status.devices");
    } else if kept.len() < devices.len() {
        put(new, "status.devices", kept);
    }
}

/// Attributes have one value each.
pub fn slice_create(slice: &mut Value) {
    each(slice, "spec.devices", |device| {
        let attributes = device.get_mut("attributes").and_then(Value::as_object_mut);
        for (_, attribute) in attributes.into_iter().flatten() {
            LISTS.iter().for_each(|field| drop(remove(attribute, field)));
        }
    });
}

/// The same, unless the stored slice has attributes of several values.
pub fn slice_update(new: &mut Value, old: &Value) {
    if !list(old, "spec.devices").iter().any(has_lists) {
        slice_create(new);
    }
}

fn has_lists(device: &Value) -> bool {
    let attributes = at(device, "attributes").and_then(Value::as_object);
    attributes
        .into_iter()
        .flatten()
        .any(|(_, attribute)| LISTS.iter().any(|field| at(attribute, field).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_that_is_given_back_has_no_status() {
        let claim = |allocated: &[&str]| {
            let of = |name: &&str| json!({"driver": "d", "pool": "p", "device": name});
            let results: Vec<Value> = allocated.iter().map(of).collect();
            json!({"metadata": {}, "status": {"allocation": {"devices": {"results": results}},
                "devices": [of(&"a"), of(&"b")]}})
        };
        let mut new = claim(&["a"]);
        claim_status_update(&mut new, &claim(&["a", "b"]));
        assert_eq!(list(&new, "status.devices").len(), 1);
        let mut none = claim(&[]);
        claim_status_update(&mut none, &claim(&["a", "b"]));
        assert_eq!(at(&none, "status.devices"), None);
    }

    #[test]
    fn lists_of_values_are_dropped() {
        let slice = |value: Value| json!({"spec": {"devices": [{"attributes": {"a": value}}]}});
        let mut new = slice(json!({"ints": [1]}));
        slice_update(&mut new, &slice(json!({"int": 1})));
        assert_eq!(new, slice(json!({})));
        let mut kept = slice(json!({"ints": [1]}));
        slice_update(&mut kept, &slice(json!({"ints": [2]})));
        assert_eq!(kept, slice(json!({"ints": [1]})));
    }
}
