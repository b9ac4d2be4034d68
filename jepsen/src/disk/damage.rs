//! Damage to the files of a member that does not run, and its repair.
//!
//! A member that refuses its damaged files has to have them back as they were before it takes
//! part again: it may have voted, or acknowledged, on the strength of what was damaged. So damage
//! remembers which bits it flipped; flipping them back is right as long as the member did not run
//! in between, but for starts that it refused.

use super::error::DiskError;
use super::log_file::LogFile;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Name of the state's file in a data folder.
const STATE: &str = "state.redb";
const BLOCK_BYTES: usize = 4096;
/// Blocks of the state's file that are damaged at most.
const BLOCKS_MAX: usize = 4096;
/// How long a torn write at the log's end may be.
const TORN_BYTES: std::ops::Range<usize> = 1..6000;

/// Bits that were flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged file.
    pub path: PathBuf,
    /// Offset and mask of each damaged byte, and what it is now.
    bytes: BTreeMap<u64, (u8, u8)>,
}

impl Damage {
    /// Flips one bit of the log that is known to have been on disk. The member has to refuse it.
    ///
    /// # Errors
    /// The log cannot be read or written, or nothing of it was ever synced.
    pub fn of_log(data: &Path, random: &mut impl Rng) -> Result<Damage, DiskError> {
        let files = LogFile::all(data)?;
        let files: Vec<_> = files.iter().filter(|file| !file.synced().is_empty()).collect();
        let nothing =
            || DiskError::NothingThere { path: data.join("wal"), why: "no sync is noted" };
        let file = files.choose(random).ok_or_else(nothing)?;
        let offset = random.random_range(file.synced());
        flip(&file.path, [(offset, 1 << random.random_range(0..8))])
    }

    /// Flips one bit in each block of the state's file that holds something, up to a limit; a
    /// single one may fall where nothing is kept any more. The member has to refuse it, or, as
    /// long as its log reaches back to the beginning, may make the state anew from that.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn of_state(data: &Path, random: &mut impl Rng) -> Result<Damage, DiskError> {
        let path = data.join(STATE);
        let bytes = std::fs::read(&path).map_err(DiskError::io("read", &path))?;
        let blocks = bytes.chunks(BLOCK_BYTES).enumerate();
        let full = blocks.filter(|(_, block)| block.iter().any(|byte| *byte != 0));
        let flips: Vec<_> = full
            .take(BLOCKS_MAX)
            .map(|(at, block)| {
                let offset = at * BLOCK_BYTES + random.random_range(0..block.len());
                (offset as u64, 1 << random.random_range(0..8))
            })
            .collect();
        flip(&path, flips)
    }

    /// How many bits were flipped.
    pub fn bits(&self) -> usize {
        self.bytes.len()
    }

    /// Flips the bits back.
    ///
    /// # Errors
    /// The file cannot be written, or was changed meanwhile: it is then left alone.
    pub fn repair(&self) -> Result<(), DiskError> {
        let why = "it was changed since";
        let changed = || DiskError::NothingThere { path: self.path.clone(), why };
        let file = open(&self.path)?;
        for (offset, (_, now)) in &self.bytes {
            if read_byte(&file, *offset).map_err(DiskError::io("read", &self.path))? != *now {
                return Err(changed());
            }
        }
        for (offset, (mask, now)) in &self.bytes {
            file.write_all_at(&[now ^ mask], *offset)
                .map_err(DiskError::io("repair", &self.path))?;
        }
        file.sync_all().map_err(DiskError::io("sync", &self.path))
    }
}

/// Leaves bytes at the end of the log as of a write that was under way when the power failed.
/// The member has to cut them off. Gives their number.
///
/// # Errors
/// The log cannot be read or written, or its last segment is full.
pub fn tear_log(data: &Path, random: &mut impl Rng) -> Result<usize, DiskError> {
    let files = LogFile::all(data)?;
    let Some(file) = files.last() else { return Ok(0) };
    let opened = open(&file.path)?;
    let len = opened.metadata().map_err(DiskError::io("read", &file.path))?.len();
    let room = usize::try_from(len.saturating_sub(file.end)).unwrap_or(usize::MAX);
    let bytes = random.random_range(TORN_BYTES).min(room);
    if bytes == 0 {
        let why = "its last segment is full";
        return Err(DiskError::NothingThere { path: file.path.clone(), why });
    }
    let mut torn = vec![0; bytes];
    random.fill(&mut torn[..]);
    // Not to be taken for the log's end, which is a header of zeros.
    torn[0] |= 1;
    let written = opened.write_all_at(&torn, file.end).and_then(|()| opened.sync_all());
    written.map_err(DiskError::io("write", &file.path))?;
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, DiskError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(DiskError::io("open", path))
}

fn read_byte(file: &File, offset: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    Ok(byte[0])
}

fn flip(path: &Path, flips: impl IntoIterator<Item = (u64, u8)>) -> Result<Damage, DiskError> {
    let file = open(path)?;
    let flip_one = |(offset, mask): (u64, u8)| {
        let now = read_byte(&file, offset)? ^ mask;
        file.write_all_at(&[now], offset)?;
        Ok((offset, (mask, now)))
    };
    let bytes = flips.into_iter().map(flip_one).collect::<io::Result<_>>();
    let bytes = bytes.map_err(DiskError::io("damage", path))?;
    file.sync_all().map_err(DiskError::io("sync", path))?;
    Ok(Damage { path: path.to_owned(), bytes })
}
