//! Revisions that were told by a group that is gone.

use crate::Revision;
use serde::{Deserialize, Serialize};

/// Revisions that a group may have given out before it was lost, after what its successor goes on
/// from. They are never given out again, and whoever has seen one has seen a state that is not in
/// the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The last revision that is kept.
    pub after: Revision,
    /// The revision from which the successor counts on; the state there is that of `after`.
    pub through: Revision,
}

impl Lost {
    /// Whether a client that has seen `revision` may have seen what is lost.
    pub fn covers(&self, revision: Revision) -> bool {
        self.after < revision && revision < self.through
    }
}
