//! The replicated state of one member.

use crate::branch_table::BranchesOfMain;
use crate::lines::Lines;
use crate::request_memory::RequestMemory;
use crate::retention::{Mark, Retention};
use crate::{Anchor, BranchTable, EntryContext, Halt, LtHash, StateRoot, root};
use bytes::Bytes;
use reddwarf_core::{
    BranchId, CommitId, CommitPoint, FeatureLevel, Floors, Lost, MemberBuild, Revision, View,
};
use serde::de::Error;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything that `apply` reads and writes.
///
/// Owned by the one task that applies entries; readers take [`State::view`]s.
#[derive(Debug)]
pub struct State {
    pub(crate) applied: EntryContext,
    pub(crate) view: View,
    pub(crate) lines: Lines,
    pub(crate) requests: RequestMemory,
    pub(crate) objects_hash: LtHash,
    pub(crate) membership: Bytes,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) retention: Retention,
    pub(crate) builds: Arc<Vec<MemberBuild>>,
}

/// The part of the state that is not rows: written with every durable transaction, and by
/// [`crate::StateBuilder`] compared with what the rows add up to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// The newest applied entry.
    pub applied: EntryContext,
    /// The newest revision.
    pub revision: Revision,
    /// The cluster clock.
    pub clock_ms: u64,
    /// Where kept history begins, `None` while all of it is kept.
    pub anchor: Option<Anchor>,
    /// The group's membership as the raft layer encodes it, opaque here.
    pub membership: Bytes,
    /// The sum over the current objects.
    pub objects_hash: LtHash,
    /// The newest commit of main.
    pub head: CommitPoint,
    /// The branches.
    pub branches: Arc<BranchTable>,
    /// From where on the past is kept.
    pub floors: Arc<Floors>,
    /// To where it can be forgotten.
    pub marks: Arc<Vec<Mark>>,
    /// What was lost with earlier groups.
    pub lost: Arc<Vec<Lost>>,
    /// The group's feature level.
    pub level: FeatureLevel,
    /// The members' builds.
    pub builds: Arc<Vec<MemberBuild>>,
    /// The root of all of it; not recorded at the first feature level, whose builds do not know of it.
    pub root: Option<StateRoot>,
}

/// What of a [`Checkpoint`] changes with every entry, as the codec writes it. The rest, which
/// changes rarely and may be long, has records of its own.
#[derive(Serialize, Deserialize)]
struct CheckpointRecord {
    applied: EntryContext,
    revision: Revision,
    clock_ms: u64,
    anchor: Option<Anchor>,
    #[serde(with = "serde_bytes")]
    membership: Vec<u8>,
    #[serde(with = "serde_bytes")]
    objects_hash: Vec<u8>,
    head: CommitPoint,
}

/// [`CheckpointRecord`] as it was when the branches were part of it.
#[derive(Deserialize)]
struct CheckpointRecordV2 {
    applied: EntryContext,
    revision: Revision,
    clock_ms: u64,
    anchor: Option<Anchor>,
    #[serde(with = "serde_bytes")]
    membership: Vec<u8>,
    #[serde(with = "serde_bytes")]
    objects_hash: Vec<u8>,
    head: CommitPoint,
    branches: BranchesOfMain,
}

/// [`CheckpointRecord`] as it was before there were branches.
#[derive(Deserialize)]
struct CheckpointRecordV1 {
    applied: EntryContext,
    revision: Revision,
    clock_ms: u64,
    anchor: Option<Anchor>,
    #[serde(with = "serde_bytes")]
    membership: Vec<u8>,
    #[serde(with = "serde_bytes")]
    objects_hash: Vec<u8>,
    heads: Vec<(BranchId, HeadV1)>,
}

#[derive(Deserialize)]
struct HeadV1 {
    commit: CommitId,
    revision: Revision,
    time_ms: u64,
    _base: Revision,
}

/// A [`Checkpoint`] that was written before there were branches.
#[derive(Debug)]
pub struct CheckpointV1(pub Checkpoint);

/// A [`Checkpoint`] that was written when the branches were part of it.
#[derive(Debug)]
pub struct CheckpointV2(pub Checkpoint);

impl<'de> Deserialize<'de> for CheckpointV2 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let record = CheckpointRecordV2::deserialize(d)?;
        let branches = BranchTable::try_from(record.branches).map_err(D::Error::custom)?;
        let branches = Arc::new(branches);
        let record = CheckpointRecord {
            applied: record.applied,
            revision: record.revision,
            clock_ms: record.clock_ms,
            anchor: record.anchor,
            membership: record.membership,
            objects_hash: record.objects_hash,
            head: record.head,
        };
        record.checkpoint().map(|checkpoint| CheckpointV2(Checkpoint { branches, ..checkpoint }))
    }
}

impl<'de> Deserialize<'de> for CheckpointV1 {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let record = CheckpointRecordV1::deserialize(d)?;
        let head = record.heads.into_iter().find(|(branch, _)| *branch == BranchId::MAIN);
        let head = head.map(|(_, HeadV1 { commit, revision, time_ms, .. })| CommitPoint {
            commit,
            revision,
            time_ms,
        });
        let record = CheckpointRecord {
            applied: record.applied,
            revision: record.revision,
            clock_ms: record.clock_ms,
            anchor: record.anchor,
            membership: record.membership,
            objects_hash: record.objects_hash,
            head: head.unwrap_or_default(),
        };
        record.checkpoint().map(CheckpointV1)
    }
}

impl CheckpointRecord {
    fn checkpoint<E: Error>(self) -> Result<Checkpoint, E> {
        let objects_hash = LtHash::from_bytes(&self.objects_hash)
            .ok_or_else(|| E::custom("an LtHash of another length"))?;
        Ok(Checkpoint {
            applied: self.applied,
            revision: self.revision,
            clock_ms: self.clock_ms,
            anchor: self.anchor,
            membership: self.membership.into(),
            objects_hash,
            head: self.head,
            branches: Arc::default(),
            floors: Arc::default(),
            marks: Arc::default(),
            lost: Arc::default(),
            level: FeatureLevel::FIRST,
            builds: Arc::default(),
            root: None,
        })
    }
}

impl Serialize for Checkpoint {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        CheckpointRecord {
            applied: self.applied,
            revision: self.revision,
            clock_ms: self.clock_ms,
            anchor: self.anchor,
            membership: self.membership.to_vec(),
            objects_hash: self.objects_hash.to_bytes(),
            head: self.head,
        }
        .serialize(s)
    }
}

impl<'de> Deserialize<'de> for Checkpoint {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        CheckpointRecord::deserialize(d)?.checkpoint()
    }
}

impl Default for State {
    fn default() -> Self {
        State::new()
    }
}

impl State {
    /// The state before the first entry.
    pub fn new() -> Self {
        State {
            applied: EntryContext::default(),
            view: View::default(),
            lines: Lines::default(),
            requests: RequestMemory::default(),
            objects_hash: LtHash::new(),
            membership: Bytes::new(),
            anchor: None,
            retention: Retention::default(),
            builds: Arc::default(),
        }
    }

    /// The objects of main and the branches as they are now; O(1).
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.view.revision
    }

    /// The cluster clock, in milliseconds.
    pub fn clock_ms(&self) -> u64 {
        self.view.clock_ms
    }

    /// The newest applied entry; index zero before the first.
    pub fn applied(&self) -> EntryContext {
        self.applied
    }

    /// The membership that [`State::set_membership`] stored last; empty before.
    pub fn membership(&self) -> &Bytes {
        &self.membership
    }

    /// The group's feature level.
    pub fn level(&self) -> FeatureLevel {
        self.view.level
    }

    /// The members' builds as they were recorded last, in the order of the nodes.
    pub fn builds(&self) -> &Arc<Vec<MemberBuild>> {
        &self.builds
    }

    /// The newest commit of a branch.
    pub fn head(&self, branch: BranchId) -> Option<CommitPoint> {
        match branch {
            BranchId::MAIN => Some(self.view.head),
            _ => self.lines.find(&self.view, branch).map(|branch| branch.at.head),
        }
    }

    /// How many answers to proposals are remembered.
    pub fn remembered_requests(&self) -> usize {
        self.requests.len()
    }

    /// The hash of the whole state, to be compared between members at one applied index.
    pub fn root(&self) -> StateRoot {
        root::root_of(self)
    }

    /// What the durable store records beside the rows of the entries applied so far.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            applied: self.applied,
            revision: self.view.revision,
            clock_ms: self.view.clock_ms,
            anchor: self.anchor,
            membership: self.membership.clone(),
            objects_hash: self.objects_hash.clone(),
            head: self.view.head,
            branches: self.lines.table(),
            floors: self.retention.floors.clone(),
            marks: self.retention.marks.clone(),
            lost: self.view.lost.clone(),
            level: self.view.level,
            builds: self.builds.clone(),
            root: (self.view.level > FeatureLevel::FIRST).then(|| self.root()),
        }
    }

    /// Applies an entry that changes nothing, such as a new leader's first.
    ///
    /// # Errors
    /// See [`Halt`].
    pub fn apply_blank(&mut self, entry: EntryContext) -> Result<(), Halt> {
        self.advance(entry)
    }

    /// Applies a change of the group's membership, given as the raft layer encodes it.
    ///
    /// # Errors
    /// See [`Halt`].
    pub fn set_membership(&mut self, entry: EntryContext, membership: Bytes) -> Result<(), Halt> {
        self.advance(entry)?;
        self.membership = membership;
        Ok(())
    }

    /// Moves to `entry`, and forgets what it makes too old.
    ///
    /// The very first entry may have index zero: openraft's initial membership does.
    pub(crate) fn advance(&mut self, entry: EntryContext) -> Result<(), Halt> {
        if entry.index <= self.applied.index && entry.index != 0 {
            return Err(Halt::OutOfOrder { applied: self.applied.index, got: entry.index });
        }
        self.applied = entry;
        self.requests.forget(entry.index);
        Ok(())
    }
}
