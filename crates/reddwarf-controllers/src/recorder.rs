//! Events about what controllers find.

use bytes::Bytes;
use reddwarf_core::api::ApiClient;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Events that may wait to be written; more are dropped.
const EVENTS_MAX: usize = 1_024;
/// What was said lately and is not said again.
const SAID_MAX: usize = 4_096;
/// Longest name of an object.
const NAME_BYTES_MAX: usize = 253;

/// The object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Involved {
    /// `apiVersion`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// `Normal` or `Warning`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// For information.
    Normal,
    /// Something is wrong.
    Warning,
}

/// An event before it is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Said {
    /// About what.
    pub involved: Involved,
    /// How bad.
    pub severity: Severity,
    /// In one word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Writes events in the background; dropping it ends that.
pub struct Recorder {
    sender: mpsc::Sender<Said>,
    said: HashSet<Said>,
    _writer: AbortOnDropHandle<()>,
}

impl Recorder {
    /// Starts the writer; `component` is whom the events name as their source.
    pub fn start(client: Arc<dyn ApiClient>, component: &'static str) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Said>(EVENTS_MAX);
        let writer = tokio::spawn(async move {
            while let Some(said) = waiting.recv().await {
                write(client.as_ref(), component, &said).await;
            }
        });
        Recorder { sender, said: HashSet::new(), _writer: AbortOnDropHandle::new(writer) }
    }

    /// Says something, once.
    pub fn say(&mut self, said: Said) {
        if self.said.contains(&said) {
            return;
        }
        if self.said.len() >= SAID_MAX {
            self.said.clear();
        }
        self.said.insert(said.clone());
        if self.sender.try_send(said).is_err() {
            tracing::debug!("an event was dropped: too many wait");
        }
    }
}

async fn write(client: &dyn ApiClient, component: &str, said: &Said) {
    let now = jiff::Timestamp::now();
    let event = event(component, said, now);
    let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let body = Bytes::from(event.to_string());
    if let Err(status) = client.request("POST", &path, Some("application/json"), Some(body)).await {
        tracing::debug!(%status, reason = said.reason, "an event was not written");
    }
}

fn event(component: &str, said: &Said, now: jiff::Timestamp) -> Value {
    let involved = &said.involved;
    let stamp = format!(".{:x}", now.as_nanosecond());
    let mut name = involved.name.clone();
    while name.len() + stamp.len() > NAME_BYTES_MAX {
        name.pop();
    }
    let namespace = if involved.namespace.is_empty() { "default" } else { &involved.namespace };
    let seconds = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut about = json!({
        "kind": involved.kind, "apiVersion": involved.api_version,
        "name": involved.name, "uid": involved.uid,
    });
    if !involved.namespace.is_empty() {
        about["namespace"] = involved.namespace.as_str().into();
    }
    json!({
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": name + &stamp, "namespace": namespace},
        "involvedObject": about,
        "reason": said.reason,
        "message": said.message,
        "type": match said.severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": seconds,
        "lastTimestamp": seconds,
        "count": 1,
    })
}
