//! A group under writes, watches and reads, to which faults are done.

use crate::cluster::{Cluster, eventually};
use crate::reader::Reader;
use crate::watcher::Watcher;
use crate::writers::{PATH, Writers, check_list, check_seen};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long is written between faults.
pub const BETWEEN: Duration = Duration::from_millis(700);
/// Acknowledged writes below which a trial shows nothing.
const CREATED_MIN: usize = 50;

/// Three members, six writers, three watchers and a reader, all of which go on elsewhere when a
/// member fails them.
pub struct Trial {
    /// The group.
    pub cluster: Arc<Cluster>,
    writers: Writers,
    watchers: Vec<Watcher>,
    reader: Reader,
}

impl Trial {
    /// Starts all of it and lets it run for a moment.
    pub async fn start() -> Trial {
        Trial::over(Cluster::start(3).await).await
    }

    /// The same over a group of three that runs.
    pub async fn over(cluster: Cluster) -> Trial {
        let cluster = Arc::new(cluster);
        let list = cluster.get(1, PATH).await;
        let version = version_of(&list);
        let watch = |i| Watcher::start(cluster.clone(), i, PATH, version);
        let watchers = (1..=3).map(watch).collect();
        let writers = Writers::start(&cluster, 6);
        let reader = Reader::start(cluster.clone());
        tokio::time::sleep(BETWEEN).await;
        Trial { cluster, writers, watchers, reader }
    }

    /// Ends the writers and checks what they, the watchers and the reader saw, against the lists
    /// and the state roots of every member.
    pub async fn check(self) {
        tokio::time::sleep(BETWEEN).await;
        let written = self.writers.finish().await;
        let count: usize = written.iter().map(|part| part.created.len()).sum();
        assert!(count >= CREATED_MIN, "only {count} writes were acknowledged: this shows nothing");
        for i in 1..=3 {
            check_list(&written, &self.cluster.get(i, PATH).await);
        }
        let list = self.cluster.get(1, PATH).await;
        let items = list["items"].as_array().expect("a list");
        let newest = items.iter().map(version_of).max().expect("objects");
        for watcher in &self.watchers {
            eventually("the watcher catches up", async || watcher.newest() >= newest).await;
            check_seen(&written, &watcher.seen());
        }
        let reads = self.reader.finish().await;
        let unknown: usize = written.iter().map(|part| part.unknown.len()).sum();
        println!(
            "{count} objects created, {unknown} attempts not acknowledged, {reads} reads of lists \
             and roots"
        );
    }
}

fn version_of(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|v| v.parse().ok()).expect("a resource version")
}
