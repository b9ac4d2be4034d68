//! Endpoint slices.

use super::names::NameRule;
use super::read::{is_empty, items, text};
use super::{ErrorList, FieldError, FieldPath, address, check, names, service};
use serde_json::Value;
use std::net::IpAddr;

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;
const ADDRESS_TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];

/// Checks an endpoint slice.
pub fn create(object: &Value) -> ErrorList {
    let kind = text(object, "addressType");
    let at = FieldPath::new("addressType");
    let mut errors = ErrorList::new();
    match kind {
        "" => errors.push(FieldError::required(at, "")),
        _ => {
            let root = FieldPath::new("");
            errors.extend(check::one_of(object, "addressType", &ADDRESS_TYPES, &root));
        }
    }
    errors.extend(endpoints(object, kind));
    errors.extend(ports(object));
    if service::is_of_the_api(object) {
        errors.retain(|error| !error.detail.contains("loopback"));
    }
    errors
}

/// Checks an update of an endpoint slice.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = create(new);
    let at = FieldPath::new("addressType");
    errors.extend(check::immutable(new, old, "addressType", at));
    errors
}

fn ports(object: &Value) -> ErrorList {
    let list = FieldPath::new("ports");
    let ports = items(object, "ports");
    if let Some(error) = check::too_many(ports.len(), PORTS_MAX, &list) {
        return vec![error];
    }
    let mut errors = ErrorList::new();
    let mut seen = std::collections::HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        let at = list.index(at);
        let name = text(port, "name");
        if !name.is_empty() {
            errors.extend(check::named(names::label, name, &at.child("name")));
        }
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(at.child("name"), name));
        }
        errors.extend(check::one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &at));
        if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
            let at = at.child("appProtocol");
            errors.extend(check::named(names::qualified_name, protocol, &at));
        }
    }
    errors
}

fn endpoints(object: &Value, kind: &str) -> ErrorList {
    let list = FieldPath::new("endpoints");
    let endpoints = items(object, "endpoints");
    if let Some(error) = check::too_many(endpoints.len(), ENDPOINTS_MAX, &list) {
        return vec![error];
    }
    let each = endpoints.iter().enumerate();
    each.flat_map(|(at, endpoint)| one_endpoint(endpoint, kind, &list.index(at))).collect()
}

fn one_endpoint(endpoint: &Value, kind: &str, at: &FieldPath) -> ErrorList {
    let list = at.child("addresses");
    let addresses = items(endpoint, "addresses");
    let mut errors = ErrorList::new();
    if endpoint.get("addresses").is_none_or(is_empty) {
        errors.push(FieldError::required(list.clone(), "must contain at least 1 address"));
    }
    errors.extend(check::too_many(addresses.len(), ADDRESSES_MAX, &list));
    for (i, address) in addresses.iter().enumerate() {
        errors.extend(one_address(address.as_str().unwrap_or_default(), kind, &list, i));
    }
    let rules: [(&str, NameRule); 2] = [("nodeName", names::subdomain), ("hostname", names::label)];
    for (field, rule) in rules {
        if let Some(name) = endpoint.get(field).and_then(Value::as_str) {
            errors.extend(check::named(rule, name, &at.child(field)));
        }
    }
    let (hints, at) = (&endpoint["hints"], at.child("hints"));
    errors.extend(names_in(hints, "forZones", names::label_value, &at));
    errors.extend(names_in(hints, "forNodes", names::subdomain, &at));
    errors
}

fn one_address(text: &str, kind: &str, list: &FieldPath, at: usize) -> ErrorList {
    let at = list.index(at);
    let (wanted, family): (fn(&IpAddr) -> bool, &str) = match kind {
        "IPv4" => (IpAddr::is_ipv4, "must be an IPv4 address"),
        "IPv6" => (IpAddr::is_ipv6, "must be an IPv6 address"),
        "FQDN" => return domain_name(text, &at),
        _ => return ErrorList::new(),
    };
    let mut errors: ErrorList = address::ip(text, &at).into_iter().collect();
    if let Some(ip) = address::sloppy_ip(text) {
        if !wanted(&ip) {
            errors.push(FieldError::invalid(list.clone(), text, family));
        }
        errors.extend(service::reachable(ip, text, &at));
    }
    errors
}

/// A name of several parts, that may end with a dot.
fn domain_name(name: &str, at: &FieldPath) -> ErrorList {
    if name.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let wrong = names::subdomain(name);
    let details = if !wrong.is_empty() {
        vec![(name, wrong.join(","))]
    } else if !name.contains('.') {
        vec![(name, "should be a domain with at least two segments separated by dots".to_owned())]
    } else {
        let parts = name.split('.').map(|part| (part, names::label(part).join(",")));
        parts.filter(|(_, wrong)| !wrong.is_empty()).collect()
    };
    let errors = details.into_iter();
    errors.map(|(part, detail)| FieldError::invalid(at.clone(), part, detail)).collect()
}

fn names_in(hints: &Value, field: &str, rule: NameRule, at: &FieldPath) -> ErrorList {
    let (named, list) = (items(hints, field), at.child(field));
    if let Some(error) = check::too_many(named.len(), HINTS_MAX, &list) {
        return vec![error];
    }
    let mut errors = ErrorList::new();
    for (i, hint) in named.iter().enumerate() {
        let (name, at) = (text(hint, "name"), list.index(i).child("name"));
        if named[..i].iter().any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(at.clone(), name));
        }
        errors.extend(check::named(rule, name, &at));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(object: &Value) -> Vec<String> {
        create(object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_of_their_type() {
        let slice = |kind: &str, address: &str| {
            shown(&json!({"addressType": kind, "endpoints": [{"addresses": [address]}]}))
        };
        assert!(slice("IPv4", "10.0.0.1").is_empty());
        assert!(slice("FQDN", "a.example.com.").is_empty());
        assert_eq!(
            slice("FQDN", "localhost"),
            [
                "endpoints[0].addresses[0]: Invalid value: \"localhost\": should be a domain with at least two segments separated by dots"
            ]
        );
        assert_eq!(
            slice("IPv6", "10.0.0.1"),
            ["endpoints[0].addresses: Invalid value: \"10.0.0.1\": must be an IPv6 address"]
        );
    }

    #[test]
    fn lists_have_limits() {
        let endpoint = json!({"addresses": ["10.0.0.1"]});
        let many = json!({"addressType": "IPv4", "endpoints": vec![endpoint; ENDPOINTS_MAX + 1]});
        assert_eq!(shown(&many), ["endpoints: Too many: 1001: must have at most 1000 items"]);
        let zones: Vec<Value> = (0..9).map(|n| json!({"name": format!("z{n}")})).collect();
        let hinted = json!({"addressType": "IPv4", "endpoints": [
            {"addresses": ["10.0.0.1"], "hints": {"forZones": zones, "forNodes": [{"name": "Bad_"}]}}]});
        assert_eq!(shown(&hinted).len(), 2);
    }
}
