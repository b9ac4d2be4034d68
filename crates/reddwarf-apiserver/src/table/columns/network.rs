//! Services and what routes to them.

use super::cell::{count, or, plain, selector, texts, with_more};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use k8s_openapi::api::{
    core::v1 as core, discovery::v1 as discovery, networking::v1 as networking,
};
use serde_json::Value;

/// Services.
pub const SERVICE: &[Column] = &[
    NAME,
    column("Type", field::<core::ServiceSpec>("type"), |o, _| text(o, "spec.type").into()),
    column("Cluster-IP", field::<core::ServiceSpec>("clusterIP"), |o, _| {
        match list(o, "spec.clusterIPs").first() {
            Some(ip) => ip.clone(),
            None => or(o, "spec.clusterIP", "<none>"),
        }
    }),
    column("External-IP", field::<core::ServiceSpec>("externalIPs"), external_ip),
    column("Port(s)", field::<core::ServiceSpec>("ports"), service_ports),
    AGE,
    column("Selector", field::<core::ServiceSpec>("selector"), |o, _| {
        super::cell::labels(o, "spec.selector").into()
    })
    .wide(),
];

fn external_ip(service: &Value, _: &RowContext) -> Value {
    let given = texts(service, "spec.externalIPs", ",");
    let balancer = balancer_addresses(service);
    match text(service, "spec.type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".into(),
        "ClusterIP" | "NodePort" => given.into(),
        "LoadBalancer" => match (balancer.is_empty(), given.is_empty()) {
            (true, true) => "<pending>".into(),
            (true, false) => given.into(),
            (false, true) => balancer.into(),
            (false, false) => format!("{balancer},{given}").into(),
        },
        "ExternalName" => text(service, "spec.externalName").into(),
        _ => "<unknown>".into(),
    }
}

/// Addresses and host names of the load balancer, sorted.
fn balancer_addresses(object: &Value) -> String {
    let mut found: Vec<&str> = list(object, "status.loadBalancer.ingress")
        .iter()
        .map(|i| match text(i, "ip") {
            "" => text(i, "hostname"),
            ip => ip,
        })
        .filter(|a| !a.is_empty())
        .collect();
    found.sort_unstable();
    found.dedup();
    found.join(",")
}

fn service_ports(service: &Value, _: &RowContext) -> Value {
    let ports: Vec<String> = list(service, "spec.ports")
        .iter()
        .map(|p| {
            let node = p["nodePort"].as_i64().filter(|n| *n > 0);
            let node = node.map(|n| format!(":{n}")).unwrap_or_default();
            format!("{}{node}/{}", p["port"], text(p, "protocol"))
        })
        .collect();
    if ports.is_empty() { "<none>".into() } else { ports.join(",").into() }
}

/// Endpoints.
pub const ENDPOINTS: &[Column] = &[
    NAME,
    column("Endpoints", field::<core::Endpoints>("subsets"), |o, _| {
        let all: Vec<String> = list(o, "subsets").iter().flat_map(subset_endpoints).collect();
        if all.is_empty() { "<none>".into() } else { with_more(&all, 3, ",").into() }
    }),
    AGE,
];

fn subset_endpoints(subset: &Value) -> Vec<String> {
    let addresses = || list(subset, "addresses").iter().map(|a| text(a, "ip"));
    let ports = list(subset, "ports");
    if ports.is_empty() {
        return addresses().map(str::to_owned).collect();
    }
    let host = |ip: &str| if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let of_port =
        |p: &Value| addresses().map(|ip| format!("{}:{}", host(ip), p["port"])).collect::<Vec<_>>();
    ports.iter().flat_map(of_port).collect()
}

/// Endpoint slices.
pub const ENDPOINT_SLICE: &[Column] = &[
    NAME,
    column("AddressType", field::<discovery::EndpointSlice>("addressType"), |o, _| {
        text(o, "addressType").into()
    }),
    column("Ports", field::<discovery::EndpointSlice>("ports"), |o, _| {
        let ports: Vec<String> = list(o, "ports")
            .iter()
            .map(|p| match (&p["port"], text(p, "name")) {
                (Value::Null, "") => "*".to_owned(),
                (Value::Null, name) => name.to_owned(),
                (port, _) => plain(port),
            })
            .collect();
        or_unset(with_more(&ports, 3, ","))
    }),
    column("Endpoints", field::<discovery::EndpointSlice>("endpoints"), |o, _| {
        let addresses: Vec<String> = list(o, "endpoints")
            .iter()
            .flat_map(|e| list(e, "addresses"))
            .filter_map(|a| a.as_str().map(str::to_owned))
            .collect();
        or_unset(with_more(&addresses, 3, ","))
    }),
    AGE,
];

fn or_unset(shown: String) -> Value {
    if shown.is_empty() { "<unset>".into() } else { shown.into() }
}

/// Ingresses.
pub const INGRESS: &[Column] = &[
    NAME,
    worded(
        "Class",
        "The name of the IngressClass resource that should be used for additional configuration",
        |o, _| or(o, "spec.ingressClassName", "<none>"),
    ),
    worded(
        "Hosts",
        "Hosts that incoming requests are matched against before the ingress rule",
        |o, _| hosts(o).into(),
    ),
    worded(
        "Address",
        "Address is a list containing ingress points for the load-balancer",
        |o, _| balancer_addresses(o).into(),
    ),
    worded("Ports", "Ports of TLS configurations that open", |o, _| {
        if count(o, "spec.tls") > 0 { "80, 443".into() } else { "80".into() }
    }),
    AGE,
];

/// Three hosts, and how many more rules there are.
fn hosts(ingress: &Value) -> String {
    const MAX: usize = 3;
    let rules = list(ingress, "spec.rules");
    let mut shown = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= shown.len() == MAX;
        let host = text(rule, "host");
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match shown.join(",") {
        list if list.is_empty() => "*".to_owned(),
        list if more => format!("{list} + {} more...", rules.len() - MAX),
        list => list,
    }
}

/// Ingress classes.
pub const INGRESS_CLASS: &[Column] = &[
    NAME,
    worded("Controller", "Controller that is responsible for handling this class", |o, _| {
        text(o, "spec.controller").into()
    }),
    worded("Parameters", "A reference to a resource with additional parameters", |o, _| {
        let Some(parameters) = at(o, "spec.parameters") else { return "<none>".into() };
        let group = match text(parameters, "apiGroup") {
            "" => String::new(),
            group => format!(".{group}"),
        };
        format!("{}{group}/{}", text(parameters, "kind"), text(parameters, "name")).into()
    }),
    AGE,
];

/// Network policies.
pub const NETWORK_POLICY: &[Column] = &[
    NAME,
    column("Pod-Selector", field::<networking::NetworkPolicySpec>("podSelector"), |o, _| {
        selector(o, "spec.podSelector").into()
    }),
    AGE,
];

/// IP addresses.
pub const IP_ADDRESS: &[Column] = &[
    NAME,
    column("ParentRef", field::<networking::IPAddressSpec>("parentRef"), |o, _| {
        let Some(parent) = at(o, "spec.parentRef") else { return "<none>".into() };
        let mut shown = text(parent, "resource").to_owned();
        for (separator, part) in [(".", "group"), ("/", "namespace"), ("/", "name")] {
            let part = text(parent, part);
            if !part.is_empty() {
                shown.push_str(separator);
                shown.push_str(part);
            }
        }
        shown.into()
    }),
    super::UNNAMED_AGE,
];

/// Ranges of service addresses.
pub const SERVICE_CIDR: &[Column] = &[
    NAME,
    column("CIDRs", field::<networking::ServiceCIDRSpec>("cidrs"), |o, _| {
        texts(o, "spec.cidrs", ",").into()
    }),
    AGE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: RowContext = RowContext { now_ms: 0 };

    #[test]
    fn ports_of_services() {
        let ports = json!([{"port": 80, "protocol": "TCP", "nodePort": 30000}, {"port": 53, "protocol": "UDP"}]);
        assert_eq!(service_ports(&json!({"spec": {"ports": ports}}), &NOW), "80:30000/TCP,53/UDP");
        assert_eq!(service_ports(&json!({"spec": {}}), &NOW), "<none>");
    }

    #[test]
    fn addresses_from_outside() {
        let of = |spec: Value, status: Value| {
            external_ip(&json!({"spec": spec, "status": status}), &NOW)
        };
        let balancer =
            json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "a"}]}});
        assert_eq!(of(json!({"type": "LoadBalancer"}), json!({})), "<pending>");
        assert_eq!(of(json!({"type": "LoadBalancer"}), balancer), "192.0.2.2,a");
        assert_eq!(
            of(json!({"type": "ClusterIP", "externalIPs": ["192.0.2.9"]}), json!({})),
            "192.0.2.9"
        );
    }

    #[test]
    fn hosts_of_many_rules() {
        let rule = |h: &str| json!({"host": h});
        let rules = json!([rule("a"), rule("b"), rule("c"), rule("d")]);
        assert_eq!(hosts(&json!({"spec": {"rules": rules}})), "a,b,c + 1 more...");
        assert_eq!(hosts(&json!({"spec": {}})), "*");
    }
}
