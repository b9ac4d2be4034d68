//! Defaults of services and what routes to them.

use super::fill::{at, each, fill, fill_empty, list, put, text};
use serde_json::{Value, json};

/// A service. Addresses, node ports and IP families are allocated at admission.
pub fn service(object: &mut Value) {
    fill_empty(object, "spec.sessionAffinity", "None");
    if text(object, "spec.sessionAffinity") == "ClientIP" {
        fill(object, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", 10_800);
    }
    fill_empty(object, "spec.type", "ClusterIP");
    each(object, "spec.ports", |port| {
        fill_empty(port, "protocol", "TCP");
        let target = port.get("targetPort");
        if target.is_none_or(|t| t.is_null() || *t == json!(0) || *t == json!("")) {
            let number = port["port"].clone();
            put(port, "targetPort", number);
        }
    });
    let kind = text(object, "spec.type").to_owned();
    if is_external(object, &kind) {
        fill_empty(object, "spec.externalTrafficPolicy", "Cluster");
    }
    if matches!(&*kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
        fill(object, "spec.internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(object, "spec.allocateLoadBalancerNodePorts", true);
        each(object, "status.loadBalancer.ingress", |ingress| {
            if !text(ingress, "ip").is_empty() {
                fill(ingress, "ipMode", "VIP");
            }
        });
    }
}

/// Whether traffic from outside reaches the service.
fn is_external(object: &Value, kind: &str) -> bool {
    let external_ips = kind == "ClusterIP" && !list(object, "spec.externalIPs").is_empty();
    matches!(kind, "NodePort" | "LoadBalancer") || external_ips
}

/// Endpoints.
pub fn endpoints(object: &mut Value) {
    each(object, "subsets", |subset| {
        each(subset, "ports", |port| fill_empty(port, "protocol", "TCP"));
    });
}

/// An endpoint slice.
pub fn endpoint_slice(object: &mut Value) {
    each(object, "ports", |port| {
        fill(port, "name", "");
        fill(port, "protocol", "TCP");
    });
}

/// An ingress class.
pub fn ingress_class(object: &mut Value) {
    if at(object, "spec.parameters").is_some() {
        fill(object, "spec.parameters.scope", "Cluster");
    }
}

/// A network policy: it is about egress when it has egress rules.
pub fn network_policy(object: &mut Value) {
    for rules in ["spec.ingress", "spec.egress"] {
        each(object, rules, |rule| {
            each(rule, "ports", |port| fill(port, "protocol", "TCP"));
        });
    }
    if list(object, "spec.policyTypes").is_empty() {
        let egress = !list(object, "spec.egress").is_empty();
        let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        put(object, "spec.policyTypes", types);
    }
}
