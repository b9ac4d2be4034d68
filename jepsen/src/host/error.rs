//! Why members cannot be started, stopped or reached.

use crate::client::ClientError;
use crate::clock::ClockError;
use crate::disk::DiskError;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// What went wrong with a member or with its place.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A member's disk could not be used.
    #[error("a member's disk could not be used")]
    Disk(#[from] DiskError),
    /// These hosts cannot be had on this machine; others may do.
    #[error("{hosts} hosts cannot be had here: {what}")]
    Unavailable {
        /// Their name.
        hosts: &'static str,
        /// What is missing, and how to get it.
        what: String,
    },
    /// A file or folder of a member cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A member's process did not start.
    #[error("cannot start {name}")]
    Start {
        /// Which member.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A member ended by itself.
    #[error("{name} ended by itself ({status}); its log is {}", log.display())]
    Ended {
        /// Which member.
        name: String,
        /// How.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
    },
    /// A member runs already, or does not run.
    #[error("{name} {state}")]
    State {
        /// Which member.
        name: String,
        /// `runs already`, `does not run`
        state: &'static str,
    },
    /// A command of the program failed.
    #[error("`reddwarf {command}` failed: {said}")]
    Command {
        /// Its arguments, or what it was for.
        command: String,
        /// What it said.
        said: String,
    },
    /// A signal could not be sent.
    #[error("cannot signal {name}")]
    Signal {
        /// Which member.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something did not come true in time.
    #[error("{name} {what} within {seconds} s")]
    Late {
        /// Which member.
        name: String,
        /// `is not ready`, `does not end`
        what: &'static str,
        /// How long it had.
        seconds: u64,
    },
    /// A member's clock cannot be put in place.
    #[error("a member's clock cannot be put in place")]
    Clock(#[from] ClockError),
    /// The group's certificates cannot be used.
    #[error("the group's certificates cannot be used")]
    Client(#[from] ClientError),
}

impl HostError {
    /// For `map_err` of an operation on `path`.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> HostError {
        let path = path.into();
        move |source| HostError::File { path, source }
    }
}
