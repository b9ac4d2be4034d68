//! What was written to files and not synced: what is on disk in its place, and what may get there
//! all the same.
//!
//! The files themselves have the newest bytes, as the page cache has them. Beside them stand, page by
//! page, the bytes that a power loss brings back, and the changes since, of which it may let some
//! through.

use super::survival::Survival;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};

/// What a file system writes back as one.
const PAGE_BYTES: u64 = 4_096;

/// The files that have changes, by inode: a file's name may change meanwhile.
#[derive(Debug, Default)]
pub struct Contents(BTreeMap<u64, Unsynced>);

#[derive(Debug)]
struct Unsynced {
    /// Held open, so that no other file gets its inode.
    file: File,
    durable_len: u64,
    /// Of each page that was touched what is on disk; bytes that are missing at its end are zero.
    durable: BTreeMap<u64, Vec<u8>>,
    /// Changes that may get through, each with its operation.
    changes: Vec<(u64, Change)>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Length { from: u64, to: u64 },
}

impl Change {
    /// The pages whose bytes it changes.
    fn pages(&self) -> Range<u64> {
        let (start, end) = match self {
            Change::Write { offset, bytes } => (*offset, offset + bytes.len() as u64),
            Change::Length { from, to } => (*to, *from),
        };
        if start < end { start / PAGE_BYTES..end.div_ceil(PAGE_BYTES) } else { 0..0 }
    }
}

impl Contents {
    /// Writes all of `bytes` at `offset`.
    pub fn write(
        &mut self,
        operation: u64,
        file: &File,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let change = Change::Write { offset, bytes: bytes.to_vec() };
        self.of(file)?.record(operation, change)?;
        file.write_all_at(bytes, offset)
    }

    /// Cuts the file or makes it longer.
    pub fn set_len(&mut self, operation: u64, file: &File, to: u64) -> io::Result<()> {
        let from = file.metadata()?.len();
        self.of(file)?.record(operation, Change::Length { from, to })?;
        file.set_len(to)
    }

    /// Makes the file's changes durable.
    pub fn sync(&mut self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if let Some(unsynced) = self.0.get_mut(&metadata.ino())
            && unsynced.settle(metadata.len())
        {
            self.0.remove(&metadata.ino());
        }
        Ok(())
    }

    /// A sync of the file failed: its changes will not survive a power loss, whatever is synced later.
    /// `evicted` if they are not in memory any more either.
    pub fn lose(&mut self, file: &File, evicted: bool) -> io::Result<()> {
        let metadata = file.metadata()?;
        let Some(unsynced) = self.0.get_mut(&metadata.ino()) else { return Ok(()) };
        unsynced.changes.clear();
        if evicted { unsynced.restore(metadata.len()) } else { Ok(()) }
    }

    /// The file is gone, or all of it durable.
    pub fn forget(&mut self, inode: u64) {
        self.0.remove(&inode);
    }

    /// The operations whose changes may be lost.
    pub fn pending(&self) -> impl Iterator<Item = u64> {
        self.0
            .values()
            .flat_map(|unsynced| unsynced.changes.iter().map(|(operation, _)| *operation))
    }

    /// Bytes that were written and not synced.
    pub fn unsynced_bytes(&self) -> u64 {
        let changes = self.0.values().flat_map(|unsynced| &unsynced.changes);
        changes
            .map(|(_, change)| match change {
                Change::Write { bytes, .. } => bytes.len() as u64,
                Change::Length { .. } => 0,
            })
            .sum()
    }

    /// Brings back what is on disk, and lets through what survives.
    pub fn lose_power(&mut self, survival: &mut Survival) -> io::Result<()> {
        let mut changes = Vec::new();
        let mut files = Vec::new();
        for unsynced in std::mem::take(&mut self.0).into_values() {
            unsynced.file.set_len(unsynced.durable_len)?;
            unsynced.restore(unsynced.durable_len)?;
            let at = files.len();
            changes.extend(unsynced.changes.into_iter().map(|(operation, c)| (operation, at, c)));
            files.push(unsynced.file);
        }
        // Not in the order of inodes, which no seed decides.
        changes.sort_by_key(|(operation, ..)| *operation);
        for (operation, at, change) in changes {
            let file = &files[at];
            match change {
                Change::Write { offset, bytes } => {
                    for part in survival.parts(operation, offset, bytes.len()) {
                        file.write_all_at(&bytes[part.clone()], offset + part.start as u64)?;
                    }
                }
                Change::Length { to, .. } if survival.length(operation) => file.set_len(to)?,
                Change::Length { .. } => {}
            }
        }
        Ok(())
    }

    fn of(&mut self, file: &File) -> io::Result<&mut Unsynced> {
        let metadata = file.metadata()?;
        Ok(match self.0.entry(metadata.ino()) {
            std::collections::btree_map::Entry::Occupied(found) => found.into_mut(),
            std::collections::btree_map::Entry::Vacant(vacant) => vacant.insert(Unsynced {
                file: file.try_clone()?,
                durable_len: metadata.len(),
                durable: BTreeMap::new(),
                changes: Vec::new(),
            }),
        })
    }
}

impl Unsynced {
    /// Notes a change before it is made.
    fn record(&mut self, operation: u64, change: Change) -> io::Result<()> {
        let len = self.file.metadata()?.len();
        for page in change.pages() {
            if self.durable.contains_key(&page) {
                continue;
            }
            let start = page * PAGE_BYTES;
            let mut bytes = vec![0; len.saturating_sub(start).min(PAGE_BYTES) as usize];
            self.file.read_exact_at(&mut bytes, start)?;
            self.durable.insert(page, bytes);
        }
        self.changes.push((operation, change));
        Ok(())
    }

    /// All changes are durable, with the file's length; whether nothing remains that was lost before.
    fn settle(&mut self, len: u64) -> bool {
        for (_, change) in self.changes.drain(..) {
            for page in change.pages() {
                self.durable.remove(&page);
            }
        }
        self.durable_len = len;
        self.durable.is_empty()
    }

    /// Writes what is on disk into the file, as far as it reaches.
    fn restore(&self, len: u64) -> io::Result<()> {
        for (page, bytes) in &self.durable {
            let start = page * PAGE_BYTES;
            let mut bytes = bytes.clone();
            bytes.resize(len.saturating_sub(start).min(PAGE_BYTES) as usize, 0);
            self.file.write_all_at(&bytes, start)?;
        }
        Ok(())
    }
}
