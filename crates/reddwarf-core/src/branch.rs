//! Branches: lines of commits beside main.
//!
//! A branch begins at a commit of main and shows main's state there, but for what it changed
//! itself; only that is held. The state at its base never changes, so whoever reads a branch takes
//! it from the history (see [`crate::History::state_at`]), and whoever writes one says what the
//! base holds (see [`BaseObject`]): `apply` need not know.

use crate::{CommitId, ObjectKey, Revision, StoredObject};
use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The collection, `group/resource`, in which main keeps one object for each branch: who removes
/// the object removes the branch.
pub const BRANCHES: &str = "history.reddwarf.dev/branches";

/// A line of commits. Zero is `main`; a number is never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct BranchId(pub u32);

impl BranchId {
    /// The live line.
    pub const MAIN: BranchId = BranchId(0);
}

/// A commit and what is needed to go on from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitPoint {
    /// Its id.
    pub commit: CommitId,
    /// Its last revision.
    pub revision: Revision,
    /// Its time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Where a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRef {
    /// Its number.
    pub id: BranchId,
    /// The commit of main at which it began.
    pub base: CommitPoint,
    /// Its newest commit; the base before its first.
    pub head: CommitPoint,
    /// What the newest merge took: a commit of the branch that main has merged, or one of main that
    /// the branch has.
    pub merged: Option<CommitPoint>,
}

impl BranchRef {
    /// The merge base of the branch and main: their newest common commit, of which every other one
    /// is an ancestor.
    ///
    /// That is what the newest merge took, since a merge takes all that its side had, and each knows
    /// of the one before: main merges the newest commit of the branch, and the branch a commit of
    /// main that is no older than main's last merge of it.
    pub fn merge_base(&self) -> CommitPoint {
        self.merged.unwrap_or(self.base)
    }
}

/// What a branch made of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchChange {
    /// The revision that the newest change of the key took.
    pub revision: Revision,
    /// The object; `None` when the branch removed it.
    pub object: Option<Arc<StoredObject>>,
}

/// A branch with what it changed; cheap to clone and to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// Where it stands.
    pub at: BranchRef,
    /// The newest change of each key that it ever changed.
    pub changes: OrdMap<ObjectKey, BranchChange>,
}

/// What the base of a branch holds at a key, as the proposing member has read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseObject {
    /// The key.
    pub key: ObjectKey,
    /// The revision of the object that is stored there.
    pub revision: Revision,
    /// The revision that created it.
    pub created: Revision,
}

/// What a write has to do with branches, beyond its changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// For a write to a branch: the objects of its base among the keys that are changed or named
    /// by preconditions. What is missing here does not exist in the base.
    pub base: Vec<BaseObject>,
    /// For the creation of an object of [`BRANCHES`]: where the branch begins. For a write to a
    /// branch that takes in main: their merge base ([`BranchRef::merge_base`]), as the proposer
    /// has read it.
    pub begins: Option<CommitPoint>,
    /// For a write to main that takes in a branch: which, and up to which commit, that has to be
    /// its newest one. For a write to a branch that takes in main: main, and up to which commit.
    pub merges: Option<(BranchId, CommitPoint)>,
}

impl Links {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Links::default()
    }

    /// What the base holds at `key`.
    pub fn base_object(&self, key: &ObjectKey) -> Option<&BaseObject> {
        self.base.iter().find(|object| object.key == *key)
    }
}
