//! Defaults of pods and of the templates of pods.

use super::container::{container, requests_from_limits};
use super::fill::{at, each, fill, fill_empty, list, put, text, within};
use super::volume::volume;
use reddwarf_core::Quantity;
use serde_json::{Map, Value, json};

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// A pod.
pub fn pod(pod: &mut Value) {
    fill(pod, "spec", json!({}));
    fill(pod, "spec.enableServiceLinks", true);
    within(pod, "spec", |spec| {
        for containers in ["initContainers", "containers"] {
            each(spec, containers, requests_from_limits);
        }
        pod_level_requests(spec);
        if at(spec, "hostNetwork").and_then(Value::as_bool) == Some(true) {
            host_ports(spec);
        }
        pod_spec(spec);
    });
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

/// Requests of the pod as a whole: those of its containers together, else its own limits.
fn pod_level_requests(spec: &mut Value) {
    let Some(resources) = at(spec, "resources") else { return };
    let limits = resources["limits"].as_object().cloned().unwrap_or_default();
    let given = resources["requests"].as_object().cloned().unwrap_or_default();
    if limits.is_empty() && given.is_empty() {
        return;
    }
    let mut requests = given;
    for (name, total) in container_requests(spec) {
        requests.entry(name).or_insert(total);
    }
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
    put(spec, "resources.requests", requests);
}

/// The requests of all containers together, of the resources that a pod can name.
fn container_requests(spec: &Value) -> Map<String, Value> {
    let mut totals = Map::new();
    for container in list(spec, "containers") {
        let Some(Value::Object(requests)) = at(container, "resources.requests") else { continue };
        for (name, request) in requests {
            let pod_level = matches!(&**name, "cpu" | "memory") || name.starts_with("hugepages-");
            let Some(request) = request.as_str().and_then(|r| Quantity::parse(r).ok()) else {
                continue;
            };
            if pod_level {
                let before = totals.get(name).and_then(Value::as_str);
                let before = before.and_then(|b| Quantity::parse(b).ok());
                let total = before.map_or(request, |b| b.plus(request));
                totals.insert(name.clone(), total.to_string().into());
            }
        }
    }
    totals
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
    }
}
