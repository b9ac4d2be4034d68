//! Ingresses, their classes, endpoint slices and service addresses.

use super::read::{differs, entries, has, is_empty, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names, service};
use serde_json::Value;
use std::net::IpAddr;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a new ingress.
pub fn ingress(object: &Value) -> ErrorList {
    let mut errors = ingress_spec(object);
    let annotated =
        entries(&object["metadata"], "annotations").find(|(k, _)| *k == CLASS_ANNOTATION);
    let named = text(&object["spec"], "ingressClassName");
    if let Some((_, class)) = annotated
        && !named.is_empty()
        && class != named
    {
        let at = FieldPath::new("annotations").child(CLASS_ANNOTATION);
        let detail = "must match `ingressClassName` when both are specified";
        errors.push(FieldError::invalid(at, class.clone(), detail));
    }
    errors
}

/// Checks an update of an ingress.
pub fn ingress_update(new: &Value, _old: &Value) -> ErrorList {
    ingress_spec(new)
}

fn ingress_spec(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    if !has(spec, "defaultBackend") && items(spec, "rules").is_empty() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        return vec![FieldError::invalid(path(), Value::Null, detail)];
    }
    let mut errors = ErrorList::new();
    if has(spec, "defaultBackend") {
        errors.extend(backend(&spec["defaultBackend"], &path().child("defaultBackend")));
    }
    for (at, rule) in items(spec, "rules").iter().enumerate() {
        errors.extend(ingress_rule(rule, &path().child("rules").index(at)));
    }
    for (i, tls) in items(spec, "tls").iter().enumerate() {
        let list = path().child("tls").index(i).child("hosts");
        for (j, host) in items(tls, "hosts").iter().enumerate() {
            errors.extend(host_name(host.as_str().unwrap_or_default(), &list.index(j)));
        }
    }
    let class = text(spec, "ingressClassName");
    if !class.is_empty() {
        errors.extend(check::named(names::subdomain, class, &path().child("ingressClassName")));
    }
    errors
}

fn host_name(host: &str, at: &FieldPath) -> ErrorList {
    let rule: names::NameRule =
        if host.contains('*') { names::wildcard_subdomain } else { names::subdomain };
    check::named(rule, host, at)
}

fn ingress_rule(rule: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let host = text(rule, "host");
    if host.parse::<IpAddr>().is_ok() {
        let detail = "must be a DNS name, not an IP address";
        errors.push(FieldError::invalid(at.child("host"), host, detail));
    } else if !host.is_empty() {
        errors.extend(host_name(host, &at.child("host")));
    }
    if !has(rule, "http") {
        return errors;
    }
    let list = at.child("http").child("paths");
    let paths = items(&rule["http"], "paths");
    if paths.is_empty() {
        errors.push(FieldError::required(list.clone(), ""));
    }
    for (at, path) in paths.iter().enumerate() {
        errors.extend(ingress_path(path, &list.index(at)));
    }
    errors
}

fn ingress_path(path: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let (place, kind) = (text(path, "path"), text(path, "pathType"));
    match kind {
        "" => errors.push(FieldError::required(at.child("pathType"), "pathType must be specified")),
        "Exact" | "Prefix" => {
            let absolute = place.starts_with('/');
            if !absolute {
                let detail = "must be an absolute path";
                errors.push(FieldError::invalid(at.child("path"), place, detail));
            }
            let banned = ["//", "/./", "/../", "%2f", "%2F"];
            let found = banned.into_iter().filter(|b| absolute && place.contains(b));
            errors.extend(found.map(|b| {
                FieldError::invalid(at.child("path"), place, format!("must not contain '{b}'"))
            }));
        }
        _ => errors.extend(check::one_of(path, "pathType", &PATH_TYPES, at)),
    }
    errors.extend(backend(&path["backend"], &at.child("backend")));
    errors
}

fn backend(backend: &Value, at: &FieldPath) -> ErrorList {
    match (has(backend, "service"), has(backend, "resource")) {
        (true, true) => {
            let detail = "cannot set both resource and service backends";
            vec![FieldError::invalid(at.clone(), "", detail)]
        }
        (false, false) => {
            let detail = "resource or service backend is required";
            vec![FieldError::invalid(at.clone(), "", detail)]
        }
        (true, false) => {
            let service = &backend["service"];
            let at = at.child("service");
            let name = text(service, "name");
            let mut errors = check::required_name(names::label, name, &at.child("name"));
            let port = &service["port"];
            let number = port["number"].as_i64().filter(|n| *n != 0);
            match (number, text(port, "name")) {
                (None, "") => {
                    let detail = "port name or number is required";
                    errors.push(FieldError::required(at.clone(), detail));
                }
                (Some(number), _) => {
                    errors.extend(check::port(number, &at.child("port").child("number")));
                }
                (None, name) => {
                    let at = at.child("port").child("name");
                    errors.extend(check::named(names::port_name, name, &at));
                }
            }
            errors
        }
        (false, true) => {
            let resource = &backend["resource"];
            let fields = ["kind", "name"].into_iter();
            let at = at.child("resource");
            fields.filter_map(|f| check::required(text(resource, f), at.child(f))).collect()
        }
    }
}

/// Checks an update of an ingress's status.
pub fn ingress_status(new: &Value, _old: &Value) -> ErrorList {
    let at = FieldPath::new("status").child("loadBalancer");
    service::ingress_points(&new["status"]["loadBalancer"], &at, false)
}

/// Checks an ingress class.
pub fn ingress_class(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    let controller = text(spec, "controller");
    let at = path().child("controller");
    match controller.split_once('/') {
        _ if controller.is_empty() => errors.push(FieldError::required(at, "")),
        Some((host, rest)) if names::subdomain(host).is_empty() && !rest.is_empty() => {}
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.push(FieldError::invalid(at, controller, detail));
        }
    }
    if !has(spec, "parameters") {
        return errors;
    }
    let (parameters, at) = (&spec["parameters"], path().child("parameters"));
    for field in ["kind", "name"] {
        errors.extend(check::required(text(parameters, field), at.child(field)));
    }
    errors.extend(check::one_of(parameters, "scope", &["Cluster", "Namespace"], &at));
    let namespace = text(parameters, "namespace");
    match text(parameters, "scope") {
        "Namespace" if namespace.is_empty() => {
            let detail = "`parameters.scope` is set to 'Namespace'";
            errors.push(FieldError::required(at.child("namespace"), detail));
        }
        "Cluster" if !namespace.is_empty() => {
            let detail = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden(at.child("namespace"), detail));
        }
        _ => {}
    }
    errors
}

/// Checks an update of an ingress class.
pub fn ingress_class_update(new: &Value, old: &Value) -> ErrorList {
    let at = path().child("controller");
    check::immutable(&new["spec"], &old["spec"], "controller", at).into_iter().collect()
}

/// Checks the name of an `IPAddress`: an address as it is usually written.
pub fn address_name(name: &str) -> Vec<String> {
    match name.parse::<IpAddr>() {
        Err(_) => {
            vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()]
        }
        Ok(ip) if ip.to_string() != name => vec![format!("must be in canonical form (\"{ip}\")")],
        Ok(_) => Vec::new(),
    }
}

/// Checks an `IPAddress`.
pub fn address(object: &Value) -> ErrorList {
    let at = path().child("parentRef");
    if !has(&object["spec"], "parentRef") {
        return vec![FieldError::required(at, "")];
    }
    let parent = &object["spec"]["parentRef"];
    let fields = ["resource", "name"].into_iter();
    fields.filter_map(|f| check::required(text(parent, f), at.child(f))).collect()
}

/// Checks an update of an `IPAddress`.
pub fn address_update(new: &Value, old: &Value) -> ErrorList {
    let at = path().child("parentRef");
    check::immutable(&new["spec"], &old["spec"], "parentRef", at).into_iter().collect()
}

/// Checks an endpoint slice.
pub fn endpoint_slice(object: &Value) -> ErrorList {
    let root = FieldPath::new("");
    let mut errors = ErrorList::new();
    let list = FieldPath::new("ports");
    let mut seen: Vec<&str> = Vec::new();
    for (at, port) in items(object, "ports").iter().enumerate() {
        let at = list.index(at);
        let name = text(port, "name");
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(at.child("name"), name));
        } else if !name.is_empty() {
            errors.extend(check::named(names::label, name, &at.child("name")));
        }
        seen.push(name);
        errors.extend(check::one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &at));
        let protocol = text(port, "appProtocol");
        if !protocol.is_empty() {
            let at = at.child("appProtocol");
            errors.extend(check::named(names::qualified_name, protocol, &at));
        }
    }
    match text(object, "addressType") {
        "" => errors.push(FieldError::required(FieldPath::new("addressType"), "")),
        _ => {
            let types = ["FQDN", "IPv4", "IPv6"];
            errors.extend(check::one_of(object, "addressType", &types, &root));
        }
    }
    for (at, endpoint) in items(object, "endpoints").iter().enumerate() {
        let at = FieldPath::new("endpoints").index(at);
        errors.extend(slice_endpoint(endpoint, text(object, "addressType"), &at));
    }
    if service::is_of_the_api(object) {
        errors.retain(|error| !error.detail.contains("loopback"));
    }
    errors
}

fn slice_endpoint(endpoint: &Value, kind: &str, at: &FieldPath) -> ErrorList {
    let list = at.child("addresses");
    let mut errors = ErrorList::new();
    if endpoint.get("addresses").is_none_or(is_empty) {
        errors.push(FieldError::required(list.clone(), "must contain at least 1 address"));
    }
    for (i, address) in items(endpoint, "addresses").iter().enumerate() {
        let address = address.as_str().unwrap_or_default();
        match (kind, address.parse::<IpAddr>()) {
            ("FQDN", _) => errors.extend(check::named(names::subdomain, address, &list.index(i))),
            (_, Err(_)) => errors.extend(check::ip(address, &list.index(i))),
            (_, Ok(ip)) => {
                let family = match kind {
                    "IPv4" if !ip.is_ipv4() => Some("must be an IPv4 address"),
                    "IPv6" if !ip.is_ipv6() => Some("must be an IPv6 address"),
                    _ => None,
                };
                errors.extend(
                    family.map(|detail| FieldError::invalid(list.clone(), address, detail)),
                );
                errors.extend(service::reachable(ip, address, &list.index(i)));
            }
        }
    }
    let rules: [(&str, names::NameRule); 2] =
        [("nodeName", names::subdomain), ("hostname", names::label)];
    for (field, rule) in rules {
        let name = text(endpoint, field);
        if !name.is_empty() {
            errors.extend(check::named(rule, name, &at.child(field)));
        }
    }
    let zones = items(&endpoint["hints"], "forZones");
    for (i, zone) in zones.iter().enumerate() {
        if zones[..i].iter().any(|z| text(z, "name") == text(zone, "name")) {
            let at = at.child("hints").child("forZones").index(i).child("name");
            errors.push(FieldError::duplicate(at, text(zone, "name")));
        }
    }
    errors
}

/// Checks an update of an endpoint slice.
pub fn endpoint_slice_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = endpoint_slice(new);
    if differs(new, old, "addressType") {
        let at = FieldPath::new("addressType");
        errors.extend(check::immutable(new, old, "addressType", at));
    }
    errors
}
