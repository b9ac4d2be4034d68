//! Reads the past from the tables: what [`reddwarf_core::History`] asks of the durable state.
//!
//! Commits are found through `commits` and `commit_ids`, versions of an object through `history`,
//! whose rows of one object stand together in the order of their revisions. Rows of the past never
//! change, so an operation that reads many of them takes several short read transactions, and the
//! file can reuse its space meanwhile; each one checks the floor again, which may have moved.

mod changes;
mod commits;
mod objects;
mod verify;

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;

pub use verify::Verified;

use crate::load::checkpoint_of;
use crate::{KvError, KvRead, KvStore};
use reddwarf_core::{BranchId, CommitPoint, HistoryError, Revision};
use reddwarf_versioning::Checkpoint;
use std::sync::Arc;

/// Rows that one read transaction covers.
const READ_ROWS_MAX: usize = 1_000;
/// About how many bytes of values one read transaction covers.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads the past from a file; every operation blocks on the disk and tells what the file holds,
/// which may be less than what was applied.
#[derive(Clone, Debug)]
pub struct HistoryReader {
    store: Arc<dyn KvStore>,
}

impl HistoryReader {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn KvStore>) -> Self {
        HistoryReader { store }
    }

    /// See [`reddwarf_core::History::floor`].
    ///
    /// # Errors
    /// [`HistoryError::Unreadable`].
    pub fn floor(&self) -> Result<Revision, HistoryError> {
        Ok(self.begin()?.floor())
    }

    fn begin(&self) -> Result<Reading, KvError> {
        let read = self.store.read()?;
        let checkpoint = checkpoint_of(read.as_ref())?;
        Ok(Reading { read, checkpoint })
    }
}

/// One read transaction, and what the file says of itself in it.
struct Reading {
    read: Box<dyn KvRead>,
    checkpoint: Checkpoint,
}

impl Reading {
    fn floor(&self) -> Revision {
        self.checkpoint.anchor.map_or(Revision::ZERO, |anchor| anchor.revision)
    }

    fn head(&self, branch: BranchId) -> Result<CommitPoint, HistoryError> {
        match branch {
            BranchId::MAIN => Ok(self.checkpoint.head),
            _ => {
                let found = self.checkpoint.branches.find(branch);
                found.map(|at| at.head).ok_or(HistoryError::NoBranch(branch))
            }
        }
    }

    fn check_kept(&self, asked: Revision) -> Result<(), HistoryError> {
        let (floor, current) = (self.floor(), self.checkpoint.revision);
        match asked {
            _ if asked < floor => Err(HistoryError::Gone { asked, floor }),
            _ if asked > current => Err(HistoryError::Future { asked, current }),
            _ => Ok(()),
        }
    }

    /// The revision at which a state of `branch` is read when `asked` was asked for.
    fn resolve(&self, branch: BranchId, asked: Revision) -> Result<Revision, HistoryError> {
        self.head(branch)?;
        self.check_kept(asked)?;
        let covering = self.first_from(asked)?.map(|commit| commit.header);
        let covering = covering.filter(|header| header.branch == branch && header.first <= asked);
        Ok(covering.map_or(asked, |header| header.last))
    }
}

impl From<KvError> for HistoryError {
    fn from(error: KvError) -> Self {
        HistoryError::Unreadable(Box::new(error))
    }
}
