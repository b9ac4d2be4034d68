//! What the data folder of a member holds that does not run.

use super::{RecoverError, failed};
use crate::identity;
use crate::membership;
use crate::metrics::RaftMetrics;
use crate::quarantine::Quarantine;
use crate::start_check::applied_of;
use crate::types::{Entry, LogId, Member, log_id};
use crate::wal::{FileDisk, Mode, Wal, WalOptions};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use reddwarf_core::FeatureLevels;
use reddwarf_core::{ProposalKind, Revision};
use reddwarf_storage::{RedbStore, load};
use reddwarf_versioning::{Checkpoint, StateRoot, WindowLimits};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory for the state's pages.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Memory for entries.
const LOG_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Size of a segment, should one be made in a copy.
const SEGMENT_BYTES: u64 = 1024 * 1024;

/// The state and the log of a member that does not run. Nothing of them is changed: the log is read
/// from a copy, for opening it cuts what a crash has left half written.
pub struct MemberDisk {
    /// The folder.
    pub data_dir: PathBuf,
    /// The member's group and Raft id.
    pub cluster_id: String,
    /// See [`MemberDisk::cluster_id`].
    pub node_id: u64,
    /// What is recorded beside the rows of the state.
    pub checkpoint: Checkpoint,
    /// The root of the state.
    pub root: StateRoot,
    /// The members as the state knows them.
    pub members: BTreeMap<u64, Member>,
    /// The members that vote.
    pub voters: Vec<u64>,
    /// Whether the member's state was found to differ from the majority's, and not repaired since.
    pub diverged: bool,
    wal: Wal,
}

impl MemberDisk {
    /// Reads a data folder; the log is copied to `scratch`, which is made.
    ///
    /// # Errors
    /// See [`RecoverError`].
    pub fn read(
        data_dir: &Path,
        scratch: &Path,
        levels: FeatureLevels,
    ) -> Result<Self, RecoverError> {
        let no_member =
            |reason: String| RecoverError::NoMember { path: data_dir.to_owned(), reason };
        let identity = identity::recorded(data_dir).map_err(failed("read", data_dir))?;
        let (cluster_id, node_id) =
            identity.ok_or_else(|| no_member("there is no identity in it".to_owned()))?;
        let state = data_dir.join("state.redb");
        if !state.is_file() {
            return Err(no_member("there is no state.redb in it".to_owned()));
        }
        let store = RedbStore::open_frozen(&state, CACHE_BYTES, levels)?;
        let loaded = load(&store, WindowLimits::default())?;
        let stored = membership::decode(&loaded.checkpoint.membership);
        let stored = stored.map_err(RecoverError::Membership)?;
        let nodes = stored.membership().nodes();
        let members = nodes.map(|(id, member)| (*id, member.clone())).collect();
        let voters = stored.membership().voter_ids().collect();
        let wal = copied_log(&data_dir.join("wal"), scratch)?;
        Ok(MemberDisk {
            data_dir: data_dir.to_owned(),
            cluster_id,
            node_id,
            diverged: Quarantine::of(data_dir).diverged_at().is_some(),
            root: loaded.state.root(),
            checkpoint: loaded.checkpoint,
            members,
            voters,
            wal,
        })
    }

    /// The member's name, as far as the state knows it.
    pub fn name(&self) -> String {
        let member = self.members.get(&self.node_id);
        member.map_or_else(|| format!("node {}", self.node_id), |member| member.name.clone())
    }

    /// The newest entry in the state.
    pub fn applied(&self) -> Option<LogId> {
        applied_of(&self.checkpoint)
    }

    /// The newest revision in the state.
    pub fn revision(&self) -> Revision {
        self.checkpoint.revision
    }

    /// The newest entry on this disk, in the log or the state.
    pub fn last(&self) -> Option<LogId> {
        let applied = self.applied();
        match self.tail_begins() {
            Some(_) => self.wal.state().1.max(applied),
            None => applied,
        }
    }

    /// Where the entries begin that follow the state; `None` when none do. What the log holds in the
    /// place of applied entries was never committed, and what follows it neither.
    pub(super) fn tail_begins(&self) -> Option<u64> {
        let (_, last) = self.wal.state();
        let last = last?;
        let Some(applied) = self.applied() else { return Some(0) };
        let at = self.wal.read(applied.index()..applied.index() + 1).ok()?;
        let conflicts = at.first().is_some_and(|entry| entry.log_id() != applied);
        (!conflicts && last.index() > applied.index()).then(|| applied.index() + 1)
    }

    /// How many entries follow the state.
    pub fn tail_len(&self) -> u64 {
        match (self.tail_begins(), self.last()) {
            (Some(from), Some(last)) => last.index() + 1 - from,
            _ => 0,
        }
    }

    /// Entries of the log in `[from, to)`, as far as it reaches.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn entries(&self, from: u64, to: u64) -> Result<Vec<Entry>, RecoverError> {
        self.wal.read(from..to).map_err(failed("read", &self.data_dir.join("wal")))
    }

    /// The entry at `index`, as far as this disk still tells it.
    pub fn log_id_at(&self, index: u64) -> Option<LogId> {
        if let Some(applied) = self.applied().filter(|applied| applied.index() == index) {
            return Some(applied);
        }
        let (purged, _) = self.wal.state();
        if let Some(purged) = purged.filter(|purged| purged.index() == index) {
            return Some(purged);
        }
        let read = self.wal.read(index..index + 1).ok()?;
        read.first().map(|entry| entry.log_id())
    }

    /// The Raft ids that the old group has used, as far as is known here.
    pub fn highest_id(&self) -> u64 {
        self.members.keys().copied().max().unwrap_or_default().max(self.node_id)
    }
}

fn copied_log(wal: &Path, scratch: &Path) -> Result<Wal, RecoverError> {
    fs::create_dir_all(scratch).map_err(failed("create", scratch))?;
    for entry in fs::read_dir(wal).map_err(failed("list", wal))? {
        let entry = entry.map_err(failed("list", wal))?;
        let to = scratch.join(entry.file_name());
        fs::copy(entry.path(), &to).map_err(failed("copy to", &to))?;
    }
    let options = WalOptions {
        dir: scratch.to_owned(),
        segment_bytes: SEGMENT_BYTES,
        cache_bytes: LOG_CACHE_BYTES,
    };
    let opened = Wal::open(options, Arc::new(FileDisk), Mode::Inline, RaftMetrics::default());
    opened.map_err(RecoverError::Wal)
}

/// What an entry did or would do, for people.
pub(super) fn told(entry: &Entry) -> String {
    let id = entry.log_id();
    let said = match &entry.payload {
        EntryPayload::Blank => "a leader's first entry".to_owned(),
        EntryPayload::Membership(_) => "a change of members".to_owned(),
        EntryPayload::Normal(data) => match data.take_proposal() {
            Err(error) => format!("not read: {error}"),
            Ok(proposal) => match proposal.kind {
                ProposalKind::Tick { .. } => "the clock".to_owned(),
                ProposalKind::Retain { .. } => "floors of the history".to_owned(),
                ProposalKind::RaiseLevel { level, .. } => format!("feature level {level}"),
                ProposalKind::RecordBuilds { .. } => "the members' builds".to_owned(),
                ProposalKind::Write(write)
                | ProposalKind::LinkedToMain(write, _)
                | ProposalKind::LinkedWrite(write, _)
                | ProposalKind::Excise(write, _) => {
                    let (user, verb) = (&write.author.user, &write.verb);
                    let keys: Vec<&str> =
                        write.changes.iter().take(3).map(|change| change.key().as_str()).collect();
                    let more = write.changes.len().saturating_sub(keys.len());
                    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                    format!("{user} {verb} {}{more}", keys.join(", "))
                }
            },
        },
    };
    format!("entry {}: {said}", id.index())
}

/// A log id for people.
pub(super) fn named(id: Option<LogId>) -> String {
    let id = id.unwrap_or_else(|| log_id(0, 0));
    format!("entry {} of term {}", id.index(), crate::types::term_of(&id))
}
