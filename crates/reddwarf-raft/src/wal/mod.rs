//! The write-ahead log: Raft's entries, vote and marks in preallocated segments.
//!
//! One writer takes everything that waits, writes it with one call, syncs once and then
//! completes the callbacks. Memory holds an index of the log and its newest entries, so that
//! replication and `apply` do not read files. See `docs/format.md` for the bytes.

#[cfg(test)]
mod crash_tests;
mod disk;
pub mod record;
mod recovery;
mod segment;
mod slow_sync;
mod submit;
mod table;
mod writer;

pub(crate) use disk::write_file;
pub use disk::{Disk, FileDisk};
pub use recovery::{WalOpenError, marked_segments};
pub use submit::Mode;
pub use writer::Done;

use crate::metrics::RaftMetrics;
use crate::types::{Entry, LogId, Vote};
use openraft::entry::RaftEntry;
use parking_lot::Mutex;
use record::Record;
use segment::Segment;
use slow_sync::SlowSync;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use submit::Submit;
use table::{Found, LogTable, Place};
use writer::{Command, Writer};

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Its folder; created when absent.
    pub dir: PathBuf,
    /// Size of a segment; a larger record gets a segment of its own size.
    pub segment_bytes: u64,
    /// Bound of the cache of recent entries.
    pub cache_bytes: usize,
}

/// What the handle and the writer share.
struct Shared {
    table: Mutex<LogTable>,
    segments: Mutex<BTreeMap<u64, Arc<Segment>>>,
    failed: AtomicBool,
    low_space: AtomicBool,
    slow_sync: SlowSync,
    written_bytes: AtomicU64,
    metrics: RaftMetrics,
}

impl Shared {
    fn set_low_space(&self, low: bool) {
        if self.low_space.swap(low, Ordering::AcqRel) != low {
            self.metrics.wal_low_space.set(i64::from(low));
            if low {
                tracing::error!("the disk is full: proposals are refused until there is room");
            } else {
                tracing::info!("the disk has room again");
            }
        }
    }
}

/// An open log.
pub struct Wal {
    shared: Arc<Shared>,
    submit: Box<dyn Submit>,
    torn_bytes: u64,
    found_bytes: u64,
}

impl Wal {
    /// Opens or creates the log in `options.dir`.
    ///
    /// # Errors
    /// [`WalOpenError::Damaged`] when bytes are missing that were on disk once: the node may
    /// not vote any more.
    pub fn open(
        options: WalOptions,
        disk: Arc<dyn Disk>,
        mode: Mode,
        metrics: RaftMetrics,
    ) -> Result<Self, WalOpenError> {
        let failed = |attempt| {
            let path = options.dir.clone();
            move |source| WalOpenError::Io { attempt, path, source }
        };
        std::fs::create_dir_all(&options.dir).map_err(failed("create"))?;
        let mut found = recovery::recover(&options, disk.as_ref())?;
        let segments = found.segments.iter().map(|(seq, (file, _))| (*seq, Arc::clone(file)));
        let shared = Arc::new(Shared {
            segments: Mutex::new(segments.collect()),
            table: Mutex::new(std::mem::take(&mut found.table)),
            failed: AtomicBool::new(false),
            low_space: AtomicBool::new(false),
            slow_sync: SlowSync::default(),
            written_bytes: AtomicU64::new(0),
            metrics,
        });
        let torn_bytes = found.torn_bytes;
        let found_bytes = (found.segments.len() as u64 - 1) * options.segment_bytes;
        if torn_bytes > 0 {
            tracing::warn!(torn_bytes, "cut the torn end of the write-ahead log");
        }
        let io_failed = failed("continue");
        let writer = Writer::new(options, disk, Arc::clone(&shared), found).map_err(io_failed)?;
        Ok(Wal { shared, submit: submit::start(mode, writer), torn_bytes, found_bytes })
    }

    /// Whether there is a log in `dir`.
    ///
    /// # Errors
    /// As the system has it.
    pub fn exists(dir: &std::path::Path) -> io::Result<bool> {
        match segment::list(dir) {
            Ok(segments) => Ok(!segments.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Appends entries; they can be read at once, `done` is called when they are durable.
    ///
    /// # Errors
    /// When the first entry does not continue the log.
    pub fn append(&self, entries: Vec<Entry>, done: Done) -> io::Result<()> {
        {
            let mut table = self.shared.table.lock();
            for entry in &entries {
                if !table.continues(entry.index()) {
                    let text = format!("entry {} leaves a hole in the log", entry.index());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                table.push(entry.clone(), None);
            }
        }
        self.submit.submit(Command::Append(entries, done));
        Ok(())
    }

    /// Replaces the vote; `done` is called when it is durable.
    pub fn save_vote(&self, vote: Vote, done: Done) {
        self.shared.table.lock().vote = Some(vote);
        self.submit.submit(Command::Vote(vote, done));
    }

    /// Drops the entries above `last`, all of them when it is `None`.
    pub fn truncate_after(&self, last: Option<u64>) {
        self.shared.table.lock().truncate_after(last);
        self.submit.submit(Command::Truncate(last));
    }

    /// Drops the entries up to `upto`, which may lie beyond the end (invariant 14).
    pub fn purge(&self, upto: LogId) {
        self.shared.table.lock().purge(upto);
        self.submit.submit(Command::Purge(upto));
    }

    /// Notes the committed log id; it reaches the disk with the next batch, or shortly.
    pub fn save_committed(&self, committed: Option<LogId>) {
        self.shared.table.lock().committed = committed;
    }

    /// Calls `done` when everything submitted before is durable.
    pub fn flush(&self, done: Done) {
        self.submit.submit(Command::Flush(done));
    }

    /// The last saved vote.
    pub fn vote(&self) -> Option<Vote> {
        self.shared.table.lock().vote
    }

    /// The last saved committed log id.
    pub fn committed(&self) -> Option<LogId> {
        self.shared.table.lock().committed
    }

    /// The index of the newest durable entry, and the newest durable vote.
    pub fn durable(&self) -> (Option<u64>, Option<Vote>) {
        self.shared.table.lock().durable
    }

    /// The last purged log id and the last one (the purged one when the log is empty).
    pub fn state(&self) -> (Option<LogId>, Option<LogId>) {
        self.shared.table.lock().state()
    }

    /// Entries of `range`, as far as the log reaches without a gap.
    ///
    /// # Errors
    /// When a segment cannot be read, or holds other bytes than were written.
    pub fn read(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        let found = self.shared.table.lock().find(range.start, range.end);
        let entry = |found| match found {
            Found::Cached(entry) => Ok(entry),
            Found::OnDisk(place) => self.read_at(place),
        };
        found.into_iter().map(entry).collect()
    }

    fn read_at(&self, place: Place) -> io::Result<Entry> {
        let segment = self.shared.segments.lock().get(&place.segment).cloned();
        let segment = segment.ok_or_else(|| io::Error::other("the segment was purged"))?;
        let mut bytes = vec![0; place.len as usize];
        segment.file.read_exact_at(&mut bytes, place.offset)?;
        match record::decode(place.segment, &bytes) {
            Ok((Record::Entry(entry), _)) => Ok(entry),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "not an entry")),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// Whether the disk is so full that no reserve is left.
    pub fn low_on_space(&self) -> bool {
        self.shared.low_space.load(Ordering::Acquire)
    }

    /// How long a sync takes, or took lately, if that is too long.
    pub fn slow_sync(&self) -> Option<Duration> {
        self.shared.slow_sync.duration(Instant::now())
    }

    /// Whether a write or a sync failed; nothing more is acknowledged then.
    pub fn failed(&self) -> bool {
        self.shared.failed.load(Ordering::Acquire)
    }

    /// Bytes written since the log was opened.
    pub fn written_bytes(&self) -> u64 {
        self.shared.written_bytes.load(Ordering::Relaxed)
    }

    /// The index up to which the log may be purged when its newest `bytes` are to stay.
    pub fn index_behind(&self, bytes: u64) -> Option<u64> {
        self.shared.table.lock().index_behind(bytes)
    }

    /// Bytes, about, of the segments that were full when the log was opened.
    pub fn found_bytes(&self) -> u64 {
        self.found_bytes
    }

    /// Bytes of a torn write that opening has cut.
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes
    }
}
