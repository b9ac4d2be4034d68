//! The durable form of the replicated state.
//!
//! - [`KvStore`] is the narrow seam to a transactional key-value file; [`RedbStore`] is the
//!   one over redb. Everything above the seam is tested with a file that fails at every point.
//! - [`DataFiles`] is the seam below it, to the files of a running member; [`FileSystem`] is the usual
//!   one.
//! - [`rows`] lays the state out in tables (`docs/format.md` has it byte by byte).
//! - [`Persister`] writes what `apply` did, behind it, in small durable transactions that carry
//!   the applied index; [`SteppedPersister`] does it when its owner says so, [`InlinePersister`] at
//!   once.
//! - [`RedbStore::open_frozen`] and [`check_pages`] examine a file without changing it.
//! - [`BackupFile`] writes a state to a file of its own and reads it back.
//! - [`HistoryReader`] reads commits and versions of the past.
//! - [`load`] rebuilds the state at start; [`SnapshotReader`] and [`SnapshotWriter`] carry it to
//!   another member.
#![warn(missing_docs)]

mod aside;
mod backup;
mod commit_row;
mod compact;
mod delta;
mod files;
mod frozen;
mod history;
mod kv;
mod load;
mod open;
mod persister;
mod redb_panic;
mod redb_store;
pub mod rows;
mod scrub;
mod snapshot_reader;
mod snapshot_writer;
mod sweep;
mod transaction;
mod version_row;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod faulty_disk;
#[cfg(test)]
mod workload;

pub use aside::{damaged_copy, set_aside, set_aside_in};
pub use backup::{BackupError, BackupFile, BackupSummary, examine_backup};
pub use compact::{Compacted, compact, is_worth_compacting};
pub use files::{DataFile, DataFiles, FileSystem};
pub use frozen::check_pages;
pub use history::{HistoryReader, KindUsage, RowsUsage, Usage, Verified};
pub use kv::{Hold, KvError, KvRead, KvStore, Operation, Table, Visit, WriteBatch};
pub use load::{LoadError, Loaded, load, read_checkpoint};
pub use open::{OpenError, StoreOptions};
pub use persister::{
    ArrivedHook, Due, Durable, InlinePersister, Persist, PersistBatch, PersistFailure,
    PersistStats, Persister, PersisterLimits, ProgressHook, Step, SteppedPersister,
};
pub use redb_panic::catch_redb_panic;
pub use redb_store::RedbStore;
pub use scrub::{Scrub, ScrubPage};
pub use snapshot_reader::{PinnedState, SnapshotReader};
pub use snapshot_writer::{Received, SnapshotError, SnapshotWriter};
pub use sweep::{Sweep, SweepPage};
