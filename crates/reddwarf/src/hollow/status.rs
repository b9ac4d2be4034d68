//! The status that a simulated node writes for a pod.

use super::pod::{Container, Pod};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Now, in whole seconds.
pub fn now_seconds() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Now, with microseconds.
pub fn now_micros() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The patch of a pod whose containers all run.
pub fn running(pod: &Pod, host: Ipv4Addr, address: Ipv4Addr, now: &str) -> Value {
    let containers: Vec<_> =
        pod.spec.containers.iter().map(|c| container(pod, c, live(now), true)).collect();
    let mut status = json!({
        "phase": "Running",
        "startTime": pod.status.start_time.as_deref().unwrap_or(now),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions(pod, now, None),
        "containerStatuses": containers,
    });
    if let Some(init) = &pod.spec.init_containers {
        let of = |c| init_container(pod, c, now);
        status["initContainerStatuses"] = init.iter().map(of).collect();
    }
    patch(pod, status)
}

/// The patch of a pod whose containers have all ended well.
pub fn succeeded(pod: &Pod, now: &str) -> Value {
    let started = pod.status.start_time.as_deref().unwrap_or(now);
    let containers: Vec<_> = pod
        .spec
        .containers
        .iter()
        .map(|c| container(pod, c, completed(started, now), false))
        .collect();
    let status = json!({
        "phase": "Succeeded",
        "conditions": conditions(pod, now, Some("PodCompleted")),
        "containerStatuses": containers,
    });
    patch(pod, status)
}

/// The uid keeps it from a pod of the same name that came later.
fn patch(pod: &Pod, mut status: Value) -> Value {
    if pod.metadata.generation > 0 {
        status["observedGeneration"] = pod.metadata.generation.into();
    }
    json!({"metadata": {"uid": pod.metadata.uid}, "status": status})
}

/// The conditions of a pod that runs, or, with a reason, of one that does not any more.
fn conditions(pod: &Pod, now: &str, ended: Option<&str>) -> Value {
    let condition = |kind: &str, ends: bool| {
        let reason = ended.filter(|_| ends);
        let mut of = json!({
            "type": kind,
            "status": if reason.is_some() { "False" } else { "True" },
            "lastProbeTime": null,
            "lastTransitionTime": now,
        });
        if let Some(reason) = reason {
            of["reason"] = reason.into();
        }
        if pod.metadata.generation > 0 {
            of["observedGeneration"] = pod.metadata.generation.into();
        }
        of
    };
    json!([
        condition("PodReadyToStartContainers", true),
        condition("Initialized", false),
        condition("Ready", true),
        condition("ContainersReady", true),
        condition("PodScheduled", false),
    ])
}

fn live(now: &str) -> Value {
    json!({"running": {"startedAt": now}})
}

fn completed(started: &str, now: &str) -> Value {
    json!({"terminated": {
        "exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now,
    }})
}

fn container(pod: &Pod, container: &Container, state: Value, ready: bool) -> Value {
    json!({
        "name": container.name,
        "image": container.image,
        "imageID": "",
        "containerID": format!("hollow://{}/{}", pod.metadata.uid, container.name),
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
        "lastState": {},
    })
}

fn init_container(pod: &Pod, of: &Container, now: &str) -> Value {
    if of.is_sidecar() {
        return container(pod, of, live(now), true);
    }
    let mut status = container(pod, of, completed(now, now), true);
    status["started"] = false.into();
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hollow::node::HollowNode;
    use k8s_openapi::api::core::v1;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// Whether a type of the API has every field that is written, under that name.
    fn assert_known<T: Serialize + DeserializeOwned>(written: &Value) {
        let typed: T = serde_json::from_value(written.clone()).expect("of the type");
        let back = serde_json::to_value(typed).expect("JSON");
        assert_within(written, &back, "");
    }

    fn assert_within(written: &Value, known: &Value, path: &str) {
        match written {
            Value::Null => {}
            Value::Object(map) => {
                for (key, value) in map {
                    assert_within(value, &known[key], &format!("{path}.{key}"));
                }
            }
            Value::Array(list) => {
                for (at, value) in list.iter().enumerate() {
                    assert_within(value, &known[at], &format!("{path}[{at}]"));
                }
            }
            // Times are written back with or without fractions.
            Value::String(_) => assert!(known.is_string(), "{path} is not known"),
            other => assert_eq!(other, known, "{path}"),
        }
    }

    fn pod() -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "default", "uid": "u", "generation": 3},
            "spec": {
                "nodeName": "hollow-node-0",
                "containers": [{"name": "c", "image": "i"}],
                "initContainers": [
                    {"name": "init", "image": "i"},
                    {"name": "sidecar", "image": "i", "restartPolicy": "Always"},
                ],
            },
        }))
        .expect("a pod")
    }

    #[test]
    fn statuses_are_of_the_api() {
        let (host, address) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 128, 0, 2));
        let running = running(&pod(), host, address, &now_seconds());
        assert_known::<v1::PodStatus>(&running["status"]);
        let init = &running["status"]["initContainerStatuses"];
        assert_eq!(init[0]["state"]["terminated"]["exitCode"], 0);
        assert!(init[1]["state"]["running"].is_object());
        let succeeded = succeeded(&pod(), &now_seconds());
        assert_known::<v1::PodStatus>(&succeeded["status"]);
        assert_eq!(succeeded["metadata"]["uid"], "u");
    }

    #[test]
    fn nodes_are_of_the_api() {
        let node = HollowNode::new("hollow-node-", 7);
        assert_known::<v1::Node>(&node.object());
        assert_known::<v1::NodeStatus>(&node.status());
        let lease = node.lease(&now_micros());
        assert_known::<k8s_openapi::api::coordination::v1::Lease>(&lease);
    }
}
