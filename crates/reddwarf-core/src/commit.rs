//! Commits of the version DAG.

use crate::{BranchId, ObjectKey, RequestId, Revision};
use serde::{Deserialize, Serialize};
use std::fmt;

/// BLAKE3 of a commit's content and its parents' ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct CommitId(pub [u8; 32]);

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who asked for a write, as the receiving member authenticated it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// User name, e.g. `kubernetes-admin`.
    pub user: String,
    /// Groups of the user.
    pub groups: Vec<String>,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// `fieldManager`, given or derived from the user agent.
    pub field_manager: String,
}

/// One object's part in a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitChange {
    /// The object.
    pub key: ObjectKey,
    /// Its revision before, `None` when the commit creates it.
    pub before: Option<Revision>,
    /// The revision that the change took.
    pub after: Revision,
    /// Whether the change removed the object.
    pub deleted: bool,
    /// BLAKE3 of the stored bytes (salted for secrets); zero for a deletion.
    pub content: [u8; 32],
}

/// What a commit says of itself; its hash is the commit's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitHeader {
    /// Parents, the branch's previous head first; empty for the very first commit.
    pub parents: Vec<CommitId>,
    /// The branch that the commit moved.
    pub branch: BranchId,
    /// First revision of the commit's contiguous range.
    pub first: Revision,
    /// Last revision of the range; lists and bookmarks see the state at this one.
    pub last: Revision,
    /// Milliseconds since the Unix epoch: the later of the parent's and the proposal's.
    pub time_ms: u64,
    /// Who asked.
    pub author: Author,
    /// What was asked: `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Free text that the client gave.
    pub message: Option<String>,
    /// The proposal's id.
    pub request_id: RequestId,
    /// Changed objects in the order of their revisions.
    pub changes: Vec<CommitChange>,
}

/// A commit with its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The hash of the header.
    pub id: CommitId,
    /// What the commit says of itself.
    pub header: CommitHeader,
}
