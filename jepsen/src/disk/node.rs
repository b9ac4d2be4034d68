//! A file or folder that the kernel knows by its number.

use super::survivors::Choice;
use super::unsynced::{Dropped, SyncEnd, Unsynced};
use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

/// A file or folder of the backing folder, open.
#[derive(Debug)]
pub struct Node {
    /// Its number there, which is also the kernel's, but for the root.
    pub ino: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
    /// The backing file.
    pub file: File,
    /// Of a file: what a crash takes back.
    unsynced: Mutex<Unsynced>,
    /// Held by whoever syncs.
    sync_turn: Mutex<()>,
}

impl Node {
    /// Takes an open file or folder.
    ///
    /// # Errors
    /// Its attributes cannot be read.
    pub fn new(file: File) -> io::Result<Node> {
        let metadata = file.metadata()?;
        Ok(Node {
            ino: metadata.ino(),
            is_dir: metadata.is_dir(),
            unsynced: Mutex::new(Unsynced::new(metadata.len())),
            file,
            sync_turn: Mutex::new(()),
        })
    }

    /// Opens what is called `name` in a folder.
    ///
    /// # Errors
    /// As the system has it; a symbolic link is refused.
    pub fn open(dir: &Node, name: &OsStr) -> io::Result<Node> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&dir.file, name, flags, Mode::empty());
        let file = match open(flags | OFlags::RDWR) {
            Err(Errno::ISDIR | Errno::ACCESS) => open(flags | OFlags::RDONLY)?,
            other => other?,
        };
        Node::new(file.into())
    }

    /// Attributes.
    ///
    /// # Errors
    /// As the system has it.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Up to `size` bytes from `offset`.
    ///
    /// # Errors
    /// As the system has it.
    pub fn read(&self, offset: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; size];
        let mut filled = 0;
        while filled < size {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        buffer.truncate(filled);
        Ok(buffer)
    }

    /// Writes all of `data`.
    ///
    /// # Errors
    /// As the system has it; a part may have been written.
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let range = offset..offset + data.len() as u64;
        let mut unsynced = self.unsynced.lock();
        unsynced.before_write(&self.file, range.clone())?;
        let written = self.file.write_all_at(data, offset);
        if written.is_err() {
            unsynced.resized(self.file.metadata()?.len());
        } else {
            unsynced.written(range);
        }
        written
    }

    /// Truncates or extends.
    ///
    /// # Errors
    /// As the system has it.
    pub fn resize(&self, len: u64) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock();
        unsynced.before_resize(&self.file, len)?;
        self.file.set_len(len)?;
        unsynced.resized(len);
        Ok(())
    }

    /// Reserves space.
    ///
    /// # Errors
    /// As the system has it; `EOPNOTSUPP` for what would change bytes.
    pub fn allocate(&self, offset: u64, len: u64, flags: FallocateFlags) -> io::Result<()> {
        if !FallocateFlags::KEEP_SIZE.contains(flags) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let mut unsynced = self.unsynced.lock();
        rustix::fs::fallocate(&self.file, flags, offset, len)?;
        unsynced.resized(self.file.metadata()?.len());
        Ok(())
    }

    /// Makes what was written before durable by `sync`, or whatever that ends in.
    ///
    /// # Errors
    /// Those of `sync`.
    pub fn sync(&self, sync: impl FnOnce(&File) -> (SyncEnd, io::Result<()>)) -> io::Result<()> {
        let _turn = self.sync_turn.lock();
        self.unsynced.lock().begin_sync();
        let (end, result) = sync(&self.file);
        self.unsynced.lock().end_sync(end);
        result
    }

    /// Takes back what was not synced, once a sync in progress has ended.
    ///
    /// # Errors
    /// Those of the backing file.
    pub fn crash(&self, choice: &mut Choice<'_>) -> io::Result<Dropped> {
        let _turn = self.sync_turn.lock();
        self.unsynced.lock().crash(&self.file, choice)
    }

    /// Makes durable what was written.
    pub fn write_back(&self) {
        self.unsynced.lock().write_back();
    }

    /// Whether a crash would change nothing.
    pub fn is_clean(&self) -> bool {
        self.unsynced.lock().is_clean()
    }
}
