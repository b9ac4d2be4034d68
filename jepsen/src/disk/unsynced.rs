//! What a crash takes back from one file.
//!
//! Bytes go to the backing file at once, so that reads need nothing special. Before a block is
//! first written after a sync, its durable content is saved here; a sync forgets what is saved, a
//! crash puts it back.

use super::survivors::{Choice, SECTOR_BYTES};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that become durable together, as a page of the kernel's cache does.
pub const BLOCK_BYTES: u64 = 4096;
/// Saved blocks of one file above which the file is taken as written back: a kernel does not hold
/// back more either.
pub const BLOCKS_MAX: usize = 16 * 1024;
/// The same for the number of writes.
const WRITES_MAX: usize = 64 * 1024;

static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

/// What a block held when it was last durable.
#[derive(Debug)]
enum Old {
    /// Nothing, or zeros.
    Zeros,
    /// These bytes, a whole block.
    Bytes(Box<[u8]>),
}

impl Old {
    fn new(bytes: &[u8]) -> Old {
        if bytes.iter().all(|byte| *byte == 0) { Old::Zeros } else { Old::Bytes(bytes.into()) }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Old::Zeros => &ZEROS,
            Old::Bytes(bytes) => bytes,
        }
    }
}

/// By number of the block.
type Blocks = BTreeMap<u64, Old>;

/// The writes to one file that no sync has made durable.
#[derive(Debug)]
pub struct Unsynced {
    /// Length of the file now.
    len: u64,
    /// Length that a crash leaves.
    durable_len: u64,
    /// Blocks written since the last sync began.
    current: Blocks,
    /// Blocks, and length, that the sync in progress makes durable.
    syncing: Blocks,
    syncing_len: u64,
    syncing_writes: Vec<Range<u64>>,
    /// Blocks whose sync failed. As on Linux they read as written, count as clean, and are not
    /// on disk until they are written and synced again.
    doomed: Blocks,
    /// Ranges of bytes written since the last sync began, in order.
    writes: Vec<Range<u64>>,
}

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncEnd {
    /// What was written before is on disk.
    Durable,
    /// It failed.
    GivenUp,
    /// The power failed before it was done.
    Cut,
}

/// What a crash took from a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Bytes that are others now, or gone.
    pub bytes: u64,
    /// Bytes that no sync had made durable and that are there nevertheless.
    pub survived_bytes: u64,
}

impl Unsynced {
    /// Of a file that is durable as it is.
    pub fn new(len: u64) -> Unsynced {
        Unsynced {
            len,
            durable_len: len,
            current: Blocks::new(),
            syncing: Blocks::new(),
            syncing_len: len,
            syncing_writes: Vec::new(),
            doomed: Blocks::new(),
            writes: Vec::new(),
        }
    }

    /// Whether a crash would change nothing.
    pub fn is_clean(&self) -> bool {
        let blocks = self.current.len() + self.syncing.len() + self.doomed.len();
        blocks == 0 && self.len == self.durable_len
    }

    /// Saves what `range` holds, which is about to be overwritten.
    ///
    /// # Errors
    /// Those of reading; nothing may be written then.
    pub fn before_write(&mut self, file: &File, range: Range<u64>) -> io::Result<()> {
        if self.current.len() >= BLOCKS_MAX {
            self.write_back();
        }
        let blocks = range.start / BLOCK_BYTES..range.end.div_ceil(BLOCK_BYTES);
        let present = blocks.start..blocks.end.min(self.len.div_ceil(BLOCK_BYTES));
        if present.clone().any(|block| !self.current.contains_key(&block)) {
            let mut old = vec![0; ((present.end - present.start) * BLOCK_BYTES) as usize];
            read_up_to_end(file, &mut old, present.start * BLOCK_BYTES)?;
            for (block, bytes) in present.zip(old.chunks_exact(BLOCK_BYTES as usize)) {
                self.current.entry(block).or_insert_with(|| Old::new(bytes));
            }
        }
        for block in blocks {
            self.current.entry(block).or_insert(Old::Zeros);
        }
        Ok(())
    }

    /// Notes that `range` was written.
    pub fn written(&mut self, range: Range<u64>) {
        self.len = self.len.max(range.end);
        self.writes.push(range);
        if self.writes.len() >= WRITES_MAX {
            self.write_back();
        }
    }

    /// Saves what a truncation to `len` cuts off; one that cuts off very much is durable at once.
    ///
    /// # Errors
    /// Those of reading; the file may not be truncated then.
    pub fn before_resize(&mut self, file: &File, len: u64) -> io::Result<()> {
        if len >= self.len {
            return Ok(());
        }
        if (self.len - len) / BLOCK_BYTES >= BLOCKS_MAX as u64 {
            self.write_back();
            self.durable_len = len;
            return Ok(());
        }
        self.before_write(file, len..self.len)
    }

    /// Notes the new length.
    pub fn resized(&mut self, len: u64) {
        self.len = len;
    }

    /// A sync begins: what is written from now on is not part of it.
    pub fn begin_sync(&mut self) {
        self.syncing = std::mem::take(&mut self.current);
        self.syncing_len = self.len;
        self.syncing_writes = std::mem::take(&mut self.writes);
    }

    /// The sync that began has ended.
    pub fn end_sync(&mut self, end: SyncEnd) {
        let mut blocks = std::mem::take(&mut self.syncing);
        let mut writes = std::mem::take(&mut self.syncing_writes);
        match end {
            SyncEnd::Durable => {
                self.durable_len = self.syncing_len;
                blocks.keys().for_each(|block| drop(self.doomed.remove(block)));
            }
            SyncEnd::GivenUp => {
                for (block, old) in blocks {
                    self.doomed.entry(block).or_insert(old);
                }
            }
            SyncEnd::Cut => {
                // The older content is the durable one.
                let later = std::mem::take(&mut self.current);
                for (block, old) in later {
                    blocks.entry(block).or_insert(old);
                }
                self.current = blocks;
                writes.append(&mut self.writes);
                self.writes = writes;
            }
        }
    }

    /// Makes everything durable but what a failed sync gave up, or may give up yet.
    pub fn write_back(&mut self) {
        let written = std::mem::take(&mut self.current);
        self.writes.clear();
        if self.syncing.is_empty() {
            written.keys().for_each(|block| drop(self.doomed.remove(block)));
            self.durable_len = self.len;
        }
    }

    /// Puts the durable content back, except where `choice` lets a sector survive. No sync may be
    /// in progress.
    ///
    /// # Errors
    /// Those of the backing file, which is then in between.
    pub fn crash(&mut self, file: &File, choice: &mut Choice<'_>) -> io::Result<Dropped> {
        let given_up = std::mem::take(&mut self.doomed);
        let keep = choice.of_file(&self.writes, self.current.keys().copied(), self.len);
        let kept = |sector: u64| !given_up.contains_key(&(sector / BLOCK_BYTES)) && keep(sector);
        let mut len = self.durable_len;
        for block in self.current.keys() {
            let ends = sectors(*block, self.len).filter(|sector| kept(sector.start));
            len = ends.map(|sector| sector.end).fold(len, u64::max);
        }
        let mut dropped = Dropped { bytes: self.len.saturating_sub(len), survived_bytes: 0 };
        file.set_len(len)?;
        for (block, old) in self.current.iter().filter(|(block, _)| !given_up.contains_key(block)) {
            restore(file, *block, old, len, &kept, &mut dropped)?;
        }
        for (block, old) in &given_up {
            restore(file, *block, old, len, &kept, &mut dropped)?;
        }
        *self = Unsynced::new(len);
        Ok(dropped)
    }
}

/// The sectors of a block below `len`.
fn sectors(block: u64, len: u64) -> impl Iterator<Item = Range<u64>> {
    let start = block * BLOCK_BYTES;
    let starts = (start..(start + BLOCK_BYTES).min(len)).step_by(SECTOR_BYTES as usize);
    starts.map(move |at| at..(at + SECTOR_BYTES).min(len))
}

fn restore(
    file: &File,
    block: u64,
    old: &Old,
    len: u64,
    kept: &dyn Fn(u64) -> bool,
    dropped: &mut Dropped,
) -> io::Result<()> {
    let mut now = vec![0; BLOCK_BYTES as usize];
    read_up_to_end(file, &mut now, block * BLOCK_BYTES)?;
    for sector in sectors(block, len) {
        let within = (sector.start % BLOCK_BYTES) as usize;
        let within = within..within + (sector.end - sector.start) as usize;
        let (old, now) = (&old.bytes()[within.clone()], &now[within]);
        let differing = old.iter().zip(now).filter(|(old, now)| old != now).count() as u64;
        if differing == 0 {
            continue;
        }
        if kept(sector.start) {
            dropped.survived_bytes += differing;
        } else {
            file.write_all_at(old, sector.start)?;
            dropped.bytes += differing;
        }
    }
    Ok(())
}

/// Fills `buffer`; what lies behind the file's end stays as it is.
fn read_up_to_end(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(())
}
