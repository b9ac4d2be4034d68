//! Why something cannot be done to a disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why something cannot be done to a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// This machine lacks what a fault needs; the run goes on without that fault.
    #[error("cannot {attempt} here: {need}")]
    Cannot {
        /// What was attempted.
        attempt: &'static str,
        /// What it needs, such as a package or a permission.
        need: String,
    },
    /// The system refused.
    #[error("cannot {attempt} {path}", path = path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A member's folder does not hold what a fault needs.
    #[error("cannot damage {path}: {why}", path = path.display())]
    NothingThere {
        /// The file or folder.
        path: PathBuf,
        /// What is missing.
        why: &'static str,
    },
}

impl DiskError {
    /// Gives an error of the system its place.
    pub(super) fn io(
        attempt: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> DiskError {
        let path = path.as_ref().to_owned();
        move |source| DiskError::Io { attempt, path, source }
    }
}
