//! Where kept history begins.

use reddwarf_core::{CommitId, Revision};
use serde::{Deserialize, Serialize};

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
