//! Why a run could not be done.

use crate::client::ClientError;
use crate::host::HostError;
use crate::workload::StageError;
use std::io;
use std::path::PathBuf;

/// What went wrong with a run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the run's folder cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The members could not be started.
    #[error("the members could not be started")]
    Host(#[from] HostError),
    /// A workload could not begin.
    #[error("a workload could not begin")]
    Stage(#[from] StageError),
    /// The servers' certificates cannot be used.
    #[error("the servers cannot be asked")]
    Client(#[from] ClientError),
}

impl RunError {
    /// For `map_err` of an operation on `path`.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> RunError {
        let path = path.into();
        move |source| RunError::File { path, source }
    }
}
