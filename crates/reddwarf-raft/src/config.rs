//! What a node is started with.

use crate::environment::Environment;
use crate::peer::PeerBuild;
use crate::types::Member;
use reddwarf_core::{Build, FeatureLevels};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One member of the group as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Raft node id, unique for ever: a wiped node returns with a new one (invariant 16).
    pub id: u64,
    /// Name of the node; the common name of its certificate is or ends in `:<name>`.
    pub name: String,
    /// `host:port` of its one port.
    pub addr: String,
}

impl Peer {
    /// The same as a membership has it before the data folder is known.
    pub(crate) fn as_member(&self) -> Member {
        Member { name: self.name.clone(), addr: self.addr.clone(), incarnation: 0 }
    }
}

/// What a member that joined a group knows of its admission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Log index of the membership that names this node first.
    pub admitted_at: u64,
    /// Name of the voter whose place this node takes; one of its own name gives way in any case.
    pub replaces: Option<String>,
}

/// How a node takes part in its group.
#[derive(Clone)]
pub struct NodeConfig {
    /// This node's Raft id; `peers` holds it too when it is one of the first members.
    pub node_id: u64,
    /// This node's name.
    pub name: String,
    /// Folder of the WAL and the state; created when it is absent.
    pub data_dir: PathBuf,
    /// Identifies the group; peers of another one are refused by name.
    pub cluster_id: String,
    /// The group's first members, this node included, the same on every node; of one that joined
    /// later the members that there were then, without this node.
    pub peers: Vec<Peer>,
    /// Of a node that joined a group that was there before.
    pub admission: Option<Admission>,
    /// Version of the program, shown in the status.
    pub version: String,
    /// The feature levels that the program supports.
    pub levels: FeatureLevels,
    /// Named limits and intervals.
    pub limits: Limits,
    /// What the node takes from the machine that it runs on.
    pub environment: Environment,
}

impl NodeConfig {
    /// A group of one in `data_dir`.
    pub fn single(name: &str, addr: &str, data_dir: PathBuf) -> Self {
        let peer = Peer { id: 1, name: name.to_owned(), addr: addr.to_owned() };
        NodeConfig {
            node_id: 1,
            name: name.to_owned(),
            data_dir,
            cluster_id: "local".to_owned(),
            peers: vec![peer],
            admission: None,
            version: Build::THIS.version.to_owned(),
            levels: Build::THIS.levels,
            limits: Limits::default(),
            environment: Environment::default(),
        }
    }

    /// What this node runs, as others are told.
    pub(crate) fn build(&self) -> PeerBuild {
        PeerBuild { version: self.version.clone(), levels: self.levels }
    }

    /// The first membership.
    pub(crate) fn members(&self) -> BTreeMap<u64, Member> {
        self.peers.iter().map(|peer| (peer.id, peer.as_member())).collect()
    }
}

/// Intervals and bounds of a node. The defaults serve a group on one busy small machine.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Heartbeat of the leader.
    pub heartbeat: Duration,
    /// Shortest election timeout.
    pub election_min: Duration,
    /// Longest election timeout, and the lease that followers grant their leader.
    pub election_max: Duration,
    /// How long a proposal is repeated inside the system before its outcome is unknown.
    pub propose_timeout: Duration,
    /// How long a read waits for a quorum.
    pub read_timeout: Duration,
    /// Proposals that may wait on this node; more are refused.
    pub proposals_max: usize,
    /// Size of a WAL segment.
    pub wal_segment_bytes: u64,
    /// Entries kept in memory for replication, in bytes.
    pub wal_cache_bytes: usize,
    /// WAL bytes after which a snapshot is recorded and the log is purged.
    pub snapshot_wal_bytes: u64,
    /// Bytes of the newest entries that are never purged: a member that was away for not longer
    /// than they reach back is sent entries, and not the whole state.
    pub log_keep_bytes: u64,
    /// Interval of the ticks that advance the cluster clock.
    pub clock_tick: Duration,
    /// How fast the background scrub reads the durable state.
    pub scrub_bytes_per_second: u64,
    /// Pause between two passes of the scrub.
    pub scrub_pause: Duration,
    /// Pause between a finding and the repair, in which it can be seen from outside.
    pub repair_pause: Duration,
    /// For how long all members must have run and supported the next feature level before the
    /// leader raises the group to it by itself; `None` when it never does.
    pub level_settle: Option<Duration>,
    /// Cache of the durable store.
    pub store_cache_bytes: usize,
}

impl Limits {
    /// The same with so many bytes of the log kept: a small log has small segments, and is looked at
    /// for what is to be purged more often.
    #[must_use]
    pub fn with_log_kept(self, bytes: u64) -> Self {
        Limits {
            wal_segment_bytes: (bytes / 8).min(self.wal_segment_bytes),
            snapshot_wal_bytes: bytes / 2,
            log_keep_bytes: bytes,
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            propose_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(5),
            proposals_max: 16_384,
            wal_segment_bytes: 16 * 1024 * 1024,
            wal_cache_bytes: 8 * 1024 * 1024,
            snapshot_wal_bytes: 64 * 1024 * 1024,
            log_keep_bytes: 128 * 1024 * 1024,
            clock_tick: Duration::from_secs(10),
            scrub_bytes_per_second: 2 * 1024 * 1024,
            scrub_pause: Duration::from_secs(600),
            repair_pause: Duration::from_secs(1),
            level_settle: Some(Duration::from_secs(600)),
            store_cache_bytes: 16 * 1024 * 1024,
        }
    }
}
