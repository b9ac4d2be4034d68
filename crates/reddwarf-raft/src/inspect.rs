//! What simulations and tests look at in a running member. All of it is in memory, but entries of the
//! log that are no longer cached.

use crate::core::Core;
use crate::data::LogData;
use crate::membership;
use crate::node::Node;
use crate::types::{self, LogId, StoredMembership, term_of};
use crate::wal;
use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::entry::RaftEntry;
use openraft::vote::{RaftLeaderId, RaftVote};
use openraft::{EntryPayload, ServerState};
use reddwarf_core::{BranchId, CommitId, FeatureLevel, Proposal, Revision};
use reddwarf_storage::Durable;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A vote, as Raft casts one for itself or for another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CastVote {
    /// The term.
    pub term: u64,
    /// The node that it is for.
    pub node: u64,
    /// Whether a majority has voted so: the node leads in that term.
    pub committed: bool,
}

/// What a member is in Raft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes entries, has no vote.
    Learner,
    /// Takes entries and votes.
    Follower,
    /// Stands for election.
    Candidate,
    /// Appends entries.
    Leader,
    /// Raft has ended.
    Ended,
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its term.
    pub term: u64,
    /// Its index.
    pub index: u64,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEntry {
    /// Where it stands.
    pub at: Position,
    /// What it says.
    pub payload: Payload,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Nothing: the first of a leader.
    Blank,
    /// Who the members are from here on.
    Members(Members),
    /// An encoded proposal.
    Proposal(Bytes),
}

impl LoggedEntry {
    /// The proposal that it carries, decoded anew.
    pub fn proposal(&self) -> Option<Proposal> {
        let Payload::Proposal(bytes) = &self.payload else { return None };
        LogData::from_bytes(bytes.clone()).take_proposal().ok()
    }
}

/// A membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The entry that set it; `None` before the first.
    pub at: Option<Position>,
    /// The voters; while a change of them is half done those before and those after, a majority of
    /// each being needed.
    pub voters: Vec<BTreeSet<u64>>,
    /// Those that do not vote.
    pub learners: BTreeSet<u64>,
    /// Those whose data folder the group does not know yet: it could not tell another one from it.
    pub unrecorded: BTreeSet<u64>,
}

impl Members {
    /// Whether a change of the voters is half done.
    pub fn is_joint(&self) -> bool {
        self.voters.len() > 1
    }
}

/// The log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRange {
    /// The newest entry that was dropped because the state holds its effects.
    pub purged: Option<Position>,
    /// The newest entry, durable or not; the purged one when there are no others.
    pub last: Option<Position>,
    /// The newest entry that the log says is committed.
    pub committed: Option<Position>,
}

/// What of the log its writer has synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DurableLog {
    /// The index of the newest entry; `None` before the first.
    pub last: Option<u64>,
    /// The newest vote.
    pub vote: Option<CastVote>,
}

/// What a member has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppliedState {
    /// The newest entry.
    pub at: Position,
    /// The newest revision.
    pub revision: Revision,
    /// The root of the state.
    pub root: [u8; 32],
    /// The group's feature level.
    pub level: FeatureLevel,
    /// The cluster clock, in milliseconds.
    pub clock_ms: u64,
}

/// A commit that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedCommit {
    /// Its id.
    pub id: CommitId,
    /// Its branch.
    pub branch: BranchId,
    /// Its last revision.
    pub last: Revision,
    /// Its header as it is stored.
    pub header: Bytes,
}

/// A look into a running member.
#[derive(Clone, Copy)]
pub struct Inspection<'a>(&'a Core);

impl Node {
    /// A look into this member, for simulations and tests.
    pub fn inspect(&self) -> Inspection<'_> {
        Inspection(&self.core)
    }
}

impl Inspection<'_> {
    /// The newest vote, durable or not.
    pub fn vote(&self) -> CastVote {
        vote_of(&self.0.vote())
    }

    /// What the member is.
    pub fn role(&self) -> Role {
        match self.0.raft.metrics().borrow_watched().state {
            ServerState::Learner => Role::Learner,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Leader => Role::Leader,
            ServerState::Shutdown => Role::Ended,
        }
    }

    /// The term.
    pub fn term(&self) -> u64 {
        self.0.raft.metrics().borrow_watched().current_term
    }

    /// The leader that this member knows of.
    pub fn leader(&self) -> Option<u64> {
        self.0.raft.metrics().borrow_watched().current_leader
    }

    /// The newest entry of which Raft knows here that it is committed.
    pub fn committed(&self) -> Option<Position> {
        self.0.raft.metrics().borrow_watched().local_committed.as_ref().map(position)
    }

    /// Where the log begins and ends.
    pub fn log(&self) -> LogRange {
        let (purged, last) = self.0.wal.state();
        let committed = self.0.wal.committed();
        let [purged, last, committed] =
            [purged, last, committed].map(|id| id.as_ref().map(position));
        LogRange { purged, last, committed }
    }

    /// Entries of `[start, end)`, as far as the log reaches without a gap.
    ///
    /// # Errors
    /// When they cannot be read from the disk.
    pub fn entries(&self, range: Range<u64>) -> io::Result<Vec<LoggedEntry>> {
        Ok(self.0.wal.read(range)?.iter().map(entry_of).collect())
    }

    /// What of the log is durable.
    pub fn durable_log(&self) -> DurableLog {
        let (last, vote) = self.0.wal.durable();
        DurableLog { last, vote: vote.as_ref().map(vote_of) }
    }

    /// Whether a write to the log or its sync failed: nothing more is acknowledged.
    pub fn log_failed(&self) -> bool {
        self.0.wal.failed()
    }

    /// How far the durable state reaches.
    pub fn durable_state(&self) -> Arc<Durable> {
        self.0.machine.persist.durable()
    }

    /// The newest applied entry, `None` before the first.
    pub fn applied_at(&self) -> Option<Position> {
        let state = self.0.machine.state.lock();
        let applied = state.applied();
        let pristine = applied.index == 0 && state.membership().is_empty();
        (!pristine).then_some(Position { term: applied.term, index: applied.index })
    }

    /// What is applied; all of one moment.
    pub fn applied(&self) -> AppliedState {
        let state = self.0.machine.state.lock();
        let applied = state.applied();
        AppliedState {
            at: Position { term: applied.term, index: applied.index },
            revision: state.revision(),
            root: state.root().0,
            level: state.level(),
            clock_ms: state.clock_ms(),
        }
    }

    /// The commits of all branches after `from`, oldest first; `None` when not all of them are
    /// remembered: since a start, or since another state was put in place, only those applied after.
    pub fn commits_after(&self, from: Revision) -> Option<Vec<AppliedCommit>> {
        self.0.machine.fanout.commits_after(from)
    }

    /// The members as Raft goes by them now, committed or not.
    pub fn members(&self) -> Members {
        members_of(&self.0.membership())
    }

    /// The members as of the newest applied entry.
    ///
    /// # Errors
    /// When what is recorded of them does not decode.
    pub fn applied_members(&self) -> Result<Members, String> {
        let recorded = self.0.machine.state.lock().membership().clone();
        membership::decode(&recorded).map(|stored| members_of(&stored))
    }

    /// Why the member serves nothing, if its state is wrong or not compared yet.
    pub fn refusal(&self) -> Option<String> {
        self.0.quarantine().refusal()
    }

    /// What is known to be wrong with its state or its data file, whether or not it serves.
    pub fn trouble(&self) -> Option<String> {
        self.0.quarantine().trouble().map(|trouble| trouble.to_string())
    }

    /// Whether the disk has no room for more of the log, or of the state.
    pub fn disk_full(&self) -> bool {
        self.0.disk_full()
    }
}

/// The files of the log in `dir`, oldest first, each with how many of its bytes are known to have been
/// on disk: damage to those is never taken for a torn write (invariant 16).
///
/// # Errors
/// When they cannot be read.
pub fn log_files(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    wal::marked_segments(dir)
}

fn position(id: &LogId) -> Position {
    Position { term: term_of(id), index: id.index() }
}

fn vote_of(vote: &types::Vote) -> CastVote {
    let id = RaftVote::leader_id(vote);
    CastVote { term: id.term(), node: *id.node_id(), committed: vote.is_committed() }
}

fn members_of(stored: &StoredMembership) -> Members {
    let membership = stored.membership();
    let unrecorded = membership.nodes().filter(|(_, member)| member.incarnation == 0);
    Members {
        at: stored.log_id().as_ref().map(position),
        voters: membership.get_joint_config().clone(),
        learners: membership.learner_ids().collect(),
        unrecorded: unrecorded.map(|(id, _)| *id).collect(),
    }
}

fn entry_of(entry: &types::Entry) -> LoggedEntry {
    let at = position(&entry.log_id());
    let payload = match &entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(data) => Payload::Proposal(data.bytes().clone()),
        EntryPayload::Membership(members) => {
            let stored = StoredMembership::new(Some(entry.log_id()), members.clone());
            Payload::Members(members_of(&stored))
        }
    };
    LoggedEntry { at, payload }
}
