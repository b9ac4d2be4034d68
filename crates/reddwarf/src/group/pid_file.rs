//! Files that hold the id of a running process.
//!
//! The process keeps the file locked while it lives, so that a file left behind by a killed
//! one is told from a live one's even when its id has been given to another process.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// This process's own pid file; removed when dropped.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    _locked: File,
}

impl PidFile {
    /// Writes this process's id to `path` and locks the file.
    ///
    /// # Errors
    /// `AddrInUse` when another live process holds it, or what the file system answers.
    pub fn hold(path: &Path) -> io::Result<PidFile> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        writeln!(file, "{}", std::process::id())?;
        Ok(PidFile { path: path.into(), _locked: file })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that cannot be removed is recognized by its missing lock.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The id in the file at `path`, when the process that wrote it lives.
///
/// # Errors
/// What the file system answers, other than that the file does not exist.
pub fn running_pid(path: &Path) -> io::Result<Option<i32>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => return Ok(None),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_file_names_a_running_process_and_a_stale_one_none() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("pid");
        assert_eq!(running_pid(&path).expect("absent"), None);
        let held = PidFile::hold(&path).expect("held");
        assert_eq!(running_pid(&path).expect("read"), Some(std::process::id() as i32));
        let second = PidFile::hold(&path).expect_err("held twice");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(held);
        assert!(!path.exists());
        std::fs::write(&path, "1\n").expect("a killed process left it");
        assert_eq!(running_pid(&path).expect("read"), None);
    }
}
