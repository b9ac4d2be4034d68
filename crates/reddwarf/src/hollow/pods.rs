//! Follows the pods of all simulated nodes with one watch, and does each one's next step.

use super::api::{Api, STRATEGIC};
use super::node::HollowNode;
use super::pod::{Pod, Step, next_step};
use super::status::{now_seconds, running, succeeded};
use crate::client::ClientError;
use http::Method;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Steps under way at once.
const STEPS_MAX: usize = 64;
/// Wait before listing again after a failure.
const RELIST_AFTER: Duration = Duration::from_millis(500);
/// Pods that are bound to any node.
const BOUND: &str = "/api/v1/pods?fieldSelector=spec.nodeName%21%3D";
const PAGE_ITEMS: usize = 500;

/// Follows for ever.
pub async fn follow(api: Arc<Api>, prefix: String, nodes: Arc<[HollowNode]>) {
    let pods = Pods {
        api: api.clone(),
        prefix,
        nodes,
        known: Arc::default(),
        steps: Arc::new(Semaphore::new(STEPS_MAX)),
    };
    let mut version = None;
    loop {
        let from = match version.take() {
            Some(version) => Ok(version),
            None => pods.list().await,
        };
        match from {
            Ok(from) => version = pods.watch(from).await,
            Err(error) => tracing::warn!(%error, "cannot list pods"),
        }
        if version.is_none() {
            tokio::time::sleep(RELIST_AFTER).await;
        }
    }
}

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(default)]
    r#continue: String,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: Box<str>,
    object: Pod,
}

/// What is known of a pod between its events.
#[derive(Default)]
struct Known {
    /// The step that was begun for it.
    begun: Option<Step>,
    address: Option<Ipv4Addr>,
    node_at: usize,
}

struct Pods {
    api: Arc<Api>,
    prefix: String,
    nodes: Arc<[HollowNode]>,
    /// By uid.
    known: Arc<Mutex<HashMap<Box<str>, Known>>>,
    steps: Arc<Semaphore>,
}

impl Pods {
    /// Takes in all pods; the version from which to watch.
    async fn list(&self) -> Result<String, ClientError> {
        // Steps that failed are begun anew.
        self.known.lock().values_mut().for_each(|known| known.begun = None);
        let mut path = format!("{BOUND}&limit={PAGE_ITEMS}");
        let mut listed = HashSet::new();
        loop {
            let answer = self.api.get(&path).await?;
            let page: List =
                serde_json::from_slice(&answer.body).map_err(|_| ClientError::Refused {
                    url: path.clone(),
                    code: answer.status.as_u16(),
                    message: String::from_utf8_lossy(&answer.body).into_owned(),
                })?;
            for pod in page.items {
                listed.insert(pod.metadata.uid.clone());
                self.see(pod).await;
            }
            if page.metadata.r#continue.is_empty() {
                let known = self.known.lock().keys().cloned().collect::<Vec<_>>();
                known.iter().filter(|uid| !listed.contains(*uid)).for_each(|uid| self.forget(uid));
                return Ok(page.metadata.resource_version);
            }
            // A token is base64.
            let token = page.metadata.r#continue;
            let token = token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
            path = format!("{BOUND}&limit={PAGE_ITEMS}&continue={token}");
        }
    }

    /// Watches until the watch ends; the version from which to go on, on another member if this
    /// one failed, or `None` to list again.
    async fn watch(&self, mut version: String) -> Option<String> {
        let path = format!("{BOUND}&watch=true&allowWatchBookmarks=true&resourceVersion={version}");
        let mut lines = match self.api.watch(&path).await {
            Ok(lines) => lines,
            Err(error) => {
                tracing::info!(%error, "watch not opened");
                self.api.watch_elsewhere();
                return None;
            }
        };
        while let Some(line) = lines.next().await {
            // Also what is no pod: the `Status` of a watch that cannot go on.
            let frame: Frame = serde_json::from_slice(&line).ok()?;
            if frame.kind.as_ref() == "ERROR" {
                return None;
            }
            version = frame.object.metadata.resource_version.to_string();
            match frame.kind.as_ref() {
                "ADDED" | "MODIFIED" => self.see(frame.object).await,
                "DELETED" => self.forget(&frame.object.metadata.uid),
                _ => {}
            }
        }
        self.api.watch_elsewhere();
        Some(version)
    }

    fn node_at(&self, pod: &Pod) -> Option<usize> {
        let at: usize = pod.spec.node_name.strip_prefix(self.prefix.as_str())?.parse().ok()?;
        let node = self.nodes.get(at)?;
        (*node.name == *pod.spec.node_name).then_some(at)
    }

    fn forget(&self, uid: &str) {
        let Some(known) = self.known.lock().remove(uid) else { return };
        if let Some(address) = known.address {
            self.nodes[known.node_at].free_address(address);
        }
    }

    /// Begins the next step, unless it was begun.
    async fn see(&self, pod: Pod) {
        let Some(node_at) = self.node_at(&pod) else { return };
        let step = next_step(&pod);
        {
            let mut known = self.known.lock();
            let known = known.entry(pod.metadata.uid.clone()).or_default();
            known.node_at = node_at;
            if let (None, Some(address)) = (known.address, pod.status.pod_ip) {
                self.nodes[node_at].claim_address(address);
                known.address = Some(address);
            }
            if step.is_none() || known.begun == step {
                return;
            }
            known.begun = step;
        }
        let Some(step) = step else { return };
        if let Step::Finish(after) = step {
            self.begin_finish(pod, node_at, after);
            return;
        }
        let Ok(permit) = self.steps.clone().acquire_owned().await else { return };
        let work = self.work(node_at);
        tokio::spawn(async move {
            work.perform(&pod, step).await;
            drop(permit);
        });
    }

    fn begin_finish(&self, pod: Pod, node_at: usize, after: Duration) {
        let (work, steps) = (self.work(node_at), self.steps.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _permit = steps.acquire_owned().await;
            work.perform(&pod, Step::Finish(after)).await;
        });
    }

    fn work(&self, node_at: usize) -> Work {
        Work {
            api: self.api.clone(),
            nodes: self.nodes.clone(),
            known: self.known.clone(),
            node_at,
        }
    }
}

/// What a step needs.
struct Work {
    api: Arc<Api>,
    nodes: Arc<[HollowNode]>,
    known: Arc<Mutex<HashMap<Box<str>, Known>>>,
    node_at: usize,
}

impl Work {
    async fn perform(&self, pod: &Pod, step: Step) {
        let path =
            format!("/api/v1/namespaces/{}/pods/{}", pod.metadata.namespace, pod.metadata.name);
        let status = format!("{path}/status");
        let answer = match step {
            Step::Start => {
                let node = &self.nodes[self.node_at];
                let address =
                    if pod.spec.host_network { node.address() } else { self.address(pod) };
                let body = running(pod, node.address(), address, &now_seconds());
                self.api.send(Method::PATCH, &status, STRATEGIC, &body).await
            }
            Step::Finish(_) => {
                let body = succeeded(pod, &now_seconds());
                self.api.send(Method::PATCH, &status, STRATEGIC, &body).await
            }
            Step::Remove => {
                let body = json!({
                    "apiVersion": "v1",
                    "kind": "DeleteOptions",
                    "gracePeriodSeconds": 0,
                    "preconditions": {"uid": pod.metadata.uid},
                });
                self.api.send(Method::DELETE, &path, "application/json", &body).await
            }
        };
        match answer {
            Ok(answer) if answer.status.is_success() => {}
            // Gone, or another pod of this name.
            Ok(answer) if matches!(answer.status.as_u16(), 404 | 409) => {}
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body);
                tracing::warn!(path, ?step, code = %answer.status, %text, "refused");
            }
            Err(error) => {
                tracing::warn!(path, ?step, %error, "no member answers");
                if let Some(known) = self.known.lock().get_mut(&pod.metadata.uid) {
                    known.begun = None;
                }
            }
        }
    }

    /// The pod's address, the same at each attempt.
    fn address(&self, pod: &Pod) -> Ipv4Addr {
        let mut known = self.known.lock();
        let known = known.entry(pod.metadata.uid.clone()).or_default();
        known.node_at = self.node_at;
        *known.address.get_or_insert_with(|| self.nodes[self.node_at].take_address())
    }
}
