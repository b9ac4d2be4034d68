//! The status of a claim: what was allocated, for whom, and how the devices are.

use super::super::csi::driver_name;
use super::super::read::{has, items, text};
use super::super::{ErrorList, FieldError, FieldPath, address, check, condition, names, pod};
use super::claim::{configuration, request_reference, request_references};
use super::{binding_conditions, driver_data, each, each_once, itself, pool_name, toleration};
use serde_json::{Value, json};

const CONSUMERS_MAX: usize = 256;
const RESULTS_MAX: usize = 32;
const CONFIGURATIONS_MAX: usize = 64;
const CONDITIONS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 16;
const DATA_BYTES_MAX: usize = 10 * 1024;
const INTERFACE_BYTES_MAX: usize = 256;
const HARDWARE_BYTES_MAX: usize = 128;

/// Checks an update of a claim's status.
pub fn claim_status(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("status");
    let (status, before) = (&new["status"], &old["status"]);
    let allocation = &status["allocation"];
    let mut errors = consumers(new, before, &path.child("reservedFor"));
    let allocated: Vec<Value> =
        items(&allocation["devices"], "results").iter().map(device_id).collect();
    let devices = items(status, "devices");
    let list = path.child("devices");
    errors.extend(each_once(devices, usize::MAX, &list, device_id, |device, at| {
        device_status(device, &allocated, at)
    }));
    let at = path.child("allocation");
    if has(status, "allocation") && has(before, "allocation") {
        errors.extend(check::immutable(status, before, "allocation", at));
    } else if has(status, "allocation") {
        errors.extend(allocation_result(allocation, &new["spec"]["devices"], &at));
    }
    errors
}

fn consumers(object: &Value, before: &Value, path: &FieldPath) -> ErrorList {
    let status = &object["status"];
    let reserved = items(status, "reservedFor");
    let key = |consumer: &Value| text(consumer, "uid").into();
    let mut errors = each_once(reserved, CONSUMERS_MAX, path, key, |consumer, at| {
        let fields = ["resource", "name", "uid"].into_iter();
        fields.filter_map(|f| check::required(text(consumer, f), at.child(f))).collect()
    });
    if reserved.is_empty() {
        return errors;
    }
    let known = items(before, "reservedFor");
    let deleted = has(&object["metadata"], "deletionTimestamp");
    if !has(status, "allocation") {
        let detail = "may not be specified when `allocated` is not set";
        errors.push(FieldError::forbidden(path.clone(), detail));
    } else if deleted && reserved.iter().any(|consumer| !known.contains(consumer)) {
        let detail = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors
}

/// What tells one allocated device from the others.
fn device_id(of: &Value) -> Value {
    let shared = of.get("shareID").cloned().unwrap_or_default();
    json!({"Driver": text(of, "driver"), "Pool": text(of, "pool"),
        "Device": text(of, "device"), "ShareID": shared})
}

fn identity(of: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = driver_name(text(of, "driver"), &path.child("driver"));
    errors.extend(pool_name(text(of, "pool"), &path.child("pool")));
    errors.extend(check::named(names::label, text(of, "device"), &path.child("device")));
    if let Some(id) = of.get("shareID").and_then(Value::as_str) {
        errors.extend(share_id(id, &path.child("shareID")));
    }
    errors
}

fn share_id(id: &str, path: &FieldPath) -> Option<FieldError> {
    let parsed = uuid::Uuid::parse_str(id);
    let detail = match &parsed {
        Err(error) => format!("error validating uid: {error}"),
        Ok(uuid) if uuid.to_string() != id => {
            "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters".to_owned()
        }
        Ok(_) => return None,
    };
    Some(FieldError::invalid(path.clone(), id, detail))
}

fn allocation_result(allocation: &Value, requests: &Value, path: &FieldPath) -> ErrorList {
    let (devices, at) = (&allocation["devices"], path.child("devices"));
    let list = at.child("results");
    let mut errors = each(items(devices, "results"), RESULTS_MAX, &list, |result, at| {
        let request = text(result, "request");
        let mut errors = request_reference(request, requests, &at.child("request"));
        errors.extend(identity(result, at));
        errors.extend(binding_conditions(result, at));
        for (i, one) in items(result, "tolerations").iter().enumerate() {
            errors.extend(toleration(one, &at.child("tolerations").index(i)));
        }
        errors
    });
    let list = at.child("config");
    errors.extend(each(items(devices, "config"), CONFIGURATIONS_MAX, &list, |config, at| {
        let mut errors = source(config, at);
        errors.extend(request_references(config, requests, at));
        errors.extend(configuration(config, at));
        errors
    }));
    if has(allocation, "nodeSelector") {
        let at = path.child("nodeSelector");
        errors.extend(pod::node_selector(&allocation["nodeSelector"], &at));
    }
    errors
}

fn source(config: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("source");
    match text(config, "source") {
        "FromClaim" | "FromClass" => ErrorList::new(),
        "" => vec![FieldError::required(at, "")],
        other => vec![FieldError::not_supported(at, other, &["FromClaim", "FromClass"])],
    }
}

fn device_status(device: &Value, allocated: &[Value], path: &FieldPath) -> ErrorList {
    let mut errors = identity(device, path);
    let id = device_id(device);
    if !allocated.contains(&id) {
        let detail = "must be an allocated device in the claim";
        errors.push(FieldError::invalid(path.clone(), id, detail));
    }
    let count = items(device, "conditions").len();
    errors.extend(check::too_many(count, CONDITIONS_MAX, &path.child("conditions")));
    errors.extend(condition::all(device, path));
    if has(device, "data") {
        errors.extend(driver_data(&device["data"], &path.child("data"), DATA_BYTES_MAX));
    }
    errors.extend(network_data(&device["networkData"], &path.child("networkData")));
    errors
}

fn network_data(data: &Value, path: &FieldPath) -> ErrorList {
    let limits = [("interfaceName", INTERFACE_BYTES_MAX), ("hardwareAddress", HARDWARE_BYTES_MAX)];
    let long = limits.into_iter().filter(|(field, max)| text(data, field).len() > *max);
    let mut errors: ErrorList =
        long.map(|(field, max)| FieldError::too_long(path.child(field), max)).collect();
    let list = path.child("ips");
    errors.extend(each_once(items(data, "ips"), ADDRESSES_MAX, &list, itself, |ip, at| {
        address::interface(ip.as_str().unwrap_or_default(), at)
    }));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(new: &Value, old: &Value) -> Vec<String> {
        claim_status(new, old).iter().map(|e| e.field.to_string()).collect()
    }

    fn claim(status: Value) -> Value {
        json!({"spec": {"devices": {"requests": [{"name": "a"}]}}, "status": status})
    }

    #[test]
    fn only_what_is_allocated_is_reserved() {
        let consumer = json!({"resource": "pods", "name": "p", "uid": "u"});
        let none = claim(json!({}));
        assert_eq!(
            fields(&claim(json!({"reservedFor": [consumer]})), &none),
            ["status.reservedFor"]
        );
        let allocation = json!({"devices": {"results": []}});
        let reserved = claim(json!({"reservedFor": [consumer], "allocation": allocation}));
        assert!(fields(&reserved, &none).is_empty());
        assert_eq!(
            fields(&claim(json!({"reservedFor": [{"uid": "u"}], "allocation": allocation})), &none),
            ["status.reservedFor[0].resource", "status.reservedFor[0].name"]
        );
    }

    #[test]
    fn devices_are_those_allocated() {
        let result = json!({"request": "a", "driver": "d", "pool": "p", "device": "x"});
        let device = |name: &str| {
            json!({"driver": "d", "pool": "p", "device": name,
            "networkData": {"ips": ["10.0.0.1/24", "10.0.0.1"]}})
        };
        let allocation = json!({"devices": {"results": [result]}});
        let of = |name: &str| claim(json!({"allocation": allocation, "devices": [device(name)]}));
        assert_eq!(fields(&of("x"), &of("x")), ["status.devices[0].networkData.ips[1]"]);
        assert_eq!(fields(&of("y"), &of("y"))[0], "status.devices[0]");
    }

    #[test]
    fn an_allocation_stays() {
        let of = |request: &str| {
            let result = json!({"request": request, "driver": "d", "pool": "p", "device": "x"});
            claim(json!({"allocation": {"devices": {"results": [result]}}}))
        };
        let none = claim(json!({}));
        assert!(fields(&of("a"), &none).is_empty());
        assert_eq!(fields(&of("b"), &none), ["status.allocation.devices.results[0].request"]);
        assert_eq!(fields(&of("b"), &of("a")), ["status.allocation"]);
    }
}
