//! Damage to the files of a member that does not run, and its repair.
//!
//! A member that refuses its damaged files has to have them back as they were before it takes
//! part again: it may have voted, or acknowledged, on the strength of what was damaged. So a
//! damaged file is copied first. To put the copy back is right as long as the member did not run
//! in between, but for starts that it refused; flipping the bits back would not do, since such a
//! start may write to the file all the same.

use super::error::DiskError;
use super::log_file::LogFile;
use rand::Rng;
use rand::seq::IndexedRandom;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Name of the state's file in a data folder.
const STATE: &str = "state.redb";
/// What a copy's name ends in.
const COPY: &str = "before";
const BLOCK_BYTES: usize = 4096;
/// Blocks of the state's file that are damaged at most.
const BLOCKS_MAX: usize = 4096;
/// How long a torn write at the log's end may be.
const TORN_BYTES: std::ops::Range<usize> = 1..6000;

/// Bits that were flipped in a file.
#[derive(Debug)]
pub struct Damage {
    /// The damaged file.
    pub path: PathBuf,
    /// How many bits.
    pub bits: usize,
    /// The file as it was, beside the data folder.
    copy: PathBuf,
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
        Damage::new(data, &file.path, &[(offset, 1 << random.random_range(0..8))])
    }

    /// Cuts the newest segment of the log short, somewhere in what is known to have been on disk.
    /// The member has to refuse it.
    ///
    /// # Errors
    /// As of [`Damage::of_log`].
    pub fn cut_log(data: &Path, random: &mut impl Rng) -> Result<Damage, DiskError> {
        let files = LogFile::all(data)?;
        let newest = files.last().filter(|file| !file.synced().is_empty());
        let nothing =
            || DiskError::NothingThere { path: data.join("wal"), why: "no sync is noted" };
        let file = newest.ok_or_else(nothing)?;
        let damage = Damage::new(data, &file.path, &[])?;
        let cut = open(&file.path)?.set_len(random.random_range(file.synced()));
        cut.map_err(DiskError::io("cut", &file.path)).map(|()| damage)
    }

    /// Flips one bit in each block of the state's file that holds something, up to a limit; a
    /// single one may fall where nothing is kept any more. The member has to refuse it, or to make
    /// the state anew, from its log or from another member.
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
        Damage::new(data, &path, &flips)
    }

    /// Flips bits: the mask of each byte, by its offset.
    fn new(data: &Path, path: &Path, flips: &[(u64, u8)]) -> Result<Damage, DiskError> {
        let copy = data.with_extension(COPY);
        std::fs::copy(path, &copy).map_err(DiskError::io("copy", path))?;
        let file = open(path)?;
        let flipped = flips.iter().try_for_each(|(offset, mask)| {
            let mut byte = [0];
            file.read_exact_at(&mut byte, *offset)?;
            file.write_all_at(&[byte[0] ^ mask], *offset)
        });
        flipped.and_then(|()| file.sync_all()).map_err(DiskError::io("damage", path))?;
        Ok(Damage { path: path.to_owned(), bits: flips.len(), copy })
    }

    /// Puts the file back as it was.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn repair(self) -> Result<(), DiskError> {
        std::fs::copy(&self.copy, &self.path).map_err(DiskError::io("repair", &self.path))?;
        open(&self.path)?.sync_all().map_err(DiskError::io("sync", &self.path))
    }
}

impl Drop for Damage {
    fn drop(&mut self) {
        // It lies in the run's own folder: to leave it there does no harm.
        let _ = std::fs::remove_file(&self.copy);
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
