//! Branches: lines of commits beside main.
//!
//! A branch begins at a commit of main, or of another branch, and shows the state there, but for what
//! it changed itself; only that is held. The state at its base never changes, so whoever reads a
//! branch takes it from the history (see [`crate::History::state_at`]), and whoever writes one says
//! what the base holds (see [`BaseObject`]): `apply` need not know.

use crate::{CommitId, ObjectKey, Place, Revision, StoredObject};
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

/// A commit of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePoint {
    /// The line.
    pub line: BranchId,
    /// The commit.
    pub at: CommitPoint,
}

impl LinePoint {
    /// A commit of main.
    pub fn of_main(at: CommitPoint) -> LinePoint {
        LinePoint { line: BranchId::MAIN, at }
    }

    /// The commit by its last revision.
    pub fn place(&self) -> Place {
        Place { line: self.line, revision: self.at.revision }
    }
}

/// Where a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRef {
    /// Its number.
    pub id: BranchId,
    /// The line at whose commit it began.
    pub from: BranchId,
    /// That commit.
    pub base: CommitPoint,
    /// Its newest commit; the base before its first.
    pub head: CommitPoint,
}

impl BranchRef {
    /// Its newest state.
    pub fn place(&self) -> Place {
        Place { line: self.id, revision: self.head.revision }
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
    /// For the creation of an object of [`BRANCHES`]: where the branch begins.
    pub begins: Option<LinePoint>,
    /// For a write that takes in another line: up to which commit. Of a branch that has to be the
    /// newest one; main's is no newer than the present one, for main never rests.
    pub merges: Option<LinePoint>,
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

/// [`Links`] as they were while branches began at main and were merged with main only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinksOfMain {
    base: Vec<BaseObject>,
    begins: Option<CommitPoint>,
    merges: Option<(BranchId, CommitPoint)>,
}

impl From<LinksOfMain> for Links {
    fn from(links: LinksOfMain) -> Self {
        let point = |(line, at)| LinePoint { line, at };
        let merges = links.merges.map(point);
        // A merge told here which merge base its proposer had read.
        let begins = links.begins.filter(|_| merges.is_none());
        let begins = begins.map(|at| LinePoint { line: BranchId::MAIN, at });
        Links { base: links.base, begins, merges }
    }
}
