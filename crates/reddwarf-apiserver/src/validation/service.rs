//! Services.

use super::read::{differs, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, address, check, labels, names, service_address};
use serde_json::{Value, json};
use std::net::IpAddr;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const AFFINITIES: [&str; 2] = ["ClientIP", "None"];
const POLICIES: [&str; 2] = ["Cluster", "Local"];
const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const AFFINITY_SECONDS_MAX: i64 = 86_400;
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";
const RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const FOR_BALANCERS: &str = "may only be used when `type` is 'LoadBalancer'";
const NOT_EXTERNAL_NAME: &str = "may not be set for ExternalName services";

/// Checks a new service.
pub fn create(service: &Value) -> ErrorList {
    all(service, &Value::Null)
}

/// Checks an update of a service.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let (spec, old_spec) = (&new["spec"], &old["spec"]);
    let mut errors = service_address::changes(spec, old_spec, &path);
    if is_balanced(spec) && is_balanced(old_spec) && differs(spec, old_spec, "loadBalancerClass") {
        let value = spec.get("loadBalancerClass").cloned().unwrap_or_default();
        let at = path.child("loadBalancerClass");
        errors.push(FieldError::invalid(at, value, "may not change once set"));
    }
    errors.extend(balancer_class(spec, &path));
    let port = "healthCheckNodePort";
    let is_kept = int(spec, port).unwrap_or_default() == int(old_spec, port).unwrap_or_default();
    if needs_health_check(spec) && needs_health_check(old_spec) && !is_kept {
        errors.push(FieldError::forbidden(path.child(port), "field is immutable"));
    }
    errors.extend(all(new, old));
    errors
}

fn is_balanced(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer"
}

fn is_headless(spec: &Value) -> bool {
    matches!(items(spec, "clusterIPs"), [only] if only == "None")
}

fn needs_health_check(spec: &Value) -> bool {
    is_balanced(spec) && text(spec, "externalTrafficPolicy") == "Local"
}

fn all(service: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let (spec, old_spec) = (&service["spec"], &old["spec"]);
    let mut errors: ErrorList = topology(service).into_iter().collect();
    errors.extend(by_type(spec, &path));
    errors.extend(ports(spec, &path));
    errors.extend(labels::labels(&spec["selector"], &path.child("selector")));
    errors.extend(affinity(spec, &path));
    errors.extend(service_address::related(spec, old_spec, &path));
    errors.extend(external_ips(spec, old_spec, &path));
    errors.extend(check::one_of(spec, "type", &TYPES, &path));
    errors.extend(distinct_ports(spec, &path));
    errors.extend(source_ranges(service, old, &path));
    if !is_balanced(spec) && has(spec, "allocateLoadBalancerNodePorts") {
        let at = path.child("allocateLoadBalancerNodePorts");
        errors.push(FieldError::forbidden(at, FOR_BALANCERS));
    }
    errors.extend(balancer_class(spec, &path));
    errors.extend(external_policy(spec, &path));
    errors.extend(check::one_of(spec, "internalTrafficPolicy", &POLICIES, &path));
    errors.extend(check::one_of(spec, "trafficDistribution", &DISTRIBUTIONS, &path));
    errors
}

/// The annotation has a new name; who uses both means the same.
fn topology(service: &Value) -> Option<FieldError> {
    let annotations = &service["metadata"]["annotations"];
    let is_odd = has(annotations, MODE)
        && has(annotations, HINTS)
        && text(annotations, MODE) != text(annotations, HINTS);
    is_odd.then(|| {
        let at = FieldPath::new("metadata").child("annotations").key(MODE);
        let detail = format!("must match annotations[{HINTS}] when both are specified");
        FieldError::invalid(at, text(annotations, MODE), detail)
    })
}

fn by_type(spec: &Value, path: &FieldPath) -> ErrorList {
    let kind = text(spec, "type");
    let mut errors = ErrorList::new();
    if items(spec, "ports").is_empty() && !is_headless(spec) && kind != "ExternalName" {
        errors.push(FieldError::required(path.child("ports"), ""));
    }
    if ["LoadBalancer", "NodePort"].contains(&kind) && is_headless(spec) {
        let at = path.child("clusterIPs").index(0);
        let detail = format!("may not be set to 'None' for {kind} services");
        errors.push(FieldError::invalid(at, "None", detail));
    }
    if kind == "ExternalName" {
        for list in ["clusterIPs", "ipFamilies"] {
            if !items(spec, list).is_empty() {
                errors.push(FieldError::forbidden(path.child(list), NOT_EXTERNAL_NAME));
            }
        }
        if has(spec, "ipFamilyPolicy") {
            errors.push(FieldError::forbidden(path.child("ipFamilyPolicy"), NOT_EXTERNAL_NAME));
        }
        let name = text(spec, "externalName");
        let name = name.strip_suffix('.').unwrap_or(name);
        errors.extend(check::required_name(names::subdomain, name, &path.child("externalName")));
    }
    errors
}

fn ports(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ports");
    let ports = items(spec, "ports");
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, port) in ports.iter().enumerate() {
        let path = list.index(at);
        let name = text(port, "name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(path.child("name"), ""));
        } else if !name.is_empty() {
            errors.extend(check::named(names::label, name, &path.child("name")));
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(path.child("name"), name));
            }
            seen.push(name);
        }
        errors.extend(one_port(port, &path));
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
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        errors.extend(check::named(names::qualified_name, protocol, &path.child("appProtocol")));
    }
    errors
}

/// Ports of the node, and ports as a whole, that are there twice.
fn distinct_ports(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ports");
    let ports = items(spec, "ports");
    let node_port = |port: &Value| int(port, "nodePort").unwrap_or_default();
    let protocol = |port: &Value| text(port, "protocol").to_owned();
    let mut errors = ErrorList::new();
    let held = || ports.iter().enumerate().filter(|(_, port)| node_port(port) != 0);
    if text(spec, "type") == "ClusterIP" {
        for (at, _) in held() {
            let detail = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(list.index(at).child("nodePort"), detail));
        }
    }
    for (at, port) in held() {
        let same = |o: &Value| node_port(o) == node_port(port) && protocol(o) == protocol(port);
        if ports.iter().take(at).any(same) {
            let at = list.index(at).child("nodePort");
            errors.push(FieldError::duplicate(at, node_port(port)));
        }
    }
    for (at, port) in ports.iter().enumerate() {
        let same = |o: &Value| o["port"] == port["port"] && protocol(o) == protocol(port);
        if ports.iter().take(at).any(same) {
            let shown = json!({"Name": "", "Protocol": port["protocol"], "AppProtocol": null,
                "Port": port["port"], "TargetPort": 0, "NodePort": 0});
            errors.push(FieldError::duplicate(list.index(at), shown));
        }
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

fn external_ips(spec: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("externalIPs");
    let mut errors = ErrorList::new();
    for (at, ip) in items(spec, "externalIPs").iter().enumerate() {
        let is_old = items(old, "externalIPs").contains(ip);
        let (ip, at) = (ip.as_str().unwrap_or_default(), list.index(at));
        match address::ip(ip, &at).filter(|_| !is_old) {
            Some(error) => errors.push(error),
            None => {
                errors.extend(address::sloppy_ip(ip).and_then(|parsed| reachable(parsed, ip, &at)));
            }
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

/// Who may come in through a load balancer: the field, else the annotation of old.
fn source_ranges(service: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let spec = &service["spec"];
    let ranges = items(spec, "loadBalancerSourceRanges");
    let annotation = service["metadata"]["annotations"].get(RANGES).and_then(Value::as_str);
    let (at, written) = match annotation {
        _ if !ranges.is_empty() => (path.child("LoadBalancerSourceRanges"), None),
        Some(written) => {
            (FieldPath::new("metadata").child("annotations").key(RANGES), Some(written))
        }
        None => return ErrorList::new(),
    };
    let mut errors = ErrorList::new();
    if !is_balanced(spec) {
        errors.push(FieldError::forbidden(at.clone(), FOR_BALANCERS));
    }
    let trimmed = |value: &Value| value.as_str().unwrap_or_default().trim().to_owned();
    let before: Vec<String> =
        items(&old["spec"], "loadBalancerSourceRanges").iter().map(trimmed).collect();
    for (i, range) in ranges.iter().map(trimmed).enumerate() {
        errors.extend(address::cidr(&range, &at.index(i)).filter(|_| !before.contains(&range)));
    }
    let is_old = written == old["metadata"]["annotations"].get(RANGES).and_then(Value::as_str);
    let written = written.filter(|written| !is_old && !written.trim().is_empty());
    let listed = written.into_iter().flat_map(|written| written.split(','));
    errors.extend(listed.filter_map(|range| address::cidr(range.trim(), &at)));
    errors
}

fn balancer_class(spec: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("loadBalancerClass");
    match spec.get("loadBalancerClass").and_then(Value::as_str) {
        None => ErrorList::new(),
        Some(class) if is_balanced(spec) => check::named(names::qualified_name, class, &at),
        Some(_) => vec![FieldError::forbidden(at, FOR_BALANCERS)],
    }
}

/// What becomes of traffic from outside. The port of the health check was chosen before.
fn external_policy(spec: &Value, path: &FieldPath) -> ErrorList {
    let kind = text(spec, "type");
    let is_outside = ["NodePort", "LoadBalancer"].contains(&kind)
        || (kind == "ClusterIP" && !items(spec, "externalIPs").is_empty());
    let policy = text(spec, "externalTrafficPolicy");
    let mut errors = ErrorList::new();
    if is_outside {
        errors.extend(check::one_of(spec, "externalTrafficPolicy", &POLICIES, path));
    } else if !policy.is_empty() {
        let detail = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid(path.child("externalTrafficPolicy"), policy, detail));
    }
    let at = path.child("healthCheckNodePort");
    match int(spec, "healthCheckNodePort").unwrap_or_default() {
        0 if needs_health_check(spec) => errors.push(FieldError::required(at, "")),
        0 => (),
        port if needs_health_check(spec) => errors.extend(check::port(port, &at)),
        port => {
            let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.push(FieldError::invalid(at, port, detail));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn odd_services() {
        let port = json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]);
        for (spec, expected) in [
            (json!({"type": "ClusterIP", "ports": port}), vec![]),
            (
                json!({"type": "NodePort", "ports": port, "clusterIP": "None", "clusterIPs": ["None"]}),
                vec!["spec.clusterIPs[0] FieldValueInvalid"],
            ),
            (
                json!({"type": "ExternalName", "externalName": "a.example.com.", "ipFamilies": ["IPv4"]}),
                vec!["spec.ipFamilies FieldValueForbidden"],
            ),
            (
                json!({"type": "ClusterIP", "ports": port, "loadBalancerSourceRanges": [" 192.0.2.0/24 ", "x"]}),
                vec![
                    "spec.LoadBalancerSourceRanges FieldValueForbidden",
                    "spec.LoadBalancerSourceRanges[1] FieldValueInvalid",
                ],
            ),
            (
                json!({"type": "LoadBalancer", "ports": port, "healthCheckNodePort": 30000, "loadBalancerClass": "a b"}),
                vec![
                    "spec.loadBalancerClass FieldValueInvalid",
                    "spec.healthCheckNodePort FieldValueInvalid",
                ],
            ),
        ] {
            assert_eq!(fields(&create(&json!({"spec": spec}))), expected, "{spec}");
        }
        let annotated = json!({
            "metadata": {"annotations": {MODE: "Auto", HINTS: "Disabled", RANGES: "192.0.2.0/24, y"}},
            "spec": {"type": "LoadBalancer", "ports": port},
        });
        let expected = [
            format!("metadata.annotations[{MODE}] FieldValueInvalid"),
            format!("metadata.annotations[{RANGES}] FieldValueInvalid"),
        ];
        assert_eq!(fields(&create(&annotated)), expected);
        assert_eq!(fields(&update(&annotated, &annotated)), expected[..1]);
    }
}
