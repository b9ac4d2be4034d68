//! What the first objects look like.

use super::{BootstrapConfig, BootstrapError};
use crate::allocation::ServiceRange;
use crate::background::AS_CONTROLLER_MANAGER;
use crate::{retention, token};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Namespaces that every cluster has.
pub const SYSTEM_NAMESPACES: [&str; 4] =
    ["default", "kube-node-lease", "kube-public", "kube-system"];

const PRIORITY_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

const ROOT_CA_DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Those that need no others, with the collections to which they are posted.
pub fn first(config: &BootstrapConfig) -> Vec<(String, Value)> {
    let mut first = namespaces();
    first.extend(retention::usual());
    for (name, value, description) in PRIORITY_CLASSES {
        let path = "/apis/scheduling.k8s.io/v1/priorityclasses".to_owned();
        first.push((path, priority_class(name, value, description)));
    }
    first.extend(super::api_services::all());
    first.extend(super::flow::all());
    first.push(("/apis/networking.k8s.io/v1/servicecidrs".into(), service_cidr(config)));
    first
}

/// Those that go into the namespaces.
pub fn second(config: &BootstrapConfig) -> Result<Vec<(String, Value)>, BootstrapError> {
    let keys = format!("/api/v1/namespaces/{}/secrets", token::KEY_NAMESPACE);
    let mut second =
        vec![kubernetes_service(&range(config)?, config.api_port), (keys, token::key_secret()?)];
    for name in SYSTEM_NAMESPACES {
        let path =
            |plural: &str| format!("/api/v1/namespaces/{name}/{plural}{AS_CONTROLLER_MANAGER}");
        second.push((path("serviceaccounts"), default_account()));
        second.push((path("configmaps"), root_ca(&config.ca_pem)));
    }
    Ok(second)
}

/// Those that are made again when somebody deletes them.
pub fn kept(config: &BootstrapConfig) -> Result<Vec<(String, Value)>, BootstrapError> {
    let mut kept = namespaces();
    kept.push(kubernetes_service(&range(config)?, config.api_port));
    Ok(kept)
}

fn range(config: &BootstrapConfig) -> Result<ServiceRange, BootstrapError> {
    ServiceRange::parse(&config.service_cidr)
        .ok_or_else(|| BootstrapError::ServiceCidr(config.service_cidr.clone()))
}

fn namespaces() -> Vec<(String, Value)> {
    let namespace =
        |name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    SYSTEM_NAMESPACES.map(|name| ("/api/v1/namespaces".to_owned(), namespace(name))).into()
}

fn priority_class(name: &str, value: i64, description: &str) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": name}, "value": value, "description": description,
        "preemptionPolicy": "PreemptLowerPriority",
    })
}

fn service_cidr(config: &BootstrapConfig) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes",
            "finalizers": ["networking.k8s.io/service-cidr-finalizer"]},
        "spec": {"cidrs": [config.service_cidr]},
    })
}

/// The service at the first address of the range, by which pods reach the API.
fn kubernetes_service(range: &ServiceRange, port: u16) -> (String, Value) {
    let address = range.first().to_string();
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": port}],
        },
    });
    ("/api/v1/namespaces/default/services".to_owned(), service)
}

/// The service account that a pod without one gets.
pub fn default_account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
}

/// The config map by which pods know the API's certificate.
pub fn root_ca(ca_pem: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt",
            "annotations": {"kubernetes.io/description": ROOT_CA_DESCRIPTION}},
        "data": {"ca.crt": ca_pem},
    })
}

/// The `Endpoints` of the `kubernetes` service and its slices for these live members.
///
/// A subset, and a slice, has one list of ports for all its addresses, so members that serve
/// at different ports are in different ones.
pub fn kubernetes_endpoints(members: &[SocketAddr]) -> (Value, Vec<Value>) {
    let mut by_port: BTreeMap<u16, BTreeSet<IpAddr>> = BTreeMap::new();
    for member in members {
        by_port.entry(member.port()).or_default().insert(member.ip());
    }
    let port = |port: &u16| json!({"name": "https", "port": port, "protocol": "TCP"});
    let subsets: Vec<Value> = by_port
        .iter()
        .map(|(number, ips)| {
            let addresses: Vec<Value> = ips.iter().map(|ip| json!({ "ip": ip })).collect();
            json!({"addresses": addresses, "ports": [port(number)]})
        })
        .collect();
    let endpoints = json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": subsets,
    });
    let slices = by_port.iter().enumerate().map(|(at, (number, ips))| {
        let name = if at == 0 { "kubernetes".to_owned() } else { format!("kubernetes-{number}") };
        let items: Vec<Value> = ips
            .iter()
            .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
            .collect();
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4", "endpoints": items, "ports": [port(number)],
        })
    });
    (endpoints, slices.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let config = BootstrapConfig::default();
        let (first, second) = (first(&config), second(&config).expect("a range"));
        let namespaces = first.iter().filter(|(path, _)| path == "/api/v1/namespaces");
        assert_eq!(namespaces.count(), SYSTEM_NAMESPACES.len());
        assert!(first.iter().any(|(path, _)| path.ends_with("/servicecidrs")));
        assert!(second.iter().all(|(path, _)| path.starts_with("/api/v1/namespaces/")));
        let service = second.iter().find(|(path, _)| path.ends_with("/default/services"));
        assert_eq!(service.expect("the API's").1["spec"]["clusterIP"], "10.96.0.1");
    }

    #[test]
    fn a_range_that_is_none() {
        let config = BootstrapConfig { service_cidr: "10.96.0.0/40".into(), ..Default::default() };
        assert!(matches!(second(&config), Err(BootstrapError::ServiceCidr(_))));
    }

    #[test]
    fn endpoints_follow_members() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let members = [at("10.0.0.2:6443"), at("10.0.0.1:6443"), at("10.0.0.2:6443")];
        let (endpoints, slices) = kubernetes_endpoints(&members);
        assert_eq!(
            endpoints["subsets"][0]["addresses"],
            json!([{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}])
        );
        assert_eq!(slices.len(), 1);
        assert_eq!(slices[0]["endpoints"].as_array().map(Vec::len), Some(2));
        let one_machine = [at("127.0.0.1:6443"), at("127.0.0.1:6444")];
        let (endpoints, slices) = kubernetes_endpoints(&one_machine);
        assert_eq!(endpoints["subsets"].as_array().map(Vec::len), Some(2));
        assert_eq!(slices[1]["metadata"]["name"], "kubernetes-6444");
        assert_eq!(kubernetes_endpoints(&[]).0["subsets"], json!([]));
    }
}
