//! Reading a log back: replay of its segments, and the line between a torn tail and damage.

use super::WalOptions;
use super::disk::Disk;
use super::record::{self, RECORD_HEADER_BYTES, Record, RecordError, SYNC_MAGIC};
use super::segment::{self, SEGMENT_HEADER_BYTES, SPARE_NAME, Segment};
use super::table::{LogTable, Place};
use crate::types::{LogId, Vote};
use openraft::entry::RaftEntry;
use reddwarf_core::planted::{self, Bug};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum WalOpenError {
    /// The system refused.
    #[error("{attempt} {path}")]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Bytes that were on disk once are not there any more (invariant 16). The node may have
    /// voted or acknowledged on their strength, so it must not vote again under this id.
    #[error(
        "segment {path} is damaged at offset {offset} ({reason}), below what is known to have \
         been on disk; this node may not vote any more; if the file was replaced, put the right one back; \
         otherwise keep the data folder for examination and leave this node stopped: the others \
         serve without it"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How it shows.
        reason: String,
    },
}

/// What a replay of the segments found.
pub struct Recovered {
    /// The log.
    pub table: LogTable,
    /// Segments with the greatest index of an entry in each.
    pub segments: BTreeMap<u64, (Arc<Segment>, Option<u64>)>,
    /// Where the next record goes in the last segment.
    pub offset: u64,
    /// Vote at the end of the log.
    pub vote: Option<Vote>,
    /// Purge mark at the end of the log.
    pub purged: Option<LogId>,
    /// Bytes of a torn write that were cut.
    pub torn_bytes: u64,
    /// Bytes of the last segment of which no mark says that they are on disk, and where they stand.
    unsynced: (u64, Vec<u8>),
}

fn io_error(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WalOpenError {
    let path = path.to_owned();
    move |source| WalOpenError::Io { attempt, path, source }
}

/// Replays the log in `options.dir`, which exists; creates the first segment of a new one.
pub fn recover(options: &WalOptions, disk: &dyn Disk) -> Result<Recovered, WalOpenError> {
    let dir = &options.dir;
    let sequences = segment::list(dir).map_err(io_error("list", dir))?;
    let mut out = Recovered {
        table: LogTable::default(),
        segments: BTreeMap::new(),
        offset: SEGMENT_HEADER_BYTES,
        vote: None,
        purged: None,
        torn_bytes: 0,
        unsynced: (0, Vec::new()),
    };
    let newest = segment::newest(dir).map_err(io_error("list", dir))?;
    if let Some(newest) = newest.filter(|newest| sequences.last().is_none_or(|at| at < newest)) {
        return Err(damaged(segment::path(dir, newest), 0, "the segment is missing"));
    }
    if sequences.is_empty() {
        create_first(options, disk, &mut out)?;
    }
    for (at, &sequence) in sequences.iter().enumerate() {
        if at > 0 && sequence != sequences[at - 1] + 1 {
            let missing = segment::path(dir, sequences[at - 1] + 1);
            return Err(damaged(missing, 0, "the segment is missing"));
        }
        replay(options, disk, sequence, at + 1 == sequences.len(), &mut out)?;
    }
    if let (Some(first), Some(purged)) = (out.table.first(), out.purged)
        && first > purged.index() + 1
    {
        let path = segment::path(dir, sequences[0]);
        return Err(damaged(
            path,
            0,
            &format!("entries {} to {} are missing", purged.index() + 1, first - 1),
        ));
    }
    settle(dir, disk, &out)?;
    Ok(out)
}

/// Makes durable what a process that was killed had written and not synced yet: nobody is told of it
/// once more when it is asked for again, and the first mark says that it is.
///
/// It is written again before: after a sync that failed, the system may take pages for written that
/// never were, and show them until the machine loses power.
fn settle(dir: &Path, disk: &dyn Disk, found: &Recovered) -> Result<(), WalOpenError> {
    let Some((current, _)) = found.segments.values().next_back() else { return Ok(()) };
    let synced = disk
        .write_at(&current.file, found.unsynced.0, &found.unsynced.1)
        .and_then(|()| disk.sync(&current.file))
        .and_then(|()| disk.sync_dir(dir));
    synced.map_err(io_error("sync segment", &current.path))
}

fn damaged(path: PathBuf, offset: u64, reason: &str) -> WalOpenError {
    WalOpenError::Damaged { path, offset, reason: reason.to_owned() }
}

fn create_first(
    options: &WalOptions,
    disk: &dyn Disk,
    out: &mut Recovered,
) -> Result<(), WalOpenError> {
    // Under another name until it is whole: a crash meanwhile leaves nothing that looks like a log.
    let (made, path) = (options.dir.join(SPARE_NAME), segment::path(&options.dir, 1));
    let file = disk
        .preallocate(&made, options.segment_bytes)
        .map_err(io_error("create segment", &made))?;
    let write = disk
        .write_at(&file, 0, &segment::header(1, options.segment_bytes))
        .and_then(|()| disk.sync(&file))
        .and_then(|()| disk.rename(&made, &path))
        .and_then(|()| disk.sync_dir(&options.dir));
    write.map_err(io_error("write segment", &path))?;
    out.segments.insert(1, (Arc::new(Segment { sequence: 1, file, path }), None));
    Ok(())
}

fn replay(
    options: &WalOptions,
    disk: &dyn Disk,
    sequence: u64,
    last: bool,
    out: &mut Recovered,
) -> Result<(), WalOpenError> {
    let path = segment::path(&options.dir, sequence);
    let bytes = std::fs::read(&path).map_err(io_error("read segment", &path))?;
    let file = OpenOptions::new().read(true).write(true).open(&path);
    let file = file.map_err(io_error("open segment", &path))?;
    let mut max_index = None;
    let mut marked = 0;
    let mut at = SEGMENT_HEADER_BYTES as usize;
    let recorded = segment::recorded_len(sequence, &bytes);
    if recorded.is_some_and(|len| (bytes.len() as u64) < len) {
        return Err(damaged(path, bytes.len() as u64, "the file is shorter than it was made"));
    }
    let stopped = if recorded.is_some() {
        loop {
            match record::decode(sequence, &bytes[at.min(bytes.len())..]) {
                Ok((record, len)) => {
                    if let Record::Synced { offset } = &record
                        && *offset > SEGMENT_HEADER_BYTES
                    {
                        marked = at;
                    }
                    let place = Place { segment: sequence, offset: at as u64, len: len as u32 };
                    if let Err(reason) = apply(record, place, &mut max_index, out) {
                        return Err(damaged(path, at as u64, &reason));
                    }
                    at += len;
                }
                Err(error) => break error,
            }
        }
    } else {
        at = 0;
        RecordError::Content(0)
    };
    if last {
        out.unsynced = (marked as u64, bytes.get(marked..at).unwrap_or_default().to_vec());
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let clean = matches!(stopped, RecordError::End) && rest.iter().all(|byte| *byte == 0);
    if !clean {
        // A last segment may end in a write that never became durable; nothing else may.
        if !last || at == 0 && sequence == 1 {
            return Err(damaged(path, at as u64, &stopped.to_string()));
        }
        let is_damage = synced_after(sequence, &bytes, at) && !planted::is(Bug::CutDamage);
        if matches!(stopped, RecordError::Version(_)) || is_damage {
            return Err(damaged(path, at as u64, &stopped.to_string()));
        }
        let torn = written_len(rest);
        out.torn_bytes = torn as u64;
        cut(disk, &file, sequence, at as u64, torn, bytes.len() as u64)
            .map_err(io_error("cut the torn end of", &path))?;
        at = at.max(SEGMENT_HEADER_BYTES as usize);
    }
    out.offset = at as u64;
    out.segments.insert(sequence, (Arc::new(Segment { sequence, file, path }), max_index));
    out.table.evict(options.cache_bytes);
    Ok(())
}

fn apply(
    record: Record,
    place: Place,
    max_index: &mut Option<u64>,
    out: &mut Recovered,
) -> Result<(), String> {
    match record {
        Record::Entry(entry) => {
            let index = entry.index();
            *max_index = (*max_index).max(Some(index));
            if out.table.first().is_some() && !out.table.continues(index) {
                return Err(format!("entry {index} does not continue the log"));
            }
            out.table.push(entry, Some(place));
        }
        Record::Vote(vote) => {
            out.vote = Some(vote);
            out.table.vote = Some(vote);
        }
        Record::Committed(id) => out.table.committed = id,
        Record::Truncate(last) => out.table.truncate_after(last),
        Record::Purge(id) => {
            out.purged = out.purged.max(Some(id));
            out.table.purge(id);
        }
        Record::Synced { offset } if offset == place.offset => {}
        Record::Synced { offset } => return Err(format!("a sync mark of offset {offset}")),
    }
    Ok(())
}

/// The segments in `dir`, oldest first, each with how many of its bytes a mark says to have been on
/// disk: all of those before the last.
///
/// # Errors
/// As the system has it.
pub fn marked_segments(dir: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let sequences = segment::list(dir)?;
    let last = sequences.last().copied();
    let marked = sequences.into_iter().map(|sequence| {
        let path = segment::path(dir, sequence);
        let bytes = std::fs::read(&path)?;
        let all = Some(sequence) != last;
        let marked = if all { bytes.len() } else { marked_len(sequence, &bytes) };
        Ok((path, marked as u64))
    });
    marked.collect()
}

/// Where the last sync mark stands in a segment of these bytes: all before it was on disk. 0 without one.
fn marked_len(sequence: u64, bytes: &[u8]) -> usize {
    let (mut at, mut marked) = (SEGMENT_HEADER_BYTES as usize, 0);
    while let Ok((record, len)) = record::decode(sequence, bytes.get(at..).unwrap_or_default()) {
        if matches!(record, Record::Synced { .. }) {
            marked = at;
        }
        at += len;
    }
    marked
}

/// Whether a sync mark stands behind `from`: then what lies before it was on disk.
fn synced_after(sequence: u64, bytes: &[u8], from: usize) -> bool {
    let mark_at = |at: usize| {
        let start = at.checked_sub(RECORD_HEADER_BYTES)?;
        match record::decode(sequence, &bytes[start..]).ok()? {
            (Record::Synced { offset }, _) => Some(offset == start as u64),
            _ => None,
        }
    };
    let behind = bytes.get(from..).unwrap_or_default();
    let mut hits =
        behind.windows(SYNC_MAGIC.len()).enumerate().filter(|(_, window)| *window == SYNC_MAGIC);
    hits.any(|(at, _)| mark_at(from + at) == Some(true))
}

fn written_len(rest: &[u8]) -> usize {
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

/// Makes the `torn` bytes from `at` zero, behind which all is zero, and the header good. The file
/// keeps its length at every moment: after a crash meanwhile its end is only torn in another way.
fn cut(
    disk: &dyn Disk,
    file: &File,
    sequence: u64,
    at: u64,
    torn: usize,
    len: u64,
) -> io::Result<()> {
    disk.write_at(file, at, &vec![0; torn])?;
    if at < SEGMENT_HEADER_BYTES {
        disk.write_at(file, 0, &segment::header(sequence, len))?;
    }
    disk.sync(file)
}
