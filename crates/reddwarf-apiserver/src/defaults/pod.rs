//! Defaults of pods and of the templates of pods.

use super::amounts::{round, round_resources};
use super::container::{container, requests_from_limits};
use super::fill::{at, each, fill, fill_empty, list, put, text, within};
use super::volume::volume;
use crate::validation::pod::together;
use serde_json::{Value, json};

const HUGE_PAGES: &str = "hugepages-";
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// A pod.
pub fn pod(pod: &mut Value) {
    fill(pod, "spec", json!({}));
    fill(pod, "spec.enableServiceLinks", true);
    within(pod, "spec", |spec| {
        for containers in ["initContainers", "containers"] {
            each(spec, containers, requests_from_limits);
        }
        pod_level_limits(spec);
        pod_level_requests(spec);
        if at(spec, "hostNetwork").and_then(Value::as_bool) == Some(true) {
            host_ports(spec);
        }
        pod_spec(spec);
    });
    addresses(pod);
}

/// `template` of a workload at `path`.
pub(super) fn template(object: &mut Value, path: &str) {
    within(object, path, |template| {
        fill(template, "spec", json!({}));
        within(template, "spec", pod_spec);
    });
}

fn pod_spec(spec: &mut Value) {
    fill_empty(spec, "dnsPolicy", "ClusterFirst");
    fill_empty(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill_empty(spec, "schedulerName", "default-scheduler");
    service_account(spec);
    round(spec, "overhead");
    round_resources(spec);
    for containers in CONTAINERS {
        each(spec, containers, container);
    }
    each(spec, "volumes", volume);
}

/// The deprecated `serviceAccount` repeats `serviceAccountName`, and stands in for it.
fn service_account(spec: &mut Value) {
    let deprecated = text(spec, "serviceAccount").to_owned();
    if !deprecated.is_empty() {
        fill_empty(spec, "serviceAccountName", deprecated);
    }
    let name = text(spec, "serviceAccountName").to_owned();
    if !name.is_empty() {
        put(spec, "serviceAccount", name);
    }
}

/// In the host's network a container port is a port of the host.
fn host_ports(spec: &mut Value) {
    for containers in ["initContainers", "containers"] {
        each(spec, containers, |container| {
            each(container, "ports", |port| {
                let number = port["containerPort"].clone();
                fill_empty(port, "hostPort", number);
            });
        });
    }
}

/// Huge pages of the pod as a whole are limited to what its containers are, once it has any
/// resources of its own.
fn pod_level_limits(spec: &mut Value) {
    let is_given = |list: &str| at(spec, list).and_then(Value::as_object).cloned();
    let mut limits = is_given("resources.limits").unwrap_or_default();
    let requests = is_given("resources.requests").unwrap_or_default();
    if limits.is_empty() && requests.is_empty() {
        return;
    }
    for (name, total) in together(spec, "limits") {
        if name.starts_with(HUGE_PAGES) && !requests.contains_key(&name) {
            limits.entry(name).or_insert(total.to_string().into());
        }
    }
    if !limits.is_empty() {
        put(spec, "resources.limits", limits);
    }
}

/// Requests of the pod as a whole, when it has limits: those of its containers together, else
/// its own limits.
fn pod_level_requests(spec: &mut Value) {
    let Some(resources) = at(spec, "resources") else { return };
    let limits = resources["limits"].as_object().cloned().unwrap_or_default();
    if limits.is_empty() {
        return;
    }
    let mut requests = resources["requests"].as_object().cloned().unwrap_or_default();
    for (name, total) in together(spec, "requests") {
        if matches!(name.as_str(), "cpu" | "memory") {
            requests.entry(name).or_insert(total.to_string().into());
        }
    }
    for (name, limit) in limits {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with(HUGE_PAGES) {
            requests.entry(name).or_insert(limit);
        }
    }
    put(spec, "resources.requests", requests);
}

/// The first address of a pod has a field of its own, which wins when the two differ.
fn addresses(pod: &mut Value) {
    let single = text(pod, "status.podIP").to_owned();
    let first = list(pod, "status.podIPs").first().map(|a| text(a, "ip")).unwrap_or_default();
    let first = first.to_owned();
    if single.is_empty() && !first.is_empty() {
        put(pod, "status.podIP", first);
    } else if single != first {
        put(pod, "status.podIPs", json!([{"ip": single}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_pod() {
        let mut object = json!({"spec": {"hostNetwork": true, "serviceAccountName": "a", "containers": [
            {"name": "c", "image": "i:1", "ports": [{"containerPort": 80}]},
        ], "volumes": [{"name": "v"}]}});
        pod(&mut object);
        let once = object.clone();
        pod(&mut object);
        assert_eq!(object, once, "defaulting twice changes nothing");
        assert_eq!(object["spec"]["containers"][0]["ports"][0]["hostPort"], 80);
        assert_eq!(object["spec"]["serviceAccount"], "a");
        assert_eq!(object["spec"]["volumes"][0]["emptyDir"], json!({}));
        assert_eq!(object["spec"]["enableServiceLinks"], true);
    }

    #[test]
    fn a_pod_requests_what_its_containers_do() {
        let mut object = json!({"spec": {"resources": {"limits": {"cpu": "4", "memory": "1Gi"}}, "containers": [
            {"resources": {"requests": {"cpu": "500m"}}}, {"resources": {"requests": {"cpu": "1"}}},
        ]}});
        pod(&mut object);
        assert_eq!(
            object["spec"]["resources"]["requests"],
            json!({"cpu": "1500m", "memory": "1Gi"})
        );
        let mut object = json!({"spec": {"resources": {"requests": {"cpu": "4"}}, "containers": [
            {"resources": {"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi"}}}]}});
        pod(&mut object);
        assert_eq!(
            object["spec"]["resources"],
            json!({"limits": {"hugepages-2Mi": "4Mi"}, "requests": {"cpu": "4", "hugepages-2Mi": "4Mi", "memory": "1Gi"}})
        );
    }

    #[test]
    fn addresses_agree() {
        let of = |status: Value| {
            let mut object = json!({"status": status});
            addresses(&mut object);
            object["status"].take()
        };
        let both = json!({"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.1"}]});
        assert_eq!(of(json!({"podIP": "192.0.2.1"})), both);
        assert_eq!(of(json!({"podIPs": [{"ip": "192.0.2.1"}]})), both);
        assert_eq!(of(json!({"podIP": "192.0.2.1", "podIPs": [{"ip": "192.0.2.2"}]})), both);
        assert_eq!(of(json!({})), json!({}));
    }
}
