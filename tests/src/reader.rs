//! A reader that goes round the members: versions never go back, and states never differ.

use crate::cluster::{Cluster, PATIENCE};
use crate::writers::PATH;
use http::Method;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Pause between reads; the writers are to have the time.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one read may take before the next member is asked.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A running reader.
pub struct Reader {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Log>,
}

/// What the reader knows.
#[derive(Default)]
struct Log {
    /// The newest version of a list.
    version: u64,
    /// State roots by applied index.
    roots: HashMap<u64, String>,
    reads: u64,
}

impl Reader {
    /// Starts to read lists and status of one member after the other.
    pub fn start(cluster: Arc<Cluster>) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(run(cluster, stop.clone()));
        Reader { stop, task }
    }

    /// Waits until all members have the same state, then ends; gives the number of reads.
    ///
    /// # Panics
    /// When a version went back or states differed, then or at any time before.
    pub async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let log = self.task.await.expect("the reader saw nothing wrong");
        assert!(log.version > 0 && !log.roots.is_empty(), "the reader read nothing");
        log.reads
    }
}

async fn run(cluster: Arc<Cluster>, stop: Arc<AtomicBool>) -> Log {
    let mut log = Log::default();
    let list = format!("{PATH}?limit=1");
    let mut i = 1;
    let mut deadline = None;
    loop {
        if let Some(list) = read(&cluster, i, &list).await {
            log.list(i, &list);
        }
        let equal = match read(&cluster, i, "/reddwarf/status").await {
            Some(status) => log.status(&status),
            None => false,
        };
        if stop.load(Ordering::Relaxed) {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            if equal {
                return log;
            }
            assert!(Instant::now() < deadline, "the members do not reach the same state");
        }
        i = i % cluster.group.plan.nodes + 1;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(cluster: &Cluster, i: u16, path: &str) -> Option<Value> {
    let asked = cluster.ask(i, Method::GET, path, None);
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked).await.ok()?.ok()?;
    let read = answer.status.is_success().then(|| serde_json::from_slice(&answer.body));
    read.map(|parsed| parsed.expect("JSON"))
}

impl Log {
    fn list(&mut self, i: u16, list: &Value) {
        let version = list["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok());
        let version: u64 = version.expect("a version");
        let newest = self.version;
        assert!(version >= newest, "node-{i} answered with {version}, {newest} was read before");
        self.version = version;
        self.reads += 1;
    }

    /// Notes the members' roots; whether all are there, at the same entry.
    fn status(&mut self, status: &Value) -> bool {
        let members = status["members"].as_array().expect("members");
        let mut indexes = Vec::new();
        for member in members {
            let index = member["appliedIndex"].as_u64().expect("an index");
            let root = member["stateRoot"].as_str().expect("a root");
            if member["role"] == "unreachable" || root.is_empty() {
                continue;
            }
            let known = self.roots.entry(index).or_insert_with(|| root.to_owned());
            assert_eq!(known, root, "{} differs at entry {index}", member["name"]);
            indexes.push(index);
        }
        self.reads += 1;
        indexes.len() == members.len() && indexes.windows(2).all(|pair| pair[0] == pair[1])
    }
}
