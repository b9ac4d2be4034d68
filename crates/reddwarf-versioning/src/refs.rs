//! Names of commits: where a branch stands, and where kept history begins.

use reddwarf_core::{CommitId, Revision};
use serde::{Deserialize, Serialize};

/// The newest commit of a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its id.
    pub commit: CommitId,
    /// Its last revision.
    pub revision: Revision,
    /// Its time, milliseconds since the Unix epoch; the next commit's is not earlier.
    pub time_ms: u64,
    /// The revision of main from which the branch began and below which its reads fall
    /// through; zero for main itself.
    pub base: Revision,
}

/// What stands for the commit headers below the retention floor (invariant 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The newest commit that is no longer kept.
    pub commit: CommitId,
    /// Its last revision: the floor.
    pub revision: Revision,
    /// The state root after it.
    pub root: [u8; 32],
}
