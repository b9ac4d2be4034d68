//! Pods.

use super::cell::{number, or};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use crate::table::duration;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

/// Pods.
pub const POD: &[Column] = &[
    NAME,
    worded("Ready", "The aggregate readiness state of this pod for accepting traffic.", |o, _| {
        let summary = Summary::of(o);
        format!("{}/{}", summary.ready, summary.total).into()
    }),
    worded("Status", "The aggregate status of the containers in this pod.", |o, _| {
        Summary::of(o).reason.into()
    }),
    worded(
        "Restarts",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        restarts,
    ),
    AGE,
    column("IP", field::<core::PodStatus>("podIP"), |o, _| match text(o, "status.podIP") {
        "" => list(o, "status.podIPs").first().map_or("<none>", |ip| text(ip, "ip")).into(),
        ip => ip.into(),
    })
    .wide(),
    column("Node", field::<core::PodSpec>("nodeName"), |o, _| or(o, "spec.nodeName", "<none>"))
        .wide(),
    column("Nominated Node", field::<core::PodStatus>("nominatedNodeName"), |o, _| {
        or(o, "status.nominatedNodeName", "<none>")
    })
    .wide(),
    column("Readiness Gates", field::<core::PodSpec>("readinessGates"), readiness_gates).wide(),
];

fn restarts(pod: &Value, context: &RowContext) -> Value {
    let summary = Summary::of(pod);
    match summary.restarted_at {
        Some(time) if summary.restarts != 0 => {
            let ago = duration::human(context.now_ms - time);
            format!("{} ({ago} ago)", summary.restarts).into()
        }
        _ => summary.restarts.to_string().into(),
    }
}

fn readiness_gates(pod: &Value, _: &RowContext) -> Value {
    let gates = list(pod, "spec.readinessGates");
    if gates.is_empty() {
        return "<none>".into();
    }
    let open = gates.iter().filter(|g| super::cell::holds(pod, text(g, "conditionType"))).count();
    format!("{open}/{}", gates.len()).into()
}

/// What the containers' states say of a pod.
#[derive(Default)]
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    /// When a container last ended before it was restarted, in milliseconds.
    restarted_at: Option<i64>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let sidecars = list(pod, "spec.initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Summary {
            total: list(pod, "spec.containers").len() + sidecars,
            reason: first_reason(pod),
            ..Summary::default()
        };
        let (initializing, of_sidecars) = summary.add_init_containers(pod);
        if !initializing || super::cell::holds(pod, "Initialized") {
            (summary.restarts, summary.restarted_at) = of_sidecars;
            summary.add_containers(pod);
        }
        if super::cell::is_deleted(pod) {
            let ended = matches!(text(pod, "status.phase"), "Succeeded" | "Failed");
            if text(pod, "status.reason") == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if !ended {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    /// Whether the pod still initializes, and the restarts of its sidecars alone.
    fn add_init_containers(&mut self, pod: &Value) -> (bool, (i64, Option<i64>)) {
        let specs = list(pod, "spec.initContainers");
        let mut of_sidecars = (0, None);
        for (n, status) in list(pod, "status.initContainerStatuses").iter().enumerate() {
            let spec = specs.iter().find(|s| s["name"] == status["name"]);
            let sidecar = spec.is_some_and(is_sidecar);
            self.add_restarts(status);
            if sidecar {
                of_sidecars.0 += number(status, "restartCount");
                of_sidecars.1 = of_sidecars.1.max(ended_at(status));
            }
            let terminated = at(status, "state.terminated");
            let waiting = text(status, "state.waiting.reason");
            match terminated {
                Some(end) if number(end, "exitCode") == 0 => continue,
                _ if sidecar && status["started"] == true => {
                    self.ready += usize::from(status["ready"] == true);
                    continue;
                }
                Some(end) => self.reason = format!("Init:{}", end_reason(end)),
                None if !matches!(waiting, "" | "PodInitializing") => {
                    self.reason = format!("Init:{waiting}");
                }
                None => self.reason = format!("Init:{n}/{}", specs.len()),
            }
            return (true, of_sidecars);
        }
        (false, of_sidecars)
    }

    fn add_containers(&mut self, pod: &Value) {
        let mut running = false;
        for status in list(pod, "status.containerStatuses").iter().rev() {
            self.add_restarts(status);
            let waiting = text(status, "state.waiting.reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if let Some(end) = at(status, "state.terminated") {
                self.reason = end_reason(end);
            } else if status["ready"] == true && at(status, "state.running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason == "Completed" && running {
            let ready = super::cell::holds(pod, "Ready");
            let reason = if ready { "Running" } else { "NotReady" };
            reason.clone_into(&mut self.reason);
        }
    }

    fn add_restarts(&mut self, status: &Value) {
        self.restarts += number(status, "restartCount");
        self.restarted_at = self.restarted_at.max(ended_at(status));
    }
}

/// The reason before any container is looked at.
fn first_reason(pod: &Value) -> String {
    let gated = super::cell::condition(pod, "PodScheduled");
    if gated.is_some_and(|c| c["reason"] == "SchedulingGated") {
        return "SchedulingGated".to_owned();
    }
    match text(pod, "status.reason") {
        "" => text(pod, "status.phase").to_owned(),
        reason => reason.to_owned(),
    }
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn ended_at(status: &Value) -> Option<i64> {
    duration::milliseconds(text(status, "lastState.terminated.finishedAt"))
}

/// Why a container ended.
fn end_reason(terminated: &Value) -> String {
    match (text(terminated, "reason"), number(terminated, "signal")) {
        ("", 0) => format!("ExitCode:{}", number(terminated, "exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(pod: Value) -> String {
        Summary::of(&pod).reason
    }

    #[test]
    fn the_state_of_containers_is_the_status() {
        let running = json!({"name": "a", "ready": true, "state": {"running": {}}});
        let done = json!({"name": "b", "state": {"terminated": {"reason": "Completed"}}});
        let of = |statuses: Value, conditions: Value| {
            status(
                json!({"status": {"phase": "Running", "containerStatuses": statuses, "conditions": conditions}}),
            )
        };
        assert_eq!(of(json!([running]), json!([])), "Running");
        assert_eq!(of(json!([running, done]), json!([])), "NotReady");
        let ready = json!([{"type": "Ready", "status": "True"}]);
        assert_eq!(of(json!([running, done]), ready), "Running");
        let killed = json!([{"state": {"terminated": {"signal": 9, "exitCode": 137}}}]);
        assert_eq!(of(killed, json!([])), "Signal:9");
    }

    #[test]
    fn initialization_hides_the_containers() {
        let pod = json!({
            "spec": {"initContainers": [{"name": "a"}, {"name": "b"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                {"name": "b", "state": {"running": {}}},
            ]},
        });
        assert_eq!(status(pod), "Init:1/2");
    }

    #[test]
    fn a_deleted_pod_terminates() {
        let mut pod =
            json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}});
        assert_eq!(status(pod.clone()), "Terminating");
        pod["status"]["phase"] = json!("Succeeded");
        assert_eq!(status(pod), "Succeeded");
    }
}
