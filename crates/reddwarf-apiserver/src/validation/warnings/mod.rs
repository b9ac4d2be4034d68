//! What is valid, but worth a warning to the client.

mod container;
mod labels;
mod pod;
mod secret;
mod volume;

use super::read::{entries, has, items, text};
use super::{FieldPath, address, workload_warning};
use crate::registry::Kind;
use serde_json::Value;

/// The warnings for an object that is created, or that replaces `old`.
pub fn warnings(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<String> {
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Service") => service(new),
        ("", "Secret") => secret::tls(new).into_iter().collect(),
        ("", "PersistentVolume") => volume::persistent(new),
        ("", "PersistentVolumeClaim") => volume::claim(new),
        ("", "Node") => node(new),
        ("", "Endpoints") => endpoints(new),
        ("", "Pod") if old.is_none() => {
            let name = pod::host_name(new, "the Pod's hostname");
            name.into_iter().chain(pod::all(new, None)).collect()
        }
        ("", "Pod") => Vec::new(),
        ("networking.k8s.io", "Ingress") if old.is_none() => ingress(new).into_iter().collect(),
        ("networking.k8s.io", "NetworkPolicy") => network_policy(new),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(new, old.is_none()),
        ("storage.k8s.io", "CSIDriver") if old.is_none() => driver(new).into_iter().collect(),
        ("storage.k8s.io", "StorageClass") => storage_class(new),
        ("storage.k8s.io", "CSIStorageCapacity") => storage_capacity(new),
        ("node.k8s.io", "RuntimeClass") => runtime_class(new),
        ("resource.k8s.io", "ResourceSlice") => resource_slice(new).into_iter().collect(),
        (group, kind) => {
            let Some((pointer, path)) = template(group, kind) else { return Vec::new() };
            let of = |object: &Value| object.pointer(pointer).cloned().unwrap_or_default();
            let unchanged = old.is_some_and(|old| of(old) == of(new));
            let mut warnings = workload_warning::before(kind, new, old);
            if old.is_none() && (group, kind) == ("", "ReplicationController") {
                warnings.extend(pod::host_name(new, "Pod names and hostnames"));
            }
            if !unchanged {
                warnings.extend(pod::all(&of(new), Some(&path)));
            }
            warnings.extend(workload_warning::after(kind, new, old));
            warnings
        }
    }
}

/// The warnings for an object as a client asks to create it, before fields are filled in from
/// older ways to say the same.
pub fn early_warnings(kind: &Kind, object: &Value) -> Vec<String> {
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Pod") => pod::copied_profiles(object),
        _ => Vec::new(),
    }
}

/// The warnings for a status that is written.
pub fn status_warnings(kind: &Kind, object: &Value) -> Vec<String> {
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Pod") => pod::status(&object["status"]),
        _ => Vec::new(),
    }
}

/// Where a kind keeps its pods' template.
fn template(group: &str, kind: &str) -> Option<(&'static str, FieldPath)> {
    let spec = || FieldPath::new("spec");
    Some(match (group, kind) {
        ("", "PodTemplate") => ("/template", FieldPath::new("template")),
        ("", "ReplicationController") => ("/spec/template", FieldPath::new("template")),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => {
            ("/spec/template", spec().child("template"))
        }
        ("batch", "CronJob") => (
            "/spec/jobTemplate/spec/template",
            spec().child("jobTemplate").child("spec").child("template"),
        ),
        _ => return None,
    })
}

fn service(service: &Value) -> Vec<String> {
    let spec = &service["spec"];
    let mut warnings = Vec::new();
    if !items(spec, "externalIPs").is_empty() {
        warnings.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
                .to_owned(),
        );
    }
    let hints = "service.kubernetes.io/topology-aware-hints";
    if entries(&service["metadata"], "annotations").any(|(key, _)| key == hints) {
        warnings.push(format!(
            "annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead"
        ));
    }
    if text(spec, "trafficDistribution") == "PreferClose" {
        warnings.push(
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\""
                .to_owned(),
        );
    }
    warnings
}

fn node(node: &Value) -> Vec<String> {
    let (spec, path) = (&node["spec"], FieldPath::new("spec").child("podCIDRs"));
    let mut warnings = Vec::new();
    if has(spec, "configSource") {
        warnings.push("spec.configSource: the feature is no longer available".to_owned());
    }
    if !text(spec, "externalID").is_empty() {
        let why = "this field is deprecated, and is unused by Kubernetes";
        warnings.push(format!("spec.externalID: {why}"));
    }
    for (i, cidr) in items(spec, "podCIDRs").iter().enumerate() {
        let cidr = cidr.as_str().unwrap_or_default();
        warnings.extend(address::cidr_warning(cidr, &path.index(i)));
    }
    warnings
}

/// The controller that makes endpoints of services writes addresses as they should be.
fn endpoints(endpoints: &Value) -> Vec<String> {
    let by = &endpoints["metadata"]["labels"]["endpoints.kubernetes.io/managed-by"];
    if by == "endpoint-controller" {
        return Vec::new();
    }
    let subsets = FieldPath::new("subsets");
    let mut warnings = Vec::new();
    for (i, subset) in items(endpoints, "subsets").iter().enumerate() {
        for list in ["addresses", "notReadyAddresses"] {
            for (j, address) in items(subset, list).iter().enumerate() {
                let at = subsets.index(i).child(list).index(j).child("ip");
                warnings.extend(address::ip_warning(text(address, "ip"), &at));
            }
        }
    }
    warnings
}

fn ingress(ingress: &Value) -> Option<String> {
    has(&ingress["metadata"]["annotations"], "kubernetes.io/ingress.class").then(|| {
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead".to_owned()
    })
}

fn driver(driver: &Value) -> Option<String> {
    let spec = &driver["spec"];
    let unset =
        !items(spec, "tokenRequests").is_empty() && !has(spec, "serviceAccountTokenInSecrets");
    unset.then(|| {
        "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes".to_owned()
    })
}

fn network_policy(policy: &Value) -> Vec<String> {
    let spec = FieldPath::new("spec");
    let mut warnings = Vec::new();
    for (list, peers) in [("ingress", "from"), ("egress", "to")] {
        for (i, rule) in items(&policy["spec"], list).iter().enumerate() {
            for (j, peer) in items(rule, peers).iter().enumerate() {
                let block = &peer["ipBlock"];
                let at = spec.child(list).index(i).child(peers).index(j).child("ipBlock");
                warnings.extend(address::cidr_warning(text(block, "cidr"), &at.child("cidr")));
                for (k, excepted) in items(block, "except").iter().enumerate() {
                    let excepted = excepted.as_str().unwrap_or_default();
                    let at = at.child("except").index(k);
                    warnings.extend(address::cidr_warning(excepted, &at));
                }
            }
        }
    }
    warnings
}

fn endpoint_slice(slice: &Value, is_new: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_new && text(slice, "addressType") == "FQDN" {
        warnings.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let list = FieldPath::new("endpoints");
    for (i, endpoint) in items(slice, "endpoints").iter().enumerate() {
        for (j, address) in items(endpoint, "addresses").iter().enumerate() {
            let at = list.index(i).child("addresses").index(j);
            let address = address.as_str().unwrap_or_default();
            warnings.extend(address::ip_warning(address, &at));
        }
    }
    warnings
}

fn storage_class(class: &Value) -> Vec<String> {
    let list = FieldPath::new("allowedTopologies");
    let mut warnings = Vec::new();
    for (i, term) in items(class, "allowedTopologies").iter().enumerate() {
        let list = list.index(i).child("matchLabelExpressions");
        for (j, expression) in items(term, "matchLabelExpressions").iter().enumerate() {
            let why = labels::old(text(expression, "key"));
            warnings.extend(why.map(|why| format!("{}: {why}", list.index(j).child("key"))));
        }
    }
    warnings
}

fn storage_capacity(capacity: &Value) -> Vec<String> {
    let topology = &capacity["nodeTopology"];
    let path = FieldPath::new("nodeTopology");
    let labels = entries(topology, "matchLabels").filter_map(|(label, _)| {
        let at = path.child("matchLabels").key(label);
        labels::old(label).map(|why| format!("{at}: {why}"))
    });
    let expressions = items(topology, "matchExpressions").iter().enumerate();
    let expressions = expressions.filter_map(|(i, expression)| {
        let at = path.child("matchExpressions").index(i).child("key");
        labels::old(text(expression, "key")).map(|why| format!("{at}: {why}"))
    });
    labels.chain(expressions).collect()
}

fn runtime_class(class: &Value) -> Vec<String> {
    let path = FieldPath::new("scheduling").child("nodeSelector");
    let labels = entries(&class["scheduling"], "nodeSelector");
    labels.filter_map(|(label, _)| labels::old(label).map(|why| format!("{path}: {why}"))).collect()
}

fn resource_slice(slice: &Value) -> Option<String> {
    let driver = text(&slice["spec"], "driver");
    (driver != driver.to_lowercase()).then(|| {
        format!("spec.driver: driver names should be lowercase; {driver:?} contains uppercase characters")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use serde_json::json;

    fn of(group: &str, resource: &str, object: &Value, old: Option<&Value>) -> Vec<String> {
        let registry = Registry::builtin();
        warnings(registry.resource(group, "v1", resource).expect("a kind"), object, old)
    }

    #[test]
    fn templates() {
        let template = json!({"template": {
            "metadata": {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}},
            "spec": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}, "containers": [{
                "name": "a",
                "env": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}],
                "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}],
            }]},
        }});
        assert_eq!(
            of("", "podtemplates", &template, None),
            [
                "template.spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \"priorityClassName\" field instead",
                "template.spec.containers[0].env[1]: hides previous definition of \"X\", which may be dropped when using apply",
                "template.spec.containers[0].ports[1]: duplicate port definition with template.spec.containers[0].ports[0]",
            ]
        );
        assert!(of("", "podtemplates", &template, Some(&template)).is_empty());
    }

    #[test]
    fn labels_and_addresses_of_old() {
        let class = json!({"allowedTopologies": [{"matchLabelExpressions": [
            {"key": "failure-domain.beta.kubernetes.io/zone", "values": ["a"]}]}]});
        assert_eq!(
            of("storage.k8s.io", "storageclasses", &class, None),
            [
                "allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"
            ]
        );
        let runtime = json!({"scheduling": {"nodeSelector": {"beta.kubernetes.io/os": "linux"}}});
        assert_eq!(of("node.k8s.io", "runtimeclasses", &runtime, None).len(), 1);
        let policy =
            json!({"spec": {"egress": [{"to": [{"ipBlock": {"cidr": "2001:DB8::/64"}}]}]}});
        assert_eq!(
            of("networking.k8s.io", "networkpolicies", &policy, None),
            [
                "spec.egress[0].to[0].ipBlock.cidr: IPv6 CIDR value \"2001:DB8::/64\" should be in RFC 5952 canonical format (\"2001:db8::/64\")"
            ]
        );
        let slice = json!({"addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"]}]});
        assert_eq!(of("discovery.k8s.io", "endpointslices", &slice, None).len(), 1);
        assert!(of("discovery.k8s.io", "endpointslices", &slice, Some(&slice)).is_empty());
    }

    #[test]
    fn services_and_secrets() {
        let service = json!({"spec": {"externalIPs": ["192.0.2.1"]}});
        assert_eq!(of("", "services", &service, None).len(), 1);
        let odd = json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "eA==", "tls.key": ""}});
        assert_eq!(
            of("", "secrets", &odd, None),
            ["tls: failed to find any PEM data in certificate input"]
        );
        assert!(of("", "secrets", &json!({"type": "Opaque"}), None).is_empty());
    }
}
