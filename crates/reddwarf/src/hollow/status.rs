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
