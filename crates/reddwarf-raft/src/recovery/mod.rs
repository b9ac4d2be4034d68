//! New groups out of what is left of an old one: a backup, or the data folder of one member.
//!
//! What is prepared is a data folder as a member of the new group has it that has just installed a
//! snapshot: the state, whose membership is the new one, a log that was purged up to it, and a vote.
//! Members of the new group have Raft ids that the old one never had, so that what is left of that one
//! and comes back is refused by everybody.
//!
//! A folder changes in steps that are repeated after a crash: all is made in `recovering/` beside
//! what is there, and then each part takes the old one's place, which is kept.

mod compare;
mod disk;
mod prepare;
mod swap;

pub use compare::{Comparison, LogView, Standing, compare};
pub use disk::MemberDisk;
pub use prepare::{NewGroup, Recovered, force_new_group, from_backup, resume};
pub(crate) use swap::is_unfinished;

use crate::error::StartError;
use crate::wal::WalOpenError;
use reddwarf_storage::{BackupError, KvError, LoadError, OpenError, PersistFailure, SnapshotError};
use reddwarf_versioning::NoRevisions;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no new group.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The system refused.
    #[error("{attempt} {path}", path = path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The folder holds a member's data already.
    #[error("{path} holds the data of a member", path = .0.display())]
    InUse(PathBuf),
    /// The folder holds no member's data.
    #[error("{path} is no data folder of a member: {reason}", path = path.display())]
    NoMember {
        /// The folder.
        path: PathBuf,
        /// What shows it.
        reason: String,
    },
    /// The folder is of another group.
    #[error("{path} belongs to cluster {found}, not to {expected}", path = path.display())]
    OtherCluster {
        /// The folder.
        path: PathBuf,
        /// Its group.
        found: String,
        /// The configured one.
        expected: String,
    },
    /// The log cannot be read.
    #[error("its log")]
    Wal(#[source] WalOpenError),
    /// The log does not lead on from the state.
    #[error("the log holds no entry {index}, but ends at {last}")]
    Gap {
        /// The entry after the state.
        index: u64,
        /// The last entry.
        last: u64,
    },
    /// The backup, or the state, cannot be trusted.
    #[error(transparent)]
    State(#[from] BackupError),
    /// The state's file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file holds no state.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state cannot be read or written.
    #[error(transparent)]
    Store(#[from] KvError),
    /// The state cannot be copied.
    #[error(transparent)]
    Copy(#[from] SnapshotError),
    /// The new state was not written.
    #[error(transparent)]
    Persist(#[from] PersistFailure),
    /// An entry of the log cannot be applied.
    #[error("entry {index} of the log cannot be applied")]
    Apply {
        /// The entry.
        index: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Revisions would run out.
    #[error(transparent)]
    Margin(#[from] NoRevisions),
    /// The membership does not encode or decode.
    #[error("{0}")]
    Membership(String),
    /// The identity cannot be read.
    #[error(transparent)]
    Identity(#[from] StartError),
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecoverError {
    let path = path.to_owned();
    move |source| RecoverError::Io { attempt, path, source }
}
