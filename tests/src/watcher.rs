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

/// How open watches ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The server ended them, after a whole event.
    pub whole: usize,
    /// The connection broke, or an event was cut short.
    pub broken: usize,
}

/// A running watcher.
pub struct Watcher {
    seen: Arc<Mutex<Vec<Seen>>>,
    ends: Arc<Mutex<Ends>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watcher {
    /// Watches `path`, which may have a query, from `version` on, at first on member `i`.
    pub fn start(cluster: Arc<Cluster>, i: u16, path: &str, version: u64) -> Watcher {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let ends = Arc::new(Mutex::new(Ends::default()));
        let into = (seen.clone(), ends.clone());
        let task = tokio::spawn(run(cluster, i, path.to_owned(), version, into));
        Watcher { seen, ends, task }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// How its watches ended so far.
    pub fn ends(&self) -> Ends {
        *self.ends.lock()
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
    (seen, ends): (Arc<Mutex<Vec<Seen>>>, Arc<Mutex<Ends>>),
) {
    loop {
        let version = seen.lock().last().map_or(from, |seen: &Seen| seen.version);
        let join = if path.contains('?') { '&' } else { '?' };
        let url = format!("{path}{join}watch=true&resourceVersion={version}");
        // Whatever ends it, the watch is resumed elsewhere from where it was.
        follow(&cluster, i, &url, &seen, &ends).await;
        i = i % cluster.group.plan.nodes + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads one watch until it ends, stays idle or fails.
async fn follow(cluster: &Cluster, i: u16, url: &str, seen: &Mutex<Vec<Seen>>, ends: &Mutex<Ends>) {
    let Ok(mut connection) = cluster.connect(i).await else { return };
    let opened = connection.start(Method::GET, url, None, Bytes::new());
    let Ok(Ok(response)) = tokio::time::timeout(IDLE, opened).await else { return };
    if !response.status().is_success() {
        return;
    }
    let mut body = response.into_body();
    let mut buffer = BytesMut::new();
    while let Ok(next) = tokio::time::timeout(IDLE, body.frame()).await {
        let Some(Ok(frame)) = next else {
            let whole = next.is_none() && buffer.is_empty();
            let mut ends = ends.lock();
            *if whole { &mut ends.whole } else { &mut ends.broken } += 1;
            return;
        };
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
