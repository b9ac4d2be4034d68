//! What the scheduler tells about its decisions: conditions and events.
//!
//! Both are written beside the bindings, through bounded queues. Events of success wait while
//! bindings are under way, for a moment at most: whoever waits for a pod waits for its binding.

use crate::SCHEDULER_NAME;
use crate::metrics::Metrics;
use crate::object::PodInfo;
use bytes::Bytes;
use reddwarf_core::api::ApiClient;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};

/// Reports that may wait; more are dropped and counted.
const REPORTS_MAX: usize = 16_384;
/// Reports written at once.
const WRITES_MAX: usize = 8;
/// Longest time that an event makes way for bindings.
const YIELD_MAX: Duration = Duration::from_secs(2);
/// Longest name of an object.
const NAME_BYTES_MAX: usize = 253;

enum Report {
    Unschedulable { pod: Arc<PodInfo>, message: String },
    Scheduled { pod: Arc<PodInfo>, node: Arc<str>, since: Instant },
}

/// Takes reports; dropping it ends the writing.
pub struct Reporter {
    prompt: mpsc::Sender<Report>,
    later: mpsc::Sender<Report>,
    metrics: Metrics,
}

impl Reporter {
    /// Starts the writers. `busy` holds the number of bindings under way.
    pub fn start(
        client: Arc<dyn ApiClient>,
        busy: watch::Receiver<usize>,
        metrics: Metrics,
    ) -> (Reporter, [tokio::task::JoinHandle<()>; 2]) {
        let (prompt, prompt_reports) = mpsc::channel(REPORTS_MAX);
        let (later, later_reports) = mpsc::channel(REPORTS_MAX);
        let tasks = [
            tokio::spawn(write_all(client.clone(), prompt_reports, None)),
            tokio::spawn(write_all(client, later_reports, Some(busy))),
        ];
        (Reporter { prompt, later, metrics }, tasks)
    }

    /// The pod fits nowhere. Says so once: not again while the message stays the same.
    pub fn unschedulable(&self, pod: Arc<PodInfo>, message: String) {
        let said = pod.condition.as_ref().is_some_and(|condition| {
            condition.status.as_ref() == "False"
                && condition.reason.as_ref() == "Unschedulable"
                && *condition.message == *message
        });
        if !said {
            self.send(&self.prompt, Report::Unschedulable { pod, message });
        }
    }

    /// The pod is bound.
    pub fn scheduled(&self, pod: Arc<PodInfo>, node: Arc<str>) {
        self.send(&self.later, Report::Scheduled { pod, node, since: Instant::now() });
    }

    fn send(&self, to: &mpsc::Sender<Report>, report: Report) {
        if to.try_send(report).is_err() {
            self.metrics.report_dropped();
        }
    }
}

async fn write_all(
    client: Arc<dyn ApiClient>,
    mut reports: mpsc::Receiver<Report>,
    mut busy: Option<watch::Receiver<usize>>,
) {
    let writes = Arc::new(Semaphore::new(WRITES_MAX));
    while let Some(report) = reports.recv().await {
        if let (Some(busy), Report::Scheduled { since, .. }) = (&mut busy, &report) {
            let left = YIELD_MAX.saturating_sub(since.elapsed());
            let _ = tokio::time::timeout(left, busy.wait_for(|bindings| *bindings == 0)).await;
        }
        let Ok(permit) = writes.clone().acquire_owned().await else { return };
        let client = client.clone();
        tokio::spawn(async move {
            write(client.as_ref(), report).await;
            drop(permit);
        });
    }
}

async fn write(client: &dyn ApiClient, report: Report) {
    match report {
        Report::Scheduled { pod, node, .. } => {
            let message = format!("Successfully assigned {} to {node}", pod.full_name());
            record(client, &pod, "Normal", "Scheduled", "Binding", &message).await;
        }
        Report::Unschedulable { pod, message } => {
            record(client, &pod, "Warning", "FailedScheduling", "Scheduling", &message).await;
            let path = format!("/api/v1/namespaces/{}/pods/{}/status", pod.namespace, pod.name);
            let body = Bytes::from(condition_patch(&pod, &message).to_string());
            let kind = Some("application/strategic-merge-patch+json");
            if let Err(status) = client.request("PATCH", &path, kind, Some(body)).await {
                tracing::debug!(pod = pod.full_name(), %status, "condition not written");
            }
        }
    }
}

fn condition_patch(pod: &PodInfo, message: &str) -> Value {
    let before = pod.condition.as_ref().filter(|condition| condition.status.as_ref() == "False");
    let since = before.and_then(|condition| condition.last_transition_time.as_deref());
    let now = seconds_now();
    let mut condition = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastProbeTime": null,
        "lastTransitionTime": since.unwrap_or(&now),
    });
    if pod.generation > 0 {
        condition["observedGeneration"] = pod.generation.into();
    }
    // The uid keeps the patch from a pod of the same name that came later.
    json!({"metadata": {"uid": *pod.uid}, "status": {"conditions": [condition]}})
}

async fn record(
    client: &dyn ApiClient,
    pod: &PodInfo,
    kind: &str,
    reason: &str,
    action: &str,
    message: &str,
) {
    let now = jiff::Timestamp::now();
    let stamp = format!(".{:x}", now.as_nanosecond());
    let mut name = pod.name.to_string();
    name.truncate(NAME_BYTES_MAX - stamp.len());
    let event = json!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name + &stamp, "namespace": pod.namespace},
        "involvedObject": {
            "kind": "Pod",
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": *pod.uid,
            "apiVersion": "v1",
        },
        "reason": reason,
        "message": message,
        "type": kind,
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
        "action": action,
        "reportingComponent": SCHEDULER_NAME,
        "reportingInstance": SCHEDULER_NAME,
    });
    let path = format!("/api/v1/namespaces/{}/events", pod.namespace);
    let body = Bytes::from(event.to_string());
    if let Err(status) = client.request("POST", &path, Some("application/json"), Some(body)).await {
        tracing::debug!(pod = pod.full_name(), reason, %status, "event not written");
    }
}

fn seconds_now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
