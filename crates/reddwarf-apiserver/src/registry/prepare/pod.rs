//! Pods.

use crate::defaults::fill::{at, each, keep, list, put, text, within};
use reddwarf_core::Quantity;
use serde_json::{Map, Value, json};

/// A new pod waits, in a class of service that follows from its resources.
pub fn pod_create(pod: &mut Value) {
    let mut status = json!({"phase": "Pending", "qosClass": qos_class(pod)});
    if !list(pod, "spec.schedulingGates").is_empty() {
        status["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null,
            "lastTransitionTime": crate::defaults::now(), "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
    put(pod, "status", status);
    let labels = at(pod, "metadata.labels").cloned().unwrap_or_default();
    for affinity in ["spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"] {
        within(pod, affinity, |affinity| affinity_labels(affinity, &labels));
    }
    each(pod, "spec.topologySpreadConstraints", |constraint| label_keys(constraint, &labels));
}

/// A pod's `/status` cannot change its owners, nor leave out its class of service.
pub fn pod_status_update(new: &mut Value, old: &Value) {
    keep(new, old, "metadata.ownerReferences");
    if text(new, "status.qosClass").is_empty() {
        keep(new, old, "status.qosClass");
    }
}

fn affinity_labels(affinity: &mut Value, labels: &Value) {
    each(affinity, "requiredDuringSchedulingIgnoredDuringExecution", |term| {
        label_keys(term, labels);
    });
    each(affinity, "preferredDuringSchedulingIgnoredDuringExecution", |weighted| {
        within(weighted, "podAffinityTerm", |term| label_keys(term, labels));
    });
}

/// Keys that name labels of the pod itself become part of the selector.
fn label_keys(term: &mut Value, labels: &Value) {
    if at(term, "labelSelector").is_none() {
        return;
    }
    for (keys, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in list(term, keys).to_vec() {
            let Some(value) = key.as_str().and_then(|k| labels.get(k)) else { continue };
            let requirement = json!({"key": key, "operator": operator, "values": [value]});
            let mut all = list(term, "labelSelector.matchExpressions").to_vec();
            all.push(requirement);
            put(term, "labelSelector.matchExpressions", all);
        }
    }
}

/// `Guaranteed` when every container's limits equal its requests for CPU and memory,
/// `BestEffort` when none asks for either, else `Burstable`.
fn qos_class(pod: &Value) -> &'static str {
    let spec = &pod["spec"];
    if at(spec, "resources").is_some_and(|r| !is_empty(r)) {
        return class_of(std::iter::once(&spec["resources"]));
    }
    let containers = list(spec, "containers").iter().chain(list(spec, "initContainers"));
    class_of(containers.map(|c| &c["resources"]))
}

fn class_of<'a>(resources: impl Iterator<Item = &'a Value>) -> &'static str {
    let (mut any, mut guaranteed) = (false, true);
    for resources in resources {
        let requests = positive(&resources["requests"]);
        let limits = positive(&resources["limits"]);
        any |= !requests.is_empty() || !limits.is_empty();
        guaranteed &= limits.len() == 2
            && requests.iter().all(|(name, r)| limits.iter().any(|(n, l)| n == name && l == r));
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The quantities of CPU and memory that are more than nothing.
fn positive(quantities: &Value) -> Vec<(&'static str, Quantity)> {
    ["cpu", "memory"]
        .into_iter()
        .filter_map(|name| Some((name, Quantity::parse(text(quantities, name)).ok()?)))
        .filter(|(_, quantity)| !quantity.is_zero() && !quantity.is_negative())
        .collect()
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_none_or(Map::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(containers: Value) -> &'static str {
        qos_class(&json!({"spec": {"containers": containers}}))
    }

    #[test]
    fn classes_of_service() {
        assert_eq!(class(json!([{}])), "BestEffort");
        let full = json!({"cpu": "1", "memory": "1Gi"});
        let equal = json!({"resources": {"limits": full, "requests": {"cpu": "1000m", "memory": "1024Mi"}}});
        assert_eq!(class(json!([equal])), "Guaranteed");
        assert_eq!(class(json!([equal, {}])), "Burstable");
        assert_eq!(class(json!([{"resources": {"requests": {"cpu": "1"}}}])), "Burstable");
        assert_eq!(
            class(json!([{"resources": {"requests": {"example.com/x": "1"}}}])),
            "BestEffort"
        );
    }

    #[test]
    fn label_keys_join_the_selector() {
        let mut pod = json!({
            "metadata": {"labels": {"k": "v"}},
            "spec": {"containers": [], "topologySpreadConstraints": [
                {"labelSelector": {"matchLabels": {"a": "b"}}, "matchLabelKeys": ["k", "absent"]},
            ]},
        });
        pod_create(&mut pod);
        assert_eq!(
            pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"],
            json!([{"key": "k", "operator": "In", "values": ["v"]}])
        );
    }
}
