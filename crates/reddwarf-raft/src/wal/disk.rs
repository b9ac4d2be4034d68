//! The few file operations that the log needs, behind a trait so that tests can make them fail.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Files as the writer of the log uses them.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file of `len` bytes, all zero, whose space is reserved; empties it when it is there.
    ///
    /// # Errors
    /// `ENOSPC` (or `EDQUOT`) when there is no room; the file is gone then.
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<File>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the system has it.
    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once the file's written bytes are on disk.
    ///
    /// # Errors
    /// Any error is final: the kernel may have dropped the bytes.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name in the same folder, in the place of the file that has it.
    ///
    /// # Errors
    /// As the system has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the system has it.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the creation, renaming and removal of files in `dir` durable.
    ///
    /// # Errors
    /// As the system has it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// Writes a small file, which is durable once it and its folder are synced.
///
/// # Errors
/// As the disk has it.
pub fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<File> {
    let file = disk.preallocate(path, 0)?;
    disk.write_at(&file, 0, bytes)?;
    Ok(file)
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileDisk;

impl Disk for FileDisk {
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<File> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        if len == 0 {
            return Ok(file);
        }
        if let Err(error) = reserve(&file, len).and_then(|()| file.sync_all()) {
            drop(file);
            std::fs::remove_file(path)?;
            return Err(error);
        }
        Ok(file)
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// Reserves space by the file system's own means, by writing zeros where it has none.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, len) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; 1024 * 1024];
    let mut at = 0;
    while at < len {
        let part = zeros.len().min((len - at) as usize);
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    Ok(())
}

/// Whether an error means that the disk has no room.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
