//! Events about what controllers find.

use bytes::Bytes;
use jiff::Timestamp;
use reddwarf_core::api::ApiClient;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Events that may wait to be written; more are dropped.
const EVENTS_MAX: usize = 1_024;
/// What was said lately and is not said again.
const SAID_MAX: usize = 4_096;
/// The same event is written again at most so often; what happens meanwhile is counted.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
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

/// An event that was written, and may be again.
struct Told {
    count: u64,
    written_at: Instant,
    first: Timestamp,
}

/// What the writer is to do.
struct Job {
    said: Said,
    first: Timestamp,
    last: Timestamp,
    count: u64,
}

/// Writes events in the background; dropping it ends that.
pub struct Recorder {
    sender: mpsc::Sender<Job>,
    said: HashSet<Said>,
    told: HashMap<Said, Told>,
    _writer: AbortOnDropHandle<()>,
}

impl Recorder {
    /// Starts the writer; `component` is whom the events name as their source.
    pub fn start(client: Arc<dyn ApiClient>, component: &'static str) -> Self {
        let (sender, mut waiting) = mpsc::channel::<Job>(EVENTS_MAX);
        let writer = tokio::spawn(async move {
            while let Some(job) = waiting.recv().await {
                write(client.as_ref(), component, &job).await;
            }
        });
        let (said, told) = Default::default();
        Recorder { sender, said, told, _writer: AbortOnDropHandle::new(writer) }
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
        let now = Timestamp::now();
        self.send(Job { said, first: now, last: now, count: 1 });
    }

    /// Says something that may happen again: the event that says it is then counted up, as
    /// client-go's recorder does.
    pub fn say_again(&mut self, said: Said) {
        if self.told.len() >= SAID_MAX {
            self.told.clear();
        }
        let (at, last) = (Instant::now(), Timestamp::now());
        let job = match self.told.get_mut(&said) {
            None => {
                let told = Told { count: 1, written_at: at, first: last };
                self.told.insert(said.clone(), told);
                Job { said, first: last, last, count: 1 }
            }
            Some(told) => {
                told.count += 1;
                if at - told.written_at < AGAIN_AFTER {
                    return;
                }
                told.written_at = at;
                Job { said, first: told.first, last, count: told.count }
            }
        };
        self.send(job);
    }

    fn send(&self, job: Job) {
        if self.sender.try_send(job).is_err() {
            tracing::debug!("an event was dropped: too many wait");
        }
    }
}

async fn write(client: &dyn ApiClient, component: &str, job: &Job) {
    let said = &job.said;
    if job.count > 1 && counted_up(client, job).await {
        return;
    }
    let event = event(component, job);
    let namespace = event["metadata"]["namespace"].as_str().unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let body = Bytes::from(event.to_string());
    if let Err(status) = client.request("POST", &path, Some("application/json"), Some(body)).await {
        tracing::debug!(%status, reason = said.reason, "an event was not written");
    }
}

/// Counts the event up that was written first; `false` when it is not there any more.
async fn counted_up(client: &dyn ApiClient, job: &Job) -> bool {
    let namespace = namespace(&job.said.involved);
    let name = name(&job.said.involved, job.first);
    let path = format!("/api/v1/namespaces/{namespace}/events/{name}");
    let patch = json!({"count": job.count, "lastTimestamp": seconds(job.last)});
    let kind = Some("application/merge-patch+json");
    client.request("PATCH", &path, kind, Some(Bytes::from(patch.to_string()))).await.is_ok()
}

fn namespace(involved: &Involved) -> &str {
    if involved.namespace.is_empty() { "default" } else { &involved.namespace }
}

fn name(involved: &Involved, first: Timestamp) -> String {
    let stamp = format!(".{:x}", first.as_nanosecond());
    let mut name = involved.name.clone();
    while name.len() + stamp.len() > NAME_BYTES_MAX {
        name.pop();
    }
    name + &stamp
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn event(component: &str, job: &Job) -> Value {
    let said = &job.said;
    let involved = &said.involved;
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
        "metadata": {"name": name(involved, job.first), "namespace": namespace(involved)},
        "involvedObject": about,
        "reason": said.reason,
        "message": said.message,
        "type": match said.severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": seconds(job.first),
        "lastTimestamp": seconds(job.last),
        "count": job.count,
    })
}
