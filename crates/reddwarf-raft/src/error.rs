//! Why a node does not start, or does not go on.

use crate::peer::Refused;
use crate::wal::WalOpenError;
use reddwarf_core::{FeatureLevel, FeatureLevels};
use std::path::PathBuf;

/// Why a running node cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Raft or the disk has failed.
    #[error("{0}")]
    Broken(String),
    /// The group knows the node by another data folder.
    #[error(
        "the group knows this member by another data directory: the one here is new or was \
         replaced. A member that has forgotten its votes may not vote again under its id"
    )]
    Replaced,
    /// The group does not know the node.
    #[error(
        "this node is no member of the group: it has not joined, was removed, or another one has \
         taken its place"
    )]
    Removed,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Replaced => Failure::Replaced,
            Refused::Removed => Failure::Removed,
        }
    }
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error("configuration: {0}")]
    Config(String),
    /// The data folder cannot be made or read.
    #[error("data folder {path}")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The data folder belongs to another node or group.
    #[error("data folder {path} belongs to {found}, this node is {expected}")]
    Identity {
        /// The folder.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who is starting.
        expected: String,
    },
    /// The log cannot be used.
    #[error("write-ahead log")]
    Wal(#[source] WalOpenError),
    /// The durable state cannot be used.
    #[error("durable state {path}: {reason}")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The durable state is of a group at a feature level that this build does not support.
    #[error("{reason}")]
    Level {
        /// The file.
        path: PathBuf,
        /// The group's.
        level: FeatureLevel,
        /// By this build.
        supported: FeatureLevels,
        /// The same in words, and what to do.
        reason: String,
    },
    /// The durable state holds something else than was written.
    #[error("durable state {path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that showed.
        reason: String,
    },
    /// The log and the durable state do not belong together.
    #[error("{path}: {problem}; {remedy}")]
    Apart {
        /// The file or folder that is not the one it was.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Raft refused to start.
    #[error("raft: {0}")]
    Raft(String),
}
