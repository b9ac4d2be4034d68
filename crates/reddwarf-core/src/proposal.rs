//! Proposals: what a member asks the group to write, and what it is answered.

use crate::branch::LinksOfMain;
use crate::{
    Author, BranchId, CommitId, FeatureLevel, Floors, Links, MemberBuild, ObjectIndex, ObjectKey,
    Revision,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Chosen at random by the proposing member; a proposal sent twice is applied once.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct RequestId(pub [u8; 16]);

/// The Raft term for which a leader's own scheduler or controller writes (invariant 7).
///
/// Set in process only, never from anything a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The term in which the writer became active.
    pub term: u64,
}

/// A write as the API layer asks for it: all or nothing, one commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The branch to write.
    pub branch: BranchId,
    /// Who asked.
    pub author: Author,
    /// `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Message of the commit, when the client gave one.
    pub message: Option<String>,
    /// The proposer's wall clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Present on writes of the leader's own loops.
    pub fence: Option<Fence>,
    /// What must hold when the write is applied, on keys that it writes or merely depends on.
    pub preconditions: Vec<Precondition>,
    /// The changes, in the order in which they take revisions. A key may stand here once.
    pub changes: Vec<Change>,
    /// What few writes say; it travels in [`ProposalKind::LinkedWrite`].
    #[serde(skip)]
    pub links: Option<Box<Links>>,
    /// Versions of the past whose content the write takes away for good; they travel in
    /// [`ProposalKind::Excise`].
    #[serde(skip)]
    pub excised: Vec<Excised>,
}

/// A version of the past whose content is taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excised {
    /// The object.
    pub key: ObjectKey,
    /// The revision that the version took.
    pub revision: Revision,
}

/// A condition on one key of the write's branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Precondition {
    /// The key.
    pub key: ObjectKey,
    /// What must hold of it.
    pub expect: Expectation,
}

/// What a precondition expects of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expectation {
    /// No object is stored there.
    Absent,
    /// Some object is stored there.
    Present,
    /// The object stored there has this revision.
    At(Revision),
}

/// One object's change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Store an object.
    Put {
        /// Where.
        key: ObjectKey,
        /// JSON in which `metadata.resourceVersion` is the empty string `""`.
        body: Bytes,
        /// Offset in `body` just after the opening quote of that empty string.
        version_offset: u32,
        /// The parsed index of `body`.
        index: ObjectIndex,
        /// Salt for the content hash, for secrets.
        salt: Option<[u8; 16]>,
    },
    /// Remove an object.
    Delete {
        /// Where.
        key: ObjectKey,
    },
}

impl Change {
    /// The key that changes.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Change::Put { key, .. } | Change::Delete { key } => key,
        }
    }
}

/// What travels through the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Identifies the attempt for deduplication.
    pub request_id: RequestId,
    /// The proposer's applied log index when it first proposed this; a proposal older than the
    /// window of remembered request ids is rejected as expired.
    pub made_at: u64,
    /// What to do.
    pub kind: ProposalKind,
}

/// The kinds of entries that change replicated state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProposalKind {
    /// A commit.
    Write(Write),
    /// Advances the cluster clock (invariant 8) by so many milliseconds of the leader's
    /// monotonic time.
    Tick {
        /// Milliseconds since the leader's last tick.
        elapsed_ms: u64,
    },
    /// [`ProposalKind::LinkedWrite`] as logs have it from before branches began at branches.
    LinkedToMain(Write, LinksOfMain),
    /// A leader's own: raises the floors as far as they may rise, and notes where the cluster
    /// clock is.
    Retain {
        /// The term of the leader.
        fence: Fence,
        /// The floors asked for.
        floors: Floors,
    },
    /// A commit to main that also takes versions of the past away.
    Excise(Write, Vec<Excised>),
    /// A commit that has to do with branches.
    LinkedWrite(Write, Links),
    /// A leader's own: raises the group's feature level by one.
    RaiseLevel {
        /// The term of the leader.
        fence: Fence,
        /// The new level.
        level: FeatureLevel,
    },
    /// A leader's own: records which builds the members run, in place of what was recorded.
    RecordBuilds {
        /// The term of the leader.
        fence: Fence,
        /// In the order of the nodes.
        builds: Vec<MemberBuild>,
    },
}

impl ProposalKind {
    /// The feature level that the group must have reached for the leader to append this: members
    /// of builds that support a lower one only cannot decode it (invariant 2).
    pub fn needs(&self) -> FeatureLevel {
        match self {
            ProposalKind::Write(_)
            | ProposalKind::Tick { .. }
            | ProposalKind::LinkedToMain(..)
            | ProposalKind::Retain { .. }
            | ProposalKind::Excise(..)
            | ProposalKind::LinkedWrite(..) => FeatureLevel::FIRST,
            // The leader asks all members first; whoever has an earlier build must not see it.
            ProposalKind::RaiseLevel { level, .. } => FeatureLevel(level.0.saturating_sub(1)),
            ProposalKind::RecordBuilds { .. } => FeatureLevel::MEMBER_BUILDS,
        }
    }

    /// Whether only the leader itself proposes such a thing, and never for another member.
    pub fn is_leaders_own(&self) -> bool {
        matches!(self, ProposalKind::RaiseLevel { .. } | ProposalKind::RecordBuilds { .. })
    }
}

impl From<Write> for ProposalKind {
    fn from(mut write: Write) -> Self {
        let excised = std::mem::take(&mut write.excised);
        match write.links.take() {
            _ if !excised.is_empty() => ProposalKind::Excise(write, excised),
            Some(links) => ProposalKind::LinkedWrite(write, *links),
            None => ProposalKind::Write(write),
        }
    }
}

/// The answer of `apply`, the same on every replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The write is a commit.
    Committed(Committed),
    /// Nothing changed.
    Rejected(Rejection),
    /// A tick (or another entry without a commit) took effect.
    Done,
}

/// A landed commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Its id.
    pub id: CommitId,
    /// Revision of the first change; the n-th change has `first + n`.
    pub first: Revision,
    /// Revision of the last change.
    pub last: Revision,
}

/// Why a proposal changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Rejection {
    /// A precondition does not hold.
    #[error("precondition {at} on {key} does not hold: found {found:?}")]
    Precondition {
        /// Its place in the proposal.
        at: u32,
        /// Its key.
        key: ObjectKey,
        /// The revision found there, `None` when nothing is stored.
        found: Option<Revision>,
    },
    /// The proposal is older than the memory of request ids.
    #[error("the proposal is too old to be applied safely")]
    Expired,
    /// A leader's own write whose term has passed.
    #[error("fenced: written for term {written}, applied in term {current}")]
    Fenced {
        /// The term of the writer.
        written: u64,
        /// The term of the log entry.
        current: u64,
    },
    /// The splice offset of a change does not point at an empty `resourceVersion`, a key
    /// stands twice, a delete names an absent object, or a limit is passed.
    #[error("malformed proposal: {0}")]
    Malformed(String),
    /// The branch to be written or merged is gone, or has moved meanwhile.
    #[error("{0}")]
    Branch(BranchProblem),
}

/// Why a write that has to do with a branch changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BranchProblem {
    /// There is no such branch, or none any more.
    #[error("the branch is gone")]
    Gone,
    /// Something else than a branch begins with the write, or it is not main that is written.
    #[error(
        "branches and excisions are made by themselves, and on the live state of the cluster only"
    )]
    NotHere,
    /// The branch has another newest commit than the one to be merged.
    #[error("the branch has moved to revision {0}")]
    Moved(Revision),
}
