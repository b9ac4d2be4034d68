//! A watcher that goes on at another member when its own fails, and remembers what it saw.

use crate::cluster::Cluster;
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long an idle watch is believed in before another member is asked.
const IDLE: Duration = Duration::from_secs(2);

/// What a watcher saw, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub event: String,
    /// Name of the object.
    pub name: String,
    /// Its `resourceVersion`.
    pub version: u64,
    /// Its `data.n`, where it has one.
    pub n: Option<u64>,
}

/// A running watcher.
pub struct Watcher {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Watches `path`, which may have a query, from `version` on, at first on member `i`.
    pub fn start(cluster: Arc<Cluster>, i: u16, path: &str, version: u64) -> Watcher {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(run(cluster, i, path.to_owned(), version, seen.clone()));
        Watcher { seen, task }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// The newest version seen.
    pub fn newest(&self) -> u64 {
        self.seen.lock().last().map_or(0, |seen| seen.version)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    cluster: Arc<Cluster>,
    mut i: u16,
    path: String,
    from: u64,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    loop {
        let version = seen.lock().last().map_or(from, |seen: &Seen| seen.version);
        let join = if path.contains('?') { '&' } else { '?' };
        let url = format!("{path}{join}watch=true&resourceVersion={version}");
        // Whatever ends it, the watch is resumed elsewhere from where it was.
        follow(&cluster, i, &url, &seen).await;
        i = i % cluster.group.plan.nodes + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads one watch until it ends, stays idle or fails.
async fn follow(cluster: &Cluster, i: u16, url: &str, seen: &Mutex<Vec<Seen>>) {
    let Ok(mut connection) = cluster.connect(i).await else { return };
    let opened = connection.start(Method::GET, url, None, Bytes::new());
    let Ok(Ok(response)) = tokio::time::timeout(IDLE, opened).await else { return };
    if !response.status().is_success() {
        return;
    }
    let mut body = response.into_body();
    let mut buffer = BytesMut::new();
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(IDLE, body.frame()).await {
        let Some(data) = frame.data_ref() else { continue };
        buffer.extend_from_slice(data);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            match serde_json::from_slice::<Value>(&line).ok().as_ref().and_then(event) {
                Some(event) => seen.lock().push(event),
                None => return,
            }
        }
    }
}

fn event(frame: &Value) -> Option<Seen> {
    let object = &frame["object"];
    let event = frame["type"].as_str().filter(|event| *event != "ERROR")?;
    Some(Seen {
        event: event.to_owned(),
        name: object["metadata"]["name"].as_str()?.to_owned(),
        version: object["metadata"]["resourceVersion"].as_str()?.parse().ok()?,
        n: object["data"]["n"].as_str().and_then(|n| n.parse().ok()),
    })
}
