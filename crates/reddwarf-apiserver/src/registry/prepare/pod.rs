//! Pods.

use super::features;
use crate::defaults::fill::{at, each, keep, list, put, text, within};
use crate::validation::pod::{APP_ARMOR_OF, app_armor_profile};
use reddwarf_core::Quantity;
use serde_json::{Map, Value, json};

/// A new pod waits, in a class of service that follows from its resources.
pub fn pod_create(pod: &mut Value) {
    features::pod(pod, &Value::Null);
    for (path, profile) in app_armor_to_copy(pod).into_iter().map(|copy| (copy.path, copy.profile))
    {
        if let Some(container) = pod.pointer_mut(&path) {
            put(container, "securityContext.appArmorProfile", profile);
        }
    }
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

/// Fields of features that are off do not come with an update.
pub fn pod_update(new: &mut Value, old: &Value) {
    features::pod(new, old);
}

/// A pod's `/status` cannot change its owners, nor leave out its class of service, nor what has
/// been seen of it.
pub fn pod_status_update(new: &mut Value, old: &Value) {
    keep(new, old, "metadata.ownerReferences");
    if text(new, "status.qosClass").is_empty() {
        keep(new, old, "status.qosClass");
    }
    keep_generation(new, old, "status.observedGeneration");
    let conditions = list(old, "status.conditions");
    let mut seen: Vec<String> = Vec::new();
    each(new, "status.conditions", |condition| {
        let kind = text(condition, "type").to_owned();
        let before = seen.iter().filter(|other| **other == kind).count();
        let mut same = conditions.iter().filter(|c| text(c, "type") == kind);
        if let Some(old) = same.nth(before) {
            keep_generation(condition, old, "observedGeneration");
        }
        seen.push(kind);
    });
}

fn keep_generation(new: &mut Value, old: &Value, path: &str) {
    if at(new, path).and_then(Value::as_i64).unwrap_or_default() == 0 {
        keep(new, old, path);
    }
}

/// A profile that an annotation gives to a container which has none.
#[derive(Debug, PartialEq)]
pub struct AppArmorCopy {
    /// The annotation.
    pub annotation: String,
    /// JSON pointer to the container.
    path: String,
    profile: Value,
}

/// The profiles of AppArmor that go from annotations to fields of a new pod.
pub fn app_armor_to_copy(pod: &Value) -> Vec<AppArmorCopy> {
    if text(pod, "spec.os.name") == "windows" {
        return Vec::new();
    }
    let of_pod = at(pod, "spec.securityContext.appArmorProfile");
    let annotations = at(pod, "metadata.annotations");
    let mut copies = Vec::new();
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        for (index, container) in list(&pod["spec"], containers).iter().enumerate() {
            let annotation = format!("{APP_ARMOR_OF}{}", text(container, "name"));
            let written = annotations.and_then(|all| all.get(&annotation)).and_then(Value::as_str);
            let profile = written.and_then(app_armor_profile);
            let has_own = at(container, "securityContext.appArmorProfile").is_some();
            if let Some(profile) = profile.filter(|p| !has_own && Some(p) != of_pod) {
                let path = format!("/spec/{containers}/{index}");
                copies.push(AppArmorCopy { annotation, path, profile });
            }
        }
    }
    copies
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
pub fn qos_class(pod: &Value) -> &'static str {
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
    fn annotated_profiles_become_fields() {
        let annotation = format!("{APP_ARMOR_OF}c");
        let mut pod = json!({
            "metadata": {"annotations": {&annotation: "localhost/p"}},
            "spec": {"containers": [{"name": "b"}, {"name": "c"}]},
        });
        assert_eq!(app_armor_to_copy(&pod)[0].annotation, annotation);
        pod_create(&mut pod);
        assert_eq!(
            pod["spec"]["containers"][1]["securityContext"]["appArmorProfile"],
            json!({"type": "Localhost", "localhostProfile": "p"})
        );
        assert_eq!(app_armor_to_copy(&pod), []);
    }

    #[test]
    fn what_was_seen_stays() {
        let old = json!({"status": {"observedGeneration": 2, "conditions": [
            {"type": "Ready", "observedGeneration": 2}]}});
        let mut new = json!({"status": {"conditions": [{"type": "Ready"}, {"type": "Other"}]}});
        pod_status_update(&mut new, &old);
        assert_eq!(
            new["status"],
            json!({"observedGeneration": 2, "conditions": [
                {"type": "Ready", "observedGeneration": 2}, {"type": "Other"}]})
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
