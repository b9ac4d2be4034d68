//! What a data file must be to be opened.

use crate::{DataFiles, FileSystem};
use reddwarf_core::{FeatureLevel, FeatureLevels};
use std::path::PathBuf;
use std::sync::Arc;

/// How a data file is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Memory that the file's pages may take.
    pub cache_bytes: usize,
    /// The cluster to which the data belongs; a file of another one is refused.
    pub cluster: String,
    /// The feature levels that are supported; a file of a group at another one is refused.
    pub levels: FeatureLevels,
    /// Where the file is, and those beside it that take its place.
    pub files: Arc<dyn DataFiles>,
}

impl StoreOptions {
    /// The usual cache of 16 MiB over the file system.
    pub fn new(cluster: impl Into<String>) -> Self {
        StoreOptions {
            cache_bytes: 16 * 1024 * 1024,
            cluster: cluster.into(),
            levels: FeatureLevels::OF_THIS_BUILD,
            files: Arc::new(FileSystem),
        }
    }
}

impl OpenError {
    /// Whether the file holds something else than was written, as opposed to the wrong file or
    /// a system that refuses.
    pub fn is_damage(&self) -> bool {
        matches!(self, OpenError::Damaged { .. })
    }
}

/// What to do about a file of a level that is not supported.
fn level_remedy(level: FeatureLevel, supported: FeatureLevels) -> &'static str {
    match level > supported.newest {
        true => "start a version of reddwarf that supports it: there is no way back below a level",
        false => "start the version before this one, which raises the level of the group",
    }
}

/// Why a data file was refused. Each text names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "{path} is in use by another process; stop that process, or give this node another data folder",
        path = path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or no data file at all.
    #[error(
        "{path} is damaged ({reason}); a member makes it anew from its whole log or from another member, and one that can do neither needs the file back",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that showed.
        reason: String,
    },
    /// A newer version of Reddwarf wrote it.
    #[error(
        "{path} has format version {found}, this build reads up to {known}; start the newer version of reddwarf that wrote it",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this build reads.
        known: u32,
    },
    /// It is of a group at a feature level that this build does not support.
    #[error(
        "{path} is of a group at feature level {level}, this build supports {supported}; {remedy}",
        path = path.display(),
        remedy = level_remedy(*level, *supported)
    )]
    Level {
        /// The file.
        path: PathBuf,
        /// In the file.
        level: FeatureLevel,
        /// By this build.
        supported: FeatureLevels,
    },
    /// It belongs to another cluster.
    #[error(
        "{path} belongs to cluster {found}, this node is configured for {expected}; give it the data folder of its own cluster",
        path = path.display()
    )]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// In the file.
        found: String,
        /// In the configuration.
        expected: String,
    },
    /// The file system refused.
    #[error("{path} cannot be opened", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
