//! Where records and sync marks stand in a member's log, as its format document says.
//!
//! A file of its own, not the product's reader: what is damaged here must not be chosen by the
//! code that has to notice it.

use super::error::DiskError;
use std::ops::Range;
use std::path::{Path, PathBuf};

const HEADER_BYTES: u64 = 32;
const RECORD_HEADER_BYTES: usize = 12;
const SUFFIX: &str = "wal";
const TYPE_SYNCED: u8 = 6;

/// A segment of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The file.
    pub path: PathBuf,
    /// Offsets of its sync marks, ascending: what lies before one was on disk when it was written.
    pub marks: Vec<u64>,
    /// Offset behind its last record.
    pub end: u64,
}

impl LogFile {
    /// The segments of the member whose data folder is `data`, oldest first.
    ///
    /// # Errors
    /// They cannot be read, or there are none.
    pub fn all(data: &Path) -> Result<Vec<LogFile>, DiskError> {
        let folder = data.join("wal");
        let entries = std::fs::read_dir(&folder).map_err(DiskError::io("list", &folder))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths: Vec<_> =
            paths.collect::<Result<_, _>>().map_err(DiskError::io("list", &folder))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == SUFFIX));
        paths.sort();
        if paths.is_empty() {
            return Err(DiskError::NothingThere { path: folder, why: "it has no log" });
        }
        paths.into_iter().map(LogFile::read).collect()
    }

    fn read(path: PathBuf) -> Result<LogFile, DiskError> {
        let bytes = std::fs::read(&path).map_err(DiskError::io("read", &path))?;
        let (marks, end) = walk(&bytes);
        Ok(LogFile { path, marks, end })
    }

    /// What is known to have been on disk, behind the header.
    pub fn synced(&self) -> Range<u64> {
        HEADER_BYTES..self.marks.last().copied().unwrap_or(HEADER_BYTES)
    }
}

/// Offsets of the marks, and the end of the records.
fn walk(bytes: &[u8]) -> (Vec<u64>, u64) {
    let mut marks = Vec::new();
    let mut at = HEADER_BYTES as usize;
    while let Some(header) = bytes.get(at..at + RECORD_HEADER_BYTES) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        if header[8] == TYPE_SYNCED {
            marks.push(at as u64);
        }
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        at = at.saturating_add(RECORD_HEADER_BYTES).saturating_add(len as usize);
    }
    (marks, at.min(bytes.len()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![1, 2, 3, 4];
        out.extend((payload.len() as u32).to_le_bytes());
        out.extend([kind, 1, 0, 0]);
        out.extend(payload);
        out
    }

    #[test]
    fn finds_marks_and_the_end() {
        let mut bytes = vec![7; 32];
        bytes.extend(record(1, &[0; 10]));
        bytes.extend(record(TYPE_SYNCED, &[5; 16]));
        bytes.extend(record(1, &[9; 3]));
        let end = bytes.len() as u64;
        bytes.resize(1000, 0);
        assert_eq!(walk(&bytes), (vec![54], end));
    }

    #[test]
    fn a_length_beyond_the_file_ends_it() {
        let mut bytes = vec![7; 32];
        bytes.extend([1, 2, 3, 4, 0xff, 0xff, 0xff, 0xff, 1, 1, 0, 0]);
        assert_eq!(walk(&bytes), (vec![], 44));
    }
}
