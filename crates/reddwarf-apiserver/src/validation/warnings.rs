//! What is valid, but worth a warning to the client.

use super::read::{entries, has, items, text};
use super::{FieldPath, address};
use crate::registry::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Node labels that have been replaced: label, since when, by what.
const OLD_NODE_LABELS: [(&str, &str, &str); 5] = [
    ("beta.kubernetes.io/arch", "v1.14", "kubernetes.io/arch"),
    ("beta.kubernetes.io/os", "v1.14", "kubernetes.io/os"),
    ("failure-domain.beta.kubernetes.io/region", "v1.17", "topology.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "v1.17", "topology.kubernetes.io/zone"),
    ("beta.kubernetes.io/instance-type", "v1.17", "node.kubernetes.io/instance-type"),
];

/// Annotations of pods that do nothing any more.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

/// Volume plugins that are gone or going.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The warnings for an object that is created, or that replaces `old`.
pub fn warnings(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<String> {
    if kind.custom.is_some() {
        return crate::custom::warnings::warnings(new, old);
    }
    match (kind.group.as_ref(), kind.kind.as_ref()) {
        ("", "Service") => service(new),
        ("", "Secret") => secret(new).into_iter().collect(),
        ("", "PersistentVolume") if old.is_none() => volume(new).into_iter().collect(),
        ("", "Pod") if old.is_none() => pod(new, None),
        ("networking.k8s.io", "Ingress") if old.is_none() => ingress(new).into_iter().collect(),
        ("networking.k8s.io", "NetworkPolicy") => network_policy(new),
        ("discovery.k8s.io", "EndpointSlice") => endpoint_slice(new, old.is_none()),
        ("storage.k8s.io", "CSIDriver") if old.is_none() => driver(new).into_iter().collect(),
        ("storage.k8s.io", "StorageClass") => storage_class(new),
        ("storage.k8s.io", "CSIStorageCapacity") => storage_capacity(new),
        ("node.k8s.io", "RuntimeClass") => runtime_class(new),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            crate::custom::review::warnings(new, old)
        }
        ("resource.k8s.io", "ResourceSlice") => resource_slice(new).into_iter().collect(),
        (group, kind) => {
            let Some((pointer, path)) = template(group, kind) else { return Vec::new() };
            let of = |object: &Value| object.pointer(pointer).cloned().unwrap_or_default();
            let unchanged = old.is_some_and(|old| of(old) == of(new));
            if unchanged { Vec::new() } else { pod(&of(new), Some(&path)) }
        }
    }
}

/// Where a kind keeps its pods' template.
fn template(group: &str, kind: &str) -> Option<(&'static str, FieldPath)> {
    let spec = || FieldPath::new("spec");
    Some(match (group, kind) {
        ("", "PodTemplate") => ("/template", FieldPath::new("template")),
        ("apps", "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet")
        | ("", "ReplicationController")
        | ("batch", "Job") => ("/spec/template", spec().child("template")),
        ("batch", "CronJob") => (
            "/spec/jobTemplate/spec/template",
            spec().child("jobTemplate").child("spec").child("template"),
        ),
        _ => return None,
    })
}

fn below(path: Option<&FieldPath>, field: &str) -> FieldPath {
    path.map_or_else(|| FieldPath::new(field), |path| path.child(field))
}

/// A pod, or a template at `path`.
fn pod(pod: &Value, path: Option<&FieldPath>) -> Vec<String> {
    let (spec, spec_path) = (&pod["spec"], below(path, "spec"));
    let mut warnings = Vec::new();
    let selector = spec_path.child("nodeSelector");
    for (label, since, instead) in OLD_NODE_LABELS {
        if has(&spec["nodeSelector"], label) {
            let at = selector.key(label);
            warnings.push(format!("{at}: deprecated since {since}; use {instead:?} instead"));
        }
    }
    let annotations = below(path, "metadata").child("annotations");
    for (annotation, text) in OLD_ANNOTATIONS {
        if has(&pod["metadata"]["annotations"], annotation) {
            warnings.push(format!("{}: {text}", annotations.key(annotation)));
        }
    }
    for (at, volume) in items(spec, "volumes").iter().enumerate() {
        for (plugin, text) in OLD_VOLUMES.iter().filter(|(plugin, _)| has(volume, plugin)) {
            let at = spec_path.child("volumes").index(at).child(plugin);
            warnings.push(format!("{at}: {text}"));
        }
    }
    let containers = ["initContainers", "containers"].iter().flat_map(|list| {
        let path = spec_path.child(list);
        items(spec, list).iter().enumerate().map(move |(at, c)| (c, path.index(at)))
    });
    let containers: Vec<(&Value, FieldPath)> = containers.collect();
    containers.iter().for_each(|(c, path)| hidden_variables(c, path, &mut warnings));
    duplicate_ports(&containers, &mut warnings);
    warnings
}

fn hidden_variables(container: &Value, path: &FieldPath, warnings: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (at, variable) in items(container, "env").iter().enumerate() {
        let (name, value) = (text(variable, "name"), text(variable, "value"));
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let reference = format!("$({name})");
        if has(variable, "valueFrom") || value == reference || !value.contains(&reference) {
            warnings.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                path.child("env").index(at)
            ));
        }
    }
}

fn duplicate_ports(containers: &[(&Value, FieldPath)], warnings: &mut Vec<String>) {
    let mut seen: Vec<(&Value, FieldPath)> = Vec::new();
    for (container, path) in containers {
        for (at, port) in items(container, "ports").iter().enumerate() {
            let path = path.child("ports").index(at);
            let same = |other: &Value, field: &str| {
                port.get(field).filter(|v| !v.is_null())
                    == other.get(field).filter(|v| !v.is_null())
            };
            for (other, place) in &seen {
                if !same(other, "containerPort") || !same(other, "protocol") {
                    continue;
                }
                let word = match same(other, "hostIP") && same(other, "hostPort") {
                    true => "duplicate",
                    false if !has(port, "hostPort") || !has(other, "hostPort") => "overlapping",
                    false => continue,
                };
                warnings.push(format!("{path}: {word} port definition with {place}"));
            }
            seen.push((port, path));
        }
    }
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

/// A TLS secret that holds no PEM; whether the key fits the certificate is not looked at.
fn secret(secret: &Value) -> Option<String> {
    if text(secret, "type") != "kubernetes.io/tls" {
        return None;
    }
    let is_pem = |name: &str| {
        let bytes = STANDARD.decode(text(&secret["data"], name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains("-----BEGIN ")
    };
    let missing = match (is_pem("tls.crt"), is_pem("tls.key")) {
        (false, _) => "certificate",
        (true, false) => "key",
        (true, true) => return None,
    };
    Some(format!("tls: failed to find any PEM data in {missing} input"))
}

fn volume(volume: &Value) -> Option<String> {
    (text(&volume["spec"], "persistentVolumeReclaimPolicy") == "Recycle").then(|| {
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned()
    })
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

/// Why a label of nodes should not be used any more.
fn old_label(label: &str) -> Option<String> {
    let (_, since, instead) = OLD_NODE_LABELS.iter().find(|(old, _, _)| *old == label)?;
    Some(format!("deprecated since {since}; use {instead:?} instead"))
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
            let why = old_label(text(expression, "key"));
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
        old_label(label).map(|why| format!("{at}: {why}"))
    });
    let expressions = items(topology, "matchExpressions").iter().enumerate();
    let expressions = expressions.filter_map(|(i, expression)| {
        let at = path.child("matchExpressions").index(i).child("key");
        old_label(text(expression, "key")).map(|why| format!("{at}: {why}"))
    });
    labels.chain(expressions).collect()
}

fn runtime_class(class: &Value) -> Vec<String> {
    let path = FieldPath::new("scheduling").child("nodeSelector");
    let labels = entries(&class["scheduling"], "nodeSelector");
    labels.filter_map(|(label, _)| old_label(label).map(|why| format!("{path}: {why}"))).collect()
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
