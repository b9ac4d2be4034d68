//! Carries the plan out: follows pods and nodes, plans, binds.

use crate::cluster::Cluster;
use crate::events::Reporter;
use crate::metrics::{AttemptResult, Metrics};
use crate::object::{PodInfo, RawNode, RawPod};
use crate::plan::Planner;
use crate::queue::{Change, Queue};
use crate::source::{self, SourceError, Update};
use bytes::Bytes;
use futures::FutureExt;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde_json::json;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Bindings under way at once.
const BINDINGS_MAX: usize = 128;
/// Pods planned before updates are looked at again.
const PLANS_MAX: usize = 256;
/// Updates that may wait to be taken in; the watches then wait.
const UPDATES_MAX: usize = 1_024;
/// Wait before the whole state is listed again after a failure.
const RESTART_AFTER: Duration = Duration::from_millis(500);

/// Schedules until `cancel` fires: what the leader runs, with a client fenced by its term.
///
/// Returns only after the bindings under way have been answered. Failures to list are logged
/// and tried again.
pub async fn run(client: Arc<dyn ApiClient>, cancel: CancellationToken, metrics: Metrics) {
    while !cancel.is_cancelled() {
        match Session::start(&client, &cancel, &metrics).await {
            Ok(why) => tracing::info!(why, "scheduler lists the cluster anew"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                let source = error.source().map(ToString::to_string);
                tracing::warn!(%error, source, "scheduler cannot start");
            }
        }
        let _ = tokio::time::timeout(RESTART_AFTER, cancel.cancelled()).await;
    }
    metrics.show(Default::default(), 0);
}

/// A binding that was answered.
struct Bound {
    pod: Arc<PodInfo>,
    node: Arc<str>,
    popped: Instant,
    answer: Result<(), Box<Status>>,
}

/// The time from one list of everything to the next.
struct Session {
    client: Arc<dyn ApiClient>,
    cluster: Cluster,
    queue: Queue,
    planner: Planner,
    bindings: JoinSet<Bound>,
    busy: watch::Sender<usize>,
    reporter: Reporter,
    metrics: Metrics,
    begun: Instant,
}

impl Session {
    /// Lists, follows and schedules until changes may have been missed; says why.
    async fn start(
        client: &Arc<dyn ApiClient>,
        cancel: &CancellationToken,
        metrics: &Metrics,
    ) -> Result<String, SourceError> {
        let (busy, busy_seen) = watch::channel(0);
        let (reporter, _writers) = Reporter::start(client.clone(), busy_seen, metrics.clone());
        let mut session = Session {
            client: client.clone(),
            cluster: Cluster::default(),
            queue: Queue::default(),
            planner: Planner::default(),
            bindings: JoinSet::new(),
            busy,
            reporter,
            metrics: metrics.clone(),
            begun: Instant::now(),
        };
        let nodes = source::list::<RawNode>(client.as_ref(), |u| session.take(u)).await?;
        let pods = source::list::<RawPod>(client.as_ref(), |u| session.take(u)).await?;
        let (sender, updates) = mpsc::channel(UPDATES_MAX);
        let mut watches = JoinSet::new();
        watches.spawn(source::follow::<RawNode>(client.clone(), nodes, sender.clone()));
        watches.spawn(source::follow::<RawPod>(client.clone(), pods, sender));
        let why = session.schedule(updates, cancel).await;
        // The next list must see what these bindings did.
        while session.bindings.join_next().await.is_some() {}
        Ok(why)
    }

    async fn schedule(
        &mut self,
        mut updates: mpsc::Receiver<Update>,
        cancel: &CancellationToken,
    ) -> String {
        let mut batch = Vec::with_capacity(UPDATES_MAX);
        loop {
            let wake = self.queue.advance(self.now_ms());
            let more = self.plan_some();
            self.busy.send_replace(self.bindings.len());
            self.metrics.show(self.queue.depths(), self.bindings.len());
            let until_wake = wake.map_or(Duration::from_secs(3600), |at| {
                Duration::from_millis(at.saturating_sub(self.now_ms()))
            });
            tokio::select! {
                biased;
                () = cancel.cancelled() => return "stopping".into(),
                received = updates.recv_many(&mut batch, UPDATES_MAX) => {
                    if received == 0 {
                        return "the watches ended".into();
                    }
                    for update in batch.drain(..) {
                        if let Update::Lost(why) = update {
                            return why;
                        }
                        self.take(update);
                    }
                    self.take_answers();
                }
                Some(bound) = self.bindings.join_next() => {
                    self.take_answer(bound);
                    self.take_answers();
                }
                () = tokio::task::yield_now(), if more => {}
                () = tokio::time::sleep(until_wake), if !more => {}
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes in what the API shows.
    fn take(&mut self, update: Update) {
        let now_ms = self.now_ms();
        match update {
            Update::Pod(pod) => match &pod.node_name {
                Some(node) => {
                    self.queue.remove(&pod.uid);
                    self.cluster.set_pod(&pod.uid, node, &pod.demand);
                }
                None if pod.is_pending() => self.queue.set(*pod),
                None => {
                    self.queue.remove(&pod.uid);
                }
            },
            Update::PodGone(uid) => {
                self.queue.remove(&uid);
                if self.cluster.remove_pod(&uid) {
                    self.queue.changed(Change::PodLeft, now_ms);
                }
            }
            Update::Node(node) => {
                if self.cluster.set_node(*node) {
                    self.queue.changed(Change::Node, now_ms);
                }
            }
            Update::NodeGone(name) => self.cluster.remove_node(&name),
            Update::Lost(_) => {}
        }
    }

    /// Plans until the bindings are as many as may be; whether pods are left to be planned.
    fn plan_some(&mut self) -> bool {
        for _ in 0..PLANS_MAX {
            if self.bindings.len() >= BINDINGS_MAX {
                return false;
            }
            let Some(pod) = self.queue.pop() else { return false };
            match self.planner.choose(&self.cluster, &pod) {
                Ok(node_at) => {
                    let node = self.cluster.nodes()[node_at].info.name.clone();
                    self.cluster.assume(&pod, node_at);
                    self.bindings.spawn(bind(self.client.clone(), pod, node));
                }
                Err(diagnosis) => {
                    self.metrics.attempt(AttemptResult::unschedulable);
                    let now_ms = self.now_ms();
                    self.queue.unschedulable(&pod.uid, diagnosis.plugins(), now_ms);
                    self.reporter.unschedulable(pod, diagnosis.message());
                }
            }
        }
        self.queue.has_active()
    }

    fn take_answers(&mut self) {
        while let Some(bound) = self.bindings.try_join_next() {
            self.take_answer(bound);
        }
    }

    fn take_answer(&mut self, bound: Result<Bound, tokio::task::JoinError>) {
        let Ok(Bound { pod, node, popped, answer }) = bound else { return };
        match answer {
            Ok(()) => {
                self.metrics.bound(popped.elapsed().as_secs_f64());
                self.reporter.scheduled(pod, node);
            }
            Err(status) => {
                tracing::info!(pod = pod.full_name(), %node, %status, "binding failed");
                self.metrics.attempt(AttemptResult::error);
                let now_ms = self.now_ms();
                if self.cluster.forget(&pod.uid) {
                    self.queue.failed(&pod.uid, now_ms);
                    self.queue.changed(Change::PodLeft, now_ms);
                }
            }
        }
    }
}

async fn bind(client: Arc<dyn ApiClient>, pod: Arc<PodInfo>, node: Arc<str>) -> Bound {
    let popped = Instant::now();
    let path = format!("/api/v1/namespaces/{}/pods/{}/binding", pod.namespace, pod.name);
    let body = json!({
        "kind": "Binding",
        "apiVersion": "v1",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": *pod.uid},
        "target": {"kind": "Node", "apiVersion": "v1", "name": *node},
    });
    let body = Bytes::from(body.to_string());
    // A pod whose binding has no answer would keep its place for ever.
    let request =
        AssertUnwindSafe(client.request("POST", &path, Some("application/json"), Some(body)));
    let answer = request.catch_unwind().await.unwrap_or_else(|_| {
        Err(Box::new(Status::failure(Reason::InternalError, "the request panicked")))
    });
    Bound { pod, node, popped, answer: answer.map(drop) }
}
