//! Endpoints.

use super::read::{has, int, is_empty, items, text};
use super::service::{is_of_the_api, reachable};
use super::{ErrorList, FieldError, FieldPath, address, check, names, semantic};
use serde_json::Value;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// Checks new endpoints, one subset after the other.
pub fn create(object: &Value) -> ErrorList {
    let of_the_api = is_of_the_api(object);
    let list = FieldPath::new("subsets");
    let mut errors = ErrorList::new();
    for (at, subset) in items(object, "subsets").iter().enumerate() {
        let path = list.index(at);
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|l| subset.get(*l).is_none_or(is_empty)) {
            let detail = "must specify `addresses` or `notReadyAddresses`";
            errors.push(FieldError::required(path.clone(), detail));
        }
        for field in lists {
            for (at, address) in items(subset, field).iter().enumerate() {
                errors.extend(endpoint(address, of_the_api, &path.child(field).index(at)));
            }
        }
        let several = items(subset, "ports").len() > 1;
        for (at, port) in items(subset, "ports").iter().enumerate() {
            errors.extend(endpoint_port(port, several, &path.child("ports").index(at)));
        }
    }
    errors
}

/// Checks an update of endpoints: subsets that do not change were valid once.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    match semantic::same_field(new, old, "subsets") {
        true => ErrorList::new(),
        false => create(new),
    }
}

fn endpoint(endpoint: &Value, of_the_api: bool, path: &FieldPath) -> ErrorList {
    let (ip, at) = (text(endpoint, "ip"), path.child("ip"));
    let mut errors: ErrorList = address::ip(ip, &at).into_iter().collect();
    let host = text(endpoint, "hostname");
    if !host.is_empty() {
        errors.extend(check::named(names::label, host, &path.child("hostname")));
    }
    if has(endpoint, "nodeName") {
        let node = text(endpoint, "nodeName");
        errors.extend(check::named(names::subdomain, node, &path.child("nodeName")));
    }
    match address::sloppy_ip(ip) {
        None => errors.push(FieldError::invalid(at, ip, "must be a valid IP address")),
        Some(_) if of_the_api => {}
        Some(parsed) => errors.extend(reachable(parsed, ip, &at)),
    }
    errors
}

fn endpoint_port(port: &Value, name_required: bool, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    match text(port, "name") {
        "" if name_required => errors.push(FieldError::required(path.child("name"), "")),
        "" => {}
        name => errors.extend(check::named(names::label, name, &path.child("name"))),
    }
    errors.extend(check::port(int(port, "port").unwrap_or_default(), &path.child("port")));
    match text(port, "protocol") {
        "" => errors.push(FieldError::required(path.child("protocol"), "")),
        _ => errors.extend(check::one_of(port, "protocol", &PROTOCOLS, path)),
    }
    if has(port, "appProtocol") {
        let (protocol, at) = (text(port, "appProtocol"), path.child("appProtocol"));
        errors.extend(check::named(names::qualified_name, protocol, &at));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_and_ports() {
        let object = json!({"subsets": [{"addresses": [{"ip": "x", "nodeName": "N"}, {"ip": "127.0.0.1"}],
            "ports": [{"port": 1, "protocol": "TCP", "appProtocol": "a b"}, {"port": 0}]}, {}]});
        let fields: Vec<String> = create(&object).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "subsets[0].addresses[0].ip",
                "subsets[0].addresses[0].nodeName",
                "subsets[0].addresses[0].ip",
                "subsets[0].addresses[1].ip",
                "subsets[0].ports[0].name",
                "subsets[0].ports[0].appProtocol",
                "subsets[0].ports[1].name",
                "subsets[0].ports[1].port",
                "subsets[0].ports[1].protocol",
                "subsets[1]",
            ]
        );
        assert!(update(&object, &object).is_empty());
    }
}
