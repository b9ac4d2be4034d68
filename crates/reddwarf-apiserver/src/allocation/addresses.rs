//! Cluster IPs.

use super::{Extra, ExtraChange, ServiceRange};
use crate::bootstrap::SERVICE_CIDR;
use reddwarf_core::{Expectation, ObjectKey, Precondition, View};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

fn key(address: &str) -> ObjectKey {
    ObjectKey::new("networking.k8s.io", "ipaddresses", "", address)
}

/// The ranges in use; the default one as long as no `ServiceCIDR` object says otherwise.
fn ranges(view: &View) -> Vec<ServiceRange> {
    let mut ranges = ServiceRange::all(view);
    if ranges.is_empty() {
        ranges.extend(ServiceRange::parse(SERVICE_CIDR));
    }
    ranges
}

/// Takes a free address for the service.
pub fn take_any(extra: &mut Extra, view: &View, service: &Value) -> Option<String> {
    let taken = |address: Ipv4Addr| view.get(&key(&address.to_string())).is_some();
    let address = ranges(view).iter().find_map(|range| range.pick(taken))?.to_string();
    put(extra, &address, service);
    Some(address)
}

/// Takes the address that the service asks for.
///
/// # Errors
/// Why it cannot have it, in upstream's words.
pub fn take(
    extra: &mut Extra,
    view: &View,
    address: &str,
    service: &Value,
) -> Result<(), &'static str> {
    let Ok(parsed) = address.parse::<Ipv4Addr>() else {
        return Err("the provided network does not match the current range");
    };
    if !ranges(view).iter().any(|range| range.holds(parsed)) {
        return Err("the provided network does not match the current range");
    }
    if view.get(&key(address)).is_some() {
        return Err("provided IP is already allocated");
    }
    put(extra, address, service);
    Ok(())
}

fn put(extra: &mut Extra, address: &str, service: &Value) {
    let meta = &service["metadata"];
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let object = json!({
        "kind": "IPAddress", "apiVersion": "networking.k8s.io/v1",
        "metadata": {
            "name": address, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": now,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": "IPv4",
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {"parentRef": {
            "resource": "services", "namespace": meta["namespace"], "name": meta["name"],
        }},
    });
    extra.preconditions.push(Precondition { key: key(address), expect: Expectation::Absent });
    extra.changes.push(ExtraChange::Put { key: key(address), object });
}

/// Gives an address back.
pub fn give_back(extra: &mut Extra, view: &View, address: &str) {
    if let Some(stored) = view.get(&key(address)) {
        let expect = Expectation::At(stored.revision);
        extra.preconditions.push(Precondition { key: key(address), expect });
        extra.changes.push(ExtraChange::Delete { key: key(address) });
    }
}
