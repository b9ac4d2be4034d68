//! Segment files: `<sequence, 16 hex digits>.wal`, preallocated.
//!
//! A segment begins with a header of 32 bytes: `RDWFWAL1 | format version (u32) | zero (u32) |
//! sequence (u64) | length of the file in bytes (u32) | crc32c of the 28 bytes before (u32)`,
//! little endian. Records follow without gaps up to the first header of zeros. A segment never
//! shrinks, so a file that is shorter than its header says has lost what stood at its end.
//!
//! An empty file `<sequence>.newest` tells which segment was begun last, so that its loss as a
//! whole is noticed: a log without it would only seem to be shorter.

use super::disk::Disk;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes before the first record.
pub const SEGMENT_HEADER_BYTES: u64 = 32;
const MAGIC: [u8; 8] = *b"RDWFWAL1";
const FORMAT_VERSION: u32 = 1;
const SUFFIX: &str = ".wal";
const NEWEST_SUFFIX: &str = ".newest";
/// Name of the reserve: a preallocated file that becomes the next segment.
pub const SPARE_NAME: &str = "spare";

/// An open segment.
#[derive(Debug)]
pub struct Segment {
    /// Position in the sequence, from 1.
    pub sequence: u64,
    /// The open file.
    pub file: File,
    /// Where it lies.
    pub path: PathBuf,
}

/// The header's bytes, for a file of `len` bytes.
pub fn header(sequence: u64, len: u64) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    // No record is nearly as long as 4 GiB, and a segment holds one that is larger than usual.
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let mut out = [0; SEGMENT_HEADER_BYTES as usize];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    out[16..24].copy_from_slice(&sequence.to_le_bytes());
    out[24..28].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[..28]);
    out[28..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The length that the header at the beginning of `bytes` tells; `None` when that is not the
/// header of segment `sequence`. Zero, in a log of a build that did not record it, tells nothing.
pub fn recorded_len(sequence: u64, bytes: &[u8]) -> Option<u64> {
    let found = bytes.get(..SEGMENT_HEADER_BYTES as usize)?;
    let len = u32::from_le_bytes([found[24], found[25], found[26], found[27]]).into();
    (found == header(sequence, len)).then_some(len)
}

/// The path of a segment.
pub fn path(dir: &Path, sequence: u64) -> PathBuf {
    dir.join(format!("{sequence:016x}{SUFFIX}"))
}

/// Sequence numbers of the segments in `dir`, ascending.
///
/// # Errors
/// As the system has it.
pub fn list(dir: &Path) -> io::Result<Vec<u64>> {
    named(dir, SUFFIX)
}

/// The segment that was begun last, as far as is recorded.
///
/// # Errors
/// As the system has it.
pub fn newest(dir: &Path) -> io::Result<Option<u64>> {
    Ok(named(dir, NEWEST_SUFFIX)?.pop())
}

/// Records that `sequence`, whose name is durable already, was begun last. A record that a crash
/// takes back only names an older segment.
///
/// # Errors
/// As the system has it.
pub fn record_newest(disk: &dyn Disk, dir: &Path, sequence: u64) -> io::Result<()> {
    let path = |sequence: u64| dir.join(format!("{sequence:016x}{NEWEST_SUFFIX}"));
    let older = named(dir, NEWEST_SUFFIX)?;
    disk.preallocate(&path(sequence), 0)?;
    older.into_iter().filter(|at| *at != sequence).try_for_each(|at| disk.remove(&path(at)))
}

fn named(dir: &Path, suffix: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(suffix));
        found.extend(stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()));
    }
    found.sort_unstable();
    Ok(found)
}
