//! The seam to the files that hold rows: where a running member's data files are, and what makes
//! changes of their names durable.
//!
//! The file system is what members use. A simulated disk takes its place where a group runs in one
//! thread and loses power at chosen points.

use redb::{Database, DatabaseError, StorageBackend};
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The bytes of one open file.
pub trait DataFile: Debug + Send + Sync + 'static {
    /// Its length.
    ///
    /// # Errors
    /// As the system has it; so with all others here.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Also when the file ends before.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`; the file becomes longer where they end behind it.
    ///
    /// # Errors
    /// [`ErrorKind::StorageFull`] when there is no room.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file, or makes it longer by zeros.
    ///
    /// # Errors
    /// [`ErrorKind::StorageFull`] when there is no room.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Returns once all that was written is on disk.
    ///
    /// # Errors
    /// Any error is final: the bytes may be lost.
    fn sync_data(&self) -> io::Result<()>;
}

/// Data files by their paths. Changes of names are durable after [`DataFiles::sync_dir`], and may
/// be lost by a crash before.
pub trait DataFiles: Debug + Send + Sync + 'static {
    /// Opens a file, and creates it when it is missing. `None` leaves both, and keeping others from
    /// the file, to redb.
    ///
    /// # Errors
    /// As the system has it; so with all others here.
    fn open(&self, path: &Path) -> io::Result<Option<Box<dyn DataFile>>>;

    /// Gives a file another name; one that has it already is gone then.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when a file has it already.
    fn link(&self, path: &Path, also: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns once all changes of names in a folder are on disk.
    ///
    /// # Errors
    /// As the system has it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl DataFiles for FileSystem {
    fn open(&self, _: &Path) -> io::Result<Option<Box<dyn DataFile>>> {
        Ok(None)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, path: &Path, also: &Path) -> io::Result<()> {
        std::fs::hard_link(path, also)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::File::open(dir)?.sync_all()
    }
}

/// [`DataFiles::remove`], also when there is no such file.
pub(crate) fn remove_left_over(files: &dyn DataFiles, path: &Path) -> io::Result<()> {
    match files.remove(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts a file in the place of another in the same folder, durably.
pub(crate) fn put_in_place(files: &dyn DataFiles, from: &Path, to: &Path) -> io::Result<()> {
    files.rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    files.sync_dir(folder.unwrap_or(Path::new(".")))
}

/// Opens a database for a member that runs.
pub(crate) fn open_database_file(
    files: &dyn DataFiles,
    path: &Path,
    cache_bytes: usize,
) -> Result<Database, DatabaseError> {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    let shown = path.display().to_string();
    builder.set_repair_callback(move |session| {
        tracing::warn!(file = shown, progress = session.progress(), "repairing the data file");
    });
    match files.open(path).map_err(|error| DatabaseError::Storage(error.into()))? {
        None => builder.create(path),
        Some(file) => builder.create_with_backend(Backend(file)),
    }
}

/// A file as redb wants it.
#[derive(Debug)]
struct Backend(Box<dyn DataFile>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len_bytes()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}
