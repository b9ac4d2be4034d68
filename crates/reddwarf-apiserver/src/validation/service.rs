//! Services.

use super::read::{has, int, is_empty, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::IpAddr;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const AFFINITIES: [&str; 2] = ["ClientIP", "None"];
const POLICIES: [&str; 2] = ["Cluster", "Local"];
const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const AFFINITY_SECONDS_MAX: i64 = 86_400;

/// Checks a new service.
pub fn create(service: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let spec = &service["spec"];
    let mut errors = ports(spec, &path);
    errors.extend(labels::labels(&spec["selector"], &path.child("selector")));
    errors.extend(affinity(spec, &path));
    errors.extend(external_ips(spec, &path));
    errors.extend(check::one_of(spec, "type", &TYPES, &path));
    errors.extend(by_type(spec, &path));
    errors.extend(check::one_of(spec, "internalTrafficPolicy", &POLICIES, &path));
    errors.extend(check::one_of(spec, "trafficDistribution", &DISTRIBUTIONS, &path));
    errors
}

fn ports(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ports");
    let ports = items(spec, "ports");
    let may_have_none = text(spec, "type") == "ExternalName" || text(spec, "clusterIP") == "None";
    if ports.is_empty() && !may_have_none {
        return vec![FieldError::required(list, "")];
    }
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        let path = list.index(at);
        let name = text(port, "name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(path.child("name"), ""));
        } else if !name.is_empty() {
            errors.extend(check::named(names::label, name, &path.child("name")));
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(path.child("name"), name));
            }
        }
        errors.extend(one_port(port, &path));
    }
    let mut seen: HashSet<(Option<i64>, &str)> = HashSet::new();
    for (at, port) in ports.iter().enumerate() {
        if !seen.insert((int(port, "port"), text(port, "protocol"))) {
            let shown = json!({"Name": "", "Protocol": port["protocol"], "AppProtocol": null,
                "Port": port["port"], "TargetPort": 0, "NodePort": 0});
            errors.push(FieldError::duplicate(list.index(at), shown));
        }
        let node_port = int(port, "nodePort").unwrap_or_default();
        if node_port != 0 && !["NodePort", "LoadBalancer"].contains(&text(spec, "type")) {
            let detail = format!("may not be used when `type` is '{}'", text(spec, "type"));
            errors.push(FieldError::forbidden(list.index(at).child("nodePort"), detail));
        }
    }
    errors
}

fn one_port(port: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let number = int(port, "port").unwrap_or_default();
    errors.extend(check::port(number, &path.child("port")));
    match text(port, "protocol") {
        "" => errors.push(FieldError::required(path.child("protocol"), "")),
        _ => errors.extend(check::one_of(port, "protocol", &PROTOCOLS, path)),
    }
    let at = path.child("targetPort");
    match &port["targetPort"] {
        Value::String(name) => errors.extend(check::named(names::port_name, name, &at)),
        target => errors.extend(check::port(target.as_i64().unwrap_or(number), &at)),
    }
    let protocol = text(port, "appProtocol");
    if !protocol.is_empty() {
        errors.extend(check::named(names::qualified_name, protocol, &path.child("appProtocol")));
    }
    errors
}

fn affinity(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        check::one_of(spec, "sessionAffinity", &AFFINITIES, path).into_iter().collect();
    let path = path.child("sessionAffinityConfig");
    match text(spec, "sessionAffinity") {
        "ClientIP" => {
            let seconds = int(&spec["sessionAffinityConfig"]["clientIP"], "timeoutSeconds");
            if let Some(seconds) = seconds.filter(|n| !(1..=AFFINITY_SECONDS_MAX).contains(n)) {
                let path = path.child("clientIP").child("timeoutSeconds");
                let detail = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                errors.push(FieldError::invalid(path, seconds, detail));
            }
        }
        "None" if has(spec, "sessionAffinityConfig") => {
            let detail = "must not be set when session affinity is None";
            errors.push(FieldError::forbidden(path, detail));
        }
        _ => {}
    }
    errors
}

fn external_ips(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("externalIPs");
    let mut errors = ErrorList::new();
    for (at, ip) in items(spec, "externalIPs").iter().enumerate() {
        let ip = ip.as_str().unwrap_or_default();
        match ip.parse::<IpAddr>() {
            Err(_) => errors.extend(check::ip(ip, &list.index(at))),
            Ok(parsed) => errors.extend(reachable(parsed, ip, &list.index(at))),
        }
    }
    errors
}

/// An address that other machines can reach.
pub fn reachable(ip: IpAddr, text: &str, path: &FieldPath) -> Option<FieldError> {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let link_multicast = match ip {
        IpAddr::V4(ip) => ip.octets()[..3] == [224, 0, 0],
        IpAddr::V6(ip) => ip.segments()[0] & 0xff0f == 0xff02,
    };
    let detail = if ip.is_unspecified() {
        format!("may not be unspecified ({text})")
    } else if ip.is_loopback() {
        "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()
    } else if link_local {
        "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()
    } else if link_multicast {
        "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()
    } else {
        return None;
    };
    Some(FieldError::invalid(path.clone(), text, detail))
}

fn by_type(spec: &Value, path: &FieldPath) -> ErrorList {
    let kind = text(spec, "type");
    let mut errors = ErrorList::new();
    if kind == "ExternalName" {
        if !items(spec, "clusterIPs").is_empty() || !text(spec, "clusterIP").is_empty() {
            let detail = "may not be set for ExternalName services";
            errors.push(FieldError::forbidden(path.child("clusterIPs"), detail));
        }
        let name = text(spec, "externalName").trim_end_matches('.');
        errors.extend(check::required_name(names::subdomain, name, &path.child("externalName")));
    }
    let outside = ["NodePort", "LoadBalancer"].contains(&kind)
        || (kind == "ClusterIP" && !items(spec, "externalIPs").is_empty());
    let policy = text(spec, "externalTrafficPolicy");
    if !policy.is_empty() && !outside {
        let detail = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid(path.child("externalTrafficPolicy"), policy, detail));
    } else {
        errors.extend(check::one_of(spec, "externalTrafficPolicy", &POLICIES, path));
    }
    if kind != "LoadBalancer" {
        let detail = "may only be used when `type` is 'LoadBalancer'";
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            if has(spec, field) {
                errors.push(FieldError::forbidden(path.child(field), detail));
            }
        }
    }
    errors
}

/// Checks an update of a service.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let (new_spec, old_spec) = (&new["spec"], &old["spec"]);
    let external = |spec: &Value| text(spec, "type") == "ExternalName";
    let mut errors = ErrorList::new();
    if !external(new_spec) && !external(old_spec) {
        errors.extend(kept_addresses(new_spec, old_spec, &path));
    }
    let balanced = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if balanced(new_spec) && balanced(old_spec) {
        let field = "loadBalancerClass";
        if super::read::differs(new_spec, old_spec, field) {
            let value = new_spec.get(field).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(path.child(field), value, "may not change once set"));
        }
    }
    errors.extend(create(new));
    errors
}

fn kept_addresses(new: &Value, old: &Value, path: &FieldPath) -> Option<FieldError> {
    let before = items(old, "clusterIPs").first()?;
    let now = items(new, "clusterIPs");
    if now.first() == Some(before) {
        return None;
    }
    let path = path.child("clusterIPs").index(0);
    Some(FieldError::invalid(path, now.to_vec(), "may not change once set"))
}

/// Checks an update of a service's status.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let path = FieldPath::new("status");
    let balancer = &new["status"]["loadBalancer"];
    ingress_points(balancer, &path.child("loadBalancer"), true)
}

/// Checks the points at which traffic comes in; services may say how with `ipMode`.
pub fn ingress_points(balancer: &Value, path: &FieldPath, modes: bool) -> ErrorList {
    let list = path.child("ingress");
    let mut errors = ErrorList::new();
    for (at, point) in items(balancer, "ingress").iter().enumerate() {
        let path = list.index(at);
        let (ip, host) = (text(point, "ip"), text(point, "hostname"));
        if !ip.is_empty() {
            errors.extend(check::ip(ip, &path.child("ip")));
        }
        if modes {
            errors.extend(check::one_of(point, "ipMode", &["Proxy", "VIP"], &path));
        }
        if !host.is_empty() {
            let at = path.child("hostname");
            if host.parse::<IpAddr>().is_ok() {
                let detail = "must be a DNS name, not an IP address";
                errors.push(FieldError::invalid(at, host, detail));
            } else {
                errors.extend(check::named(names::subdomain, host, &at));
            }
        }
    }
    errors
}

/// Whether the object tells where the API itself is served. Members of a group on one machine
/// serve it at the loopback address, which no other endpoints may have.
pub fn is_of_the_api(object: &Value) -> bool {
    let of = text(&object["metadata"]["labels"], "kubernetes.io/service-name");
    let name = crate::object::name(object);
    crate::object::namespace(object) == "default" && (name == "kubernetes" || of == "kubernetes")
}

/// Checks one subset of `Endpoints` after the other.
pub fn endpoints(object: &Value) -> ErrorList {
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

fn endpoint(address: &Value, of_the_api: bool, path: &FieldPath) -> ErrorList {
    let ip = text(address, "ip");
    let at = path.child("ip");
    let mut errors = ErrorList::new();
    match ip.parse::<IpAddr>() {
        Ok(_) if of_the_api => {}
        Ok(parsed) => errors.extend(reachable(parsed, ip, &at)),
        Err(_) => {
            errors.extend(check::ip(ip, &at));
            errors.push(FieldError::invalid(at, ip, "must be a valid IP address"));
        }
    }
    let host = text(address, "hostname");
    if !host.is_empty() {
        errors.extend(check::named(names::label, host, &path.child("hostname")));
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
    errors.extend(check::one_of(port, "protocol", &PROTOCOLS, path));
    errors
}
