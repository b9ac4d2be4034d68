//! Reads the past from the tables: what [`reddwarf_core::History`] asks of the durable state.
//!
//! Commits are found through `commits` and `commit_ids`, versions of an object through `history`,
//! whose rows of one object stand together in the order of their revisions. Rows of the past never
//! change, so an operation that reads many of them takes several short read transactions, and the
//! file can reuse its space meanwhile; each one checks the floor again, which may have moved.

mod changes;
mod commits;
mod objects;
mod usage;
mod verify;

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;

pub use usage::{KindUsage, RowsUsage, Usage};
pub use verify::Verified;

use crate::commit_row::{CommitRow, CommitRows};
use crate::load::{branches_of, standing_of};
use crate::{KvError, KvRead, KvStore};
use reddwarf_core::{BranchId, Collection, CommitPoint, HistoryError, ObjectKey, Revision};
use reddwarf_versioning::{BranchTable, Checkpoint};
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
        let checkpoint = standing_of(read.as_ref())?;
        Ok(Reading { read, checkpoint, rows: CommitRows::default() })
    }
}

/// One read transaction, and what the file says of itself in it.
struct Reading {
    read: Box<dyn KvRead>,
    /// Without the branches, see [`Reading::branches`].
    checkpoint: Checkpoint,
    rows: CommitRows,
}

impl Reading {
    fn floor(&self) -> Revision {
        self.checkpoint.anchor.map_or(Revision::ZERO, |anchor| anchor.revision)
    }

    fn head(&self, branch: BranchId) -> Result<CommitPoint, HistoryError> {
        match branch {
            BranchId::MAIN => Ok(self.checkpoint.head),
            _ => {
                let branches = self.branches()?;
                let found = branches.find(branch);
                found.map(|at| at.head).ok_or(HistoryError::NoBranch(branch))
            }
        }
    }

    fn branches(&self) -> Result<Arc<BranchTable>, KvError> {
        let stored = branches_of(self.read.as_ref())?;
        Ok(stored.map_or_else(|| self.checkpoint.branches.clone(), Arc::new))
    }

    /// Whether main's object at `key` is kept as of `asked`.
    fn check_key(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        asked: Revision,
    ) -> Result<(), HistoryError> {
        match self.checkpoint.floors.of_key(key) {
            floor if branch == BranchId::MAIN && asked < floor => {
                Err(HistoryError::Gone { asked, floor })
            }
            _ => Ok(()),
        }
    }

    /// Whether main's objects of a collection are kept as of `asked`.
    fn check_collection(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        asked: Revision,
    ) -> Result<(), HistoryError> {
        match self.checkpoint.floors.of_collection(collection, namespace) {
            floor if branch == BranchId::MAIN && asked < floor => {
                Err(HistoryError::Gone { asked, floor })
            }
            _ => Ok(()),
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
        let covering = self.first_from(asked)?.and_then(CommitRow::commit);
        let covering = covering.map(|commit| commit.header);
        let covering = covering.filter(|header| header.branch == branch && header.first <= asked);
        Ok(covering.map_or(asked, |header| header.last))
    }
}

impl From<KvError> for HistoryError {
    fn from(error: KvError) -> Self {
        HistoryError::Unreadable(Box::new(error))
    }
}
