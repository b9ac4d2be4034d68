//! Whether files are others than before.

use crate::config::TlsFiles;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// What tells a file from one that has taken its place; `None` for one that is not there.
type Mark = Option<(u64, u64, SystemTime)>;

/// How the files of a certificate were when they were looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp([Mark; 2]);

impl Stamp {
    /// Of the files as they are now.
    pub fn of(files: &TlsFiles) -> Self {
        Stamp([mark(&files.cert_file), mark(&files.key_file)])
    }
}

fn mark(path: &Path) -> Mark {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.modified().ok()?))
}
