//! Keeping a damaged data file for the operator.

use crate::files::{DataFiles, FileSystem, put_in_place, remove_left_over};
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
    set_aside_in(&FileSystem, path)
}

/// Like [`set_aside`], wherever the file is.
///
/// # Errors
/// As the system has it.
pub fn set_aside_in(files: &dyn DataFiles, path: &Path) -> io::Result<()> {
    match put_in_place(files, path, &damaged_copy(path)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

/// Keeps the file under both names, until another one takes the place of the first: a crash in
/// between leaves one there in any case.
pub(crate) fn keep(files: &dyn DataFiles, path: &Path) -> io::Result<()> {
    let kept = damaged_copy(path);
    remove_left_over(files, &kept)?;
    files.link(path, &kept)
}
