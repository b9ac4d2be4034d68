//! Log entries as `apply` sees them, and what it answers.

use crate::LandedCommit;
use bytes::Bytes;
use reddwarf_core::{BranchId, Excised, ObjectKey, Outcome};
use serde::{Deserialize, Serialize};

/// Where an entry stands in the replicated log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EntryContext {
    /// Position in the log; grows by at least one from entry to entry.
    pub index: u64,
    /// Raft term in which the entry was appended.
    pub term: u64,
    /// Node id of the leader that appended it. Kept with the durable log id, of no effect on
    /// what `apply` does.
    pub leader: u64,
}

/// What one entry did.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The entry.
    pub entry: EntryContext,
    /// The answer for whoever proposed it, the same on every member.
    pub outcome: Outcome,
    /// The commit that it made, with the changes for watchers.
    pub commit: Option<LandedCommit>,
    /// The answer as it is now remembered; `None` for a repeated or an expired proposal.
    pub remembered: Option<RememberedRequest>,
    /// Keys of removed branches that are held no longer.
    pub collected: Vec<(BranchId, ObjectKey)>,
    /// Versions of the past whose content is taken away.
    pub excised: Vec<Excised>,
}

impl Applied {
    /// An entry that changed nothing but the applied index.
    pub(crate) fn nothing(entry: EntryContext, outcome: Outcome) -> Self {
        Applied {
            entry,
            outcome,
            commit: None,
            remembered: None,
            collected: Vec::new(),
            excised: Vec::new(),
        }
    }
}

/// One row of the request memory, encoded once for the hash and for the disk.
#[derive(Clone, Debug)]
pub struct RememberedRequest {
    /// The entry's index, which is the row's key.
    pub index: u64,
    /// The record: a [`crate::RequestRow`] through the codec.
    pub record: Bytes,
}

/// Why this replica must stop: its log or its state is not what the group agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// An entry came twice or before its predecessor.
    #[error("entry {got} arrived after entry {applied} was applied")]
    OutOfOrder {
        /// The newest applied entry.
        applied: u64,
        /// The entry that arrived.
        got: u64,
    },
}
