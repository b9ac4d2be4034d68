//! Keeping a damaged data file for the operator.

use crate::redb_store::sync_folder;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Where the damaged file of `path` is kept; there is one, the newest.
pub fn damaged_copy(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".damaged");
    name.into()
}

/// Moves the file away, if it is there.
///
/// # Errors
/// As the system has it.
pub fn set_aside(path: &Path) -> io::Result<()> {
    match std::fs::rename(path, damaged_copy(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

/// Keeps the file under both names, until another one takes the place of the first: a crash in
/// between leaves one there in any case.
pub(crate) fn keep(path: &Path) -> io::Result<()> {
    let kept = damaged_copy(path);
    match std::fs::remove_file(&kept) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::hard_link(path, kept)
}
