//! A group whose members share one thread: what would block runs in tasks, and members are dialed
//! through memory. A process of its own, so that its threads can be counted.

#[path = "groups/group.rs"]
mod group;

use async_trait::async_trait;
use group::{create, key};
use parking_lot::Mutex;
use reddwarf_core::Revision;
use reddwarf_raft::inspect::{Payload, Role};
use reddwarf_raft::peer::{Dial, Dialed, Protocol};
use reddwarf_raft::{Environment, Limits, Node, NodeConfig, Pace, Peer, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Bytes under way in one direction of a stream.
const STREAM_BYTES: usize = 64 * 1024;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A disk that takes the same time for everything.
struct Steady;

impl Pace for Steady {
    fn log(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn state(&self) -> Duration {
        Duration::from_millis(3)
    }

    fn other(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// The members that run, by address.
type Running = Arc<Mutex<BTreeMap<String, Arc<Node>>>>;

/// How one member dials the others.
struct InMemory {
    running: Running,
    name: String,
}

impl InMemory {
    fn find(&self, addr: &str) -> io::Result<Arc<Node>> {
        let node = self.running.lock().get(addr).cloned();
        node.ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
    }
}

#[async_trait]
impl Dial for InMemory {
    async fn dial(&self, addr: &str) -> io::Result<Dialed> {
        let (node, name) = (self.find(addr)?, self.name.clone());
        let (here, there) = tokio::io::duplex(STREAM_BYTES);
        tokio::spawn(async move {
            node.serve_stream(there, Protocol::Greeting, Some(name)).await;
        });
        Ok(Dialed { stream: Box::new(here), protocol: Protocol::Greeting })
    }

    async fn knock(&self, addr: &str) -> io::Result<()> {
        self.find(addr).map(drop)
    }
}

fn peer(id: u64) -> Peer {
    Peer { id, name: format!("node-{id}"), addr: format!("node-{id}:1") }
}

async fn start(id: u64, data_dir: &Path, running: &Running) -> Arc<Node> {
    let own = peer(id);
    let dial = InMemory { running: Arc::clone(running), name: own.name.clone() };
    let environment =
        Environment { work: Work::Tasks(Arc::new(Steady)), ..Environment::dialing(Arc::new(dial)) };
    let config = NodeConfig {
        node_id: id,
        peers: (1..=3).map(peer).collect(),
        cluster_id: "test".to_owned(),
        limits: Limits { wal_segment_bytes: 64 * 1024, ..Limits::default() },
        environment,
        ..NodeConfig::single(&own.name, &own.addr, data_dir.to_owned())
    };
    let node = Node::start(config).await.expect("the node starts");
    running.lock().insert(own.addr, Arc::clone(&node));
    node
}

/// Returns once all members stand at the same entry, which must be with the same state.
async fn meet(nodes: &[Arc<Node>]) {
    loop {
        let roots: Vec<_> = nodes.iter().map(|node| node.state_root()).collect();
        if roots.iter().all(|(index, _)| *index == roots[0].0) {
            return assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");
        }
        tokio::task::yield_now().await;
    }
}

/// What members that stand at the same entry show of it.
fn look_into(nodes: &[Arc<Node>]) {
    let first = nodes[0].inspect();
    let applied = first.applied();
    let entries = first.entries(0..applied.at.index + 1).expect("reads");
    assert_eq!(entries.last().expect("entries").at, applied.at);
    let proposals = entries.iter().filter(|entry| matches!(entry.payload, Payload::Proposal(_)));
    assert!(proposals.count() >= 60);
    let commits = first.commits_after(Revision::ZERO).expect("remembered");
    assert_eq!(commits.last().map(|commit| commit.last), Some(applied.revision));
    let leaders = nodes.iter().filter(|node| node.inspect().role() == Role::Leader);
    assert_eq!(leaders.count(), 1);
    for node in nodes {
        let there = node.inspect();
        assert_eq!((there.applied(), there.leader()), (applied, first.leader()));
        assert_eq!(there.entries(0..applied.at.index + 1).expect("reads"), entries);
        assert_eq!(there.commits_after(Revision::ZERO).as_ref(), Some(&commits));
        let members = there.applied_members().expect("they decode");
        assert_eq!(members.voters, [BTreeSet::from([1, 2, 3])]);
        assert_eq!((there.members().voters, members.is_joint()), (members.voters, false));
        assert!(there.committed() >= Some(applied.at) && there.log().last >= Some(applied.at));
        assert!(there.vote().term == there.term() && there.term() >= applied.at.term);
        assert_eq!((there.refusal(), there.disk_full(), there.log_failed()), (None, false, false));
    }
    // Of what is committed a majority has made durable at least.
    let durable = |node: &&Arc<Node>| node.inspect().durable_log().last >= Some(applied.at.index);
    assert!(nodes.iter().filter(durable).count() >= 2);
}

async fn write_and_restart(dirs: &[TempDir]) {
    let running = Running::default();
    let mut nodes = Vec::new();
    for (id, dir) in (1..).zip(dirs) {
        nodes.push(start(id, dir.path(), &running).await);
    }
    for at in 0..60 {
        let write = create(&format!("cm-{at}"), 4_000);
        nodes[at % 3].store().propose(write).await.expect("written");
    }
    meet(&nodes).await;
    look_into(&nodes);
    let stopped = nodes.remove(0);
    running.lock().remove(&peer(1).addr);
    stopped.shutdown().await;
    drop(stopped);
    nodes[0].store().propose(create("meanwhile", 10)).await.expect("written by the others");
    nodes.insert(0, start(1, dirs[0].path(), &running).await);
    nodes[0].store().read_barrier().await.expect("the read is confirmed");
    for name in ["cm-0", "cm-59", "meanwhile"] {
        assert!(nodes[0].store().view().get(&key(name)).is_some(), "{name}");
    }
    nodes[0].verify(None).await.expect("its history is whole");
    meet(&nodes).await;
    for node in &nodes {
        node.shutdown().await;
    }
}

/// Names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the process's threads");
    let name = |task: io::Result<std::fs::DirEntry>| {
        let name = std::fs::read_to_string(task.ok()?.path().join("comm")).ok()?;
        Some(name.trim_end().to_owned())
    };
    tasks.filter_map(name).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_group_in_one_thread_writes_restarts_and_keeps_all() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("tempdir")).collect();
    let before = threads();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("runtime").block_on(async {
        let run = write_and_restart(&dirs);
        tokio::time::timeout(PATIENCE, run).await.expect("nothing hangs");
        assert_eq!(threads(), before, "nothing ran on a thread of its own");
    });
}
