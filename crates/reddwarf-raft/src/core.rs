//! What the parts of a running node share.

use crate::config::Limits;
use crate::contact::Contact;
use crate::environment::Environment;
use crate::group_clock::GroupClock;
use crate::machine::{Machine, MachineParts};
use crate::metrics::RaftMetrics;
use crate::peer::{PeerBuild, PeerClient, PeerClients};
use crate::quarantine::Quarantine;
use crate::types::{Member, StoredMembership, TypeConfig, Vote};
use crate::wal::Wal;
use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The running Raft instance.
pub type RaftNode = Raft<TypeConfig, Machine>;

/// The leader as this member knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeaderView {
    /// Its id, `None` while there is none.
    pub leader: Option<u64>,
    /// The term of this view.
    pub term: u64,
}

/// What the parts of a running node share.
pub struct Core {
    /// This node.
    pub node_id: u64,
    /// Which data folder of its it runs in.
    pub incarnation: u64,
    /// Raft.
    pub raft: RaftNode,
    /// The state machine's parts.
    pub machine: Arc<MachineParts>,
    /// The log.
    pub wal: Arc<Wal>,
    /// Ways to the members.
    pub clients: Arc<PeerClients>,
    /// What this node runs.
    pub build: PeerBuild,
    /// What the node takes from the machine that it runs on.
    pub environment: Environment,
    /// Named limits and intervals.
    pub limits: Limits,
    /// Figures.
    pub metrics: RaftMetrics,
    /// Whether a majority is reached.
    pub contact: Contact,
    /// The others' wall clocks.
    pub group_clock: GroupClock,
    /// The leader, as it changes.
    pub leader: watch::Receiver<LeaderView>,
    /// The term that this member leads and has applied an entry of.
    pub leadership: watch::Receiver<Option<u64>>,
    /// Members whose state differs, as this one found while it leads: none of them may lead.
    pub wrong_members: Mutex<BTreeSet<u64>>,
    /// Cancelled when this member cannot go on: what waits for it ends.
    pub failed: CancellationToken,
    /// Held while this member, as the leader, decides on the members and changes them.
    pub changing_members: tokio::sync::Mutex<()>,
    /// Set when the node stops: nothing new is taken on.
    pub stopping: AtomicBool,
    /// Cancelled when the node's own tasks must end.
    pub stop: CancellationToken,
}

impl Core {
    /// The members as Raft knows them now.
    pub fn members(&self) -> BTreeMap<u64, Member> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let nodes = metrics.membership_config.membership().nodes();
        nodes.map(|(id, member)| (*id, member.clone())).collect()
    }

    /// The membership that Raft goes by now, which may not be committed yet.
    pub fn membership(&self) -> StoredMembership {
        StoredMembership::clone(&self.raft.metrics().borrow_watched().membership_config)
    }

    /// The newest vote that this member knows of.
    pub fn vote(&self) -> Vote {
        self.raft.metrics().borrow_watched().vote
    }

    /// The way to a member.
    pub fn client(&self, id: u64) -> Option<Arc<PeerClient>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&id)?;
        self.clients.get(id, member)
    }

    /// Whether this member is the leader as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.leader.borrow().leader == Some(self.node_id)
    }

    /// What is wrong with this member's state.
    pub fn quarantine(&self) -> &Quarantine {
        &self.machine.quarantine
    }

    /// Ends all watches, and does not stand for election, with a state that is wrong. The log is
    /// right: votes for others are granted as ever.
    pub fn withdraw(&self) {
        self.metrics.quarantined.set(1);
        self.raft.runtime_config().elect(false);
        self.machine.fanout.stop();
    }

    /// Takes part in everything again, with a state that is equal to the majority's.
    pub fn rejoin(&self) {
        self.quarantine().over();
        self.machine.fanout.resume();
        self.raft.runtime_config().elect(true);
        self.metrics.quarantined.set(0);
        self.metrics.root_mismatch.set(0);
    }

    /// Whether this member's disk has no room for more of the log, or of the state.
    pub fn disk_full(&self) -> bool {
        self.wal.low_on_space() || self.machine.persist.is_full()
    }

    /// Waits until this member has applied entry `index`.
    pub async fn wait_applied(&self, index: u64) {
        let mut applied = self.machine.applied.subscribe();
        // The sender lives as long as `self.machine`.
        let _ = applied.wait_for(|applied| applied.index >= index).await;
    }
}
