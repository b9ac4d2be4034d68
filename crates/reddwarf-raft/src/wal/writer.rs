//! The one writer of the log: one write and one fdatasync for all that waits.

use super::disk::{Disk, is_full};
use super::record::{self, Record, RecordError};
use super::recovery::Recovered;
use super::segment::{self, SEGMENT_HEADER_BYTES, SPARE_NAME, Segment};
use super::table::Place;
use super::{Shared, WalOptions};
use crate::types::{Entry, LogId, Vote, term_of};
use openraft::entry::RaftEntry;
use reddwarf_core::planted::{self, Bug};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Called once what it stands for is durable, or never will be.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// What the writer is asked for, in the order in which it takes effect.
pub enum Command {
    /// Append entries.
    Append(Vec<Entry>, Done),
    /// Replace the vote.
    Vote(Vote, Done),
    /// Drop the entries above an index.
    Truncate(Option<u64>),
    /// Drop the entries up to one.
    Purge(LogId),
    /// Only sync.
    Flush(Done),
}

/// How long to wait between two looks for room on a full disk.
pub const FULL_RETRY: Duration = Duration::from_millis(100);

/// A stretch of the log is initialized when less than this lies ahead.
const INITIALIZED_AHEAD_MIN: u64 = 128 * 1024;
/// What a stretch is initialized with.
static ZEROS: [u8; 1024 * 1024] = [0; 1024 * 1024];

/// How far the writer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// All is on disk, or never will be, and the callbacks were called.
    Done,
    /// The disk is full: to be resumed after [`FULL_RETRY`]; the callbacks are held.
    NoRoom,
}

/// Why a step did not succeed.
enum StepError {
    /// There is no room; the step can be repeated.
    NoRoom,
    /// The log cannot be written any more.
    Failed(io::Error),
}

impl From<io::Error> for StepError {
    fn from(error: io::Error) -> Self {
        StepError::Failed(error)
    }
}

type Step = Result<(), StepError>;

/// What is being taken to disk.
struct Batch {
    commands: VecDeque<Command>,
    /// How many entries of the first command are put already.
    entries_put: usize,
    dones: Vec<Done>,
    result: io::Result<()>,
    purged: bool,
}

/// The state of the writer.
pub struct Writer {
    options: WalOptions,
    disk: Arc<dyn Disk>,
    shared: Arc<Shared>,
    current: Arc<Segment>,
    current_bytes: u64,
    segments: BTreeMap<u64, Option<u64>>,
    spare: Option<File>,
    spare_tried: Option<Instant>,
    /// Where `buffer` goes in the current segment.
    offset: u64,
    /// Up to where the current segment's blocks have been written, if only with zeros.
    initialized: u64,
    buffer: Vec<u8>,
    placed: Vec<(u64, u64, Place)>,
    vote: Option<Vote>,
    purged: Option<LogId>,
    committed: Option<LogId>,
    /// The last entry put; `None` after a truncation, until the next one.
    tail: Option<LogId>,
    /// The index at which what is put ends.
    end: Option<u64>,
    /// A sync has happened that no mark tells of yet.
    unmarked: bool,
    /// What waits for room.
    stopped: Option<Batch>,
}

impl Writer {
    /// Continues a recovered log.
    pub fn new(
        options: WalOptions,
        disk: Arc<dyn Disk>,
        shared: Arc<Shared>,
        found: Recovered,
    ) -> io::Result<Self> {
        let (current, _) = found
            .segments
            .values()
            .next_back()
            .expect("invariant: recovery leaves at least one segment");
        let current = Arc::clone(current);
        let (committed, tail) = {
            let mut table = shared.table.lock();
            let (_, tail) = table.state();
            table.durable = (tail.map(|tail| tail.index()), found.vote);
            (table.committed, tail)
        };
        let mut writer = Writer {
            current_bytes: current.file.metadata()?.len(),
            current,
            segments: found.segments.iter().map(|(seq, (_, max))| (*seq, *max)).collect(),
            spare: None,
            spare_tried: None,
            offset: found.offset,
            initialized: found.offset,
            buffer: Vec::new(),
            placed: Vec::new(),
            vote: found.vote,
            purged: found.purged,
            committed,
            tail,
            end: tail.map(|tail| tail.index()),
            unmarked: true,
            stopped: None,
            options,
            disk,
            shared,
        };
        writer.record_newest(writer.current.sequence);
        writer.replenish();
        Ok(writer)
    }

    /// Takes all `commands` to disk with as few syncs as there are segments involved, then
    /// completes their callbacks. After [`Progress::NoRoom`] nothing may be run before
    /// [`Writer::resume`] is done.
    pub fn run(&mut self, commands: Vec<Command>) -> Progress {
        debug_assert!(self.stopped.is_none(), "earlier commands wait for room");
        let dones = Vec::with_capacity(commands.len());
        let (commands, result) = (commands.into(), Ok(()));
        self.go_on(Batch { commands, entries_put: 0, dones, result, purged: false })
    }

    /// Goes on with what had no room.
    pub fn resume(&mut self) -> Progress {
        let Some(batch) = self.stopped.take() else { return Progress::Done };
        let progress = self.go_on(batch);
        // Room that was found without a reserve being made shows nowhere else.
        if progress == Progress::Done && self.spare.is_some() {
            self.shared.set_low_space(false);
        }
        progress
    }

    fn go_on(&mut self, mut batch: Batch) -> Progress {
        match self.put_all(&mut batch).and_then(|()| self.sync_all(&mut batch)) {
            Err(StepError::NoRoom) => {
                self.shared.set_low_space(true);
                self.stopped = Some(batch);
                return Progress::NoRoom;
            }
            Err(StepError::Failed(error)) => batch.result = Err(error),
            Ok(()) => {}
        }
        self.complete(batch);
        Progress::Done
    }

    /// Puts all commands into the buffer, and on disk when a segment is full. A failure is kept in the
    /// batch, whose other callbacks are still to be taken from its commands.
    fn put_all(&mut self, batch: &mut Batch) -> Step {
        while let Some(command) = batch.commands.front() {
            if self.shared.failed.load(Ordering::Acquire) {
                batch.result = Err(io::Error::other("an earlier write to the log failed"));
            }
            if batch.result.is_ok() {
                match self.put(command, &mut batch.entries_put) {
                    Err(StepError::Failed(error)) => batch.result = Err(error),
                    other => other?,
                }
            }
            batch.entries_put = 0;
            match batch.commands.pop_front() {
                Some(Command::Append(_, done) | Command::Vote(_, done) | Command::Flush(done)) => {
                    batch.dones.push(done);
                }
                Some(Command::Purge(_)) => batch.purged = true,
                Some(Command::Truncate(_)) | None => {}
            }
        }
        Ok(())
    }

    fn sync_all(&mut self, batch: &mut Batch) -> Step {
        if batch.result.is_err() {
            return Ok(());
        }
        let early = planted::is(Bug::EarlyAcknowledgement);
        if early { self.write_buffer() } else { self.flush() }
    }

    fn complete(&mut self, batch: Batch) {
        let Batch { dones, result, purged, .. } = batch;
        self.shared.metrics.wal_batch.observe(dones.len() as f64);
        if let Err(error) = &result {
            tracing::error!(%error, "the write-ahead log cannot be written any more");
            self.shared.failed.store(true, Ordering::Release);
        } else if purged {
            self.remove_purged();
        }
        for done in dones {
            done(match &result {
                Ok(()) => Ok(()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
        self.replenish();
    }

    /// While nothing waits: notes what is synced, and looks for room again.
    pub fn idle(&mut self) {
        if self.shared.failed.load(Ordering::Acquire) {
            return;
        }
        if planted::is(Bug::EarlyAcknowledgement) {
            let failed = matches!(self.flush(), Err(StepError::Failed(_)));
            self.shared.failed.store(failed, Ordering::Release);
        }
        match self.note() {
            // It goes with the next write, or when this is tried again.
            Err(StepError::NoRoom) => self.shared.set_low_space(true),
            Err(StepError::Failed(error)) => {
                tracing::warn!(%error, "sync mark not written");
                self.buffer.clear();
            }
            Ok(()) if self.spare.is_some() => self.shared.set_low_space(false),
            Ok(()) => {}
        }
        self.replenish();
    }

    /// Writes the marks that are due, without a sync.
    fn note(&mut self) -> Step {
        let committed = self.shared.table.lock().committed;
        if self.unmarked || committed != self.committed {
            self.mark()?;
        }
        self.write_buffer()
    }

    /// Whether nothing is left to do until the next command.
    pub fn may_sleep(&self) -> bool {
        self.spare.is_some() && !self.unmarked && self.buffer.is_empty()
    }

    /// Puts one command, of whose entries so many are put already.
    fn put(&mut self, command: &Command, entries_put: &mut usize) -> Step {
        self.mark()?;
        match command {
            Command::Append(entries, _) => {
                for entry in &entries[*entries_put..] {
                    self.put_record(&Record::Entry(entry.clone()))?;
                    *entries_put += 1;
                }
                Ok(())
            }
            Command::Vote(vote, _) => {
                // Only then: a segment that is full is synced without it.
                self.put_record(&Record::Vote(*vote))?;
                self.vote = Some(*vote);
                Ok(())
            }
            Command::Truncate(last) => {
                self.put_record(&Record::Truncate(*last))?;
                self.tail = None;
                self.end = self.end.min(*last);
                Ok(())
            }
            Command::Purge(id) => {
                self.put_record(&Record::Purge(*id))?;
                self.tail = self.tail.max(Some(*id));
                self.end = self.end.max(Some(id.index()));
                self.purged = self.purged.max(Some(*id));
                Ok(())
            }
            Command::Flush(_) => Ok(()),
        }
    }

    /// Puts the marks that are due: what is synced, what is committed. The log's handle may
    /// know of a committed entry that still waits to be put, perhaps in the place of another
    /// one; its mark waits too, so that a log never ends before what it calls committed.
    fn mark(&mut self) -> Step {
        if self.unmarked {
            let offset = self.offset + self.buffer.len() as u64;
            self.put_record(&Record::Synced { offset })?;
            self.unmarked = false;
        }
        let committed = self.shared.table.lock().committed;
        if committed != self.committed && committed <= self.tail {
            // A segment that is begun for the mark begins with it.
            let before = std::mem::replace(&mut self.committed, committed);
            let put = self.put_record(&Record::Committed(committed));
            return put.inspect_err(|_| self.committed = before);
        }
        Ok(())
    }

    fn put_record(&mut self, record: &Record) -> Step {
        let start = self.buffer.len();
        self.encode(record)?;
        let len = (self.buffer.len() - start) as u64;
        if self.offset + self.buffer.len() as u64 > self.current_bytes {
            self.buffer.truncate(start);
            self.rotate(len)?;
            // A sync mark names its own offset, which is another one now; the new segment
            // begins with one.
            if matches!(record, Record::Synced { .. }) {
                return Ok(());
            }
            return self.put_record(record);
        }
        if let Record::Entry(entry) = record {
            let id = entry.log_id();
            let place = Place {
                segment: self.current.sequence,
                offset: self.offset + start as u64,
                len: len as u32,
            };
            self.placed.push((term_of(&id), id.index(), place));
            self.tail = Some(id);
            self.end = Some(id.index());
            let max = self.segments.entry(self.current.sequence).or_default();
            *max = (*max).max(Some(id.index()));
        }
        Ok(())
    }

    fn encode(&mut self, record: &Record) -> io::Result<()> {
        record::encode(self.current.sequence, record, &mut self.buffer)
            .map_err(|error: RecordError| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn write_buffer(&mut self) -> Step {
        if self.buffer.is_empty() {
            return Ok(());
        }
        match self.disk.write_at(&self.current.file, self.offset, &self.buffer) {
            Err(error) if is_full(&error) => return Err(StepError::NoRoom),
            other => other?,
        }
        self.offset += self.buffer.len() as u64;
        self.initialize_ahead()?;
        self.shared.metrics.wal_bytes.inc_by(self.buffer.len() as u64);
        self.shared.written_bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear();
        if self.buffer.capacity() > 1024 * 1024 {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Writes zeros ahead of the log, a stretch at a time.
    ///
    /// Preallocated blocks are marked as never written, and the first sync after a write to one
    /// has to commit that mark's removal to the file system's journal: measured on ext4, such a
    /// sync takes 0.3 to 2 ms, one over initialized blocks 0.1 to 0.2 ms.
    fn initialize_ahead(&mut self) -> io::Result<()> {
        self.initialized = self.initialized.max(self.offset);
        if self.initialized >= self.current_bytes.min(self.offset + INITIALIZED_AHEAD_MIN) {
            return Ok(());
        }
        let end = self.current_bytes.min(self.initialized + ZEROS.len() as u64);
        let zeros = &ZEROS[..(end - self.initialized) as usize];
        match self.disk.write_at(&self.current.file, self.initialized, zeros) {
            // The space is reserved; a file system that still finds none only stays slower.
            Err(error) if is_full(&error) => {}
            other => other?,
        }
        self.initialized = end;
        Ok(())
    }

    fn flush(&mut self) -> Step {
        self.write_buffer()?;
        let started = Instant::now();
        self.shared.slow_sync.begin(started);
        let synced = self.disk.sync(&self.current.file);
        self.shared.slow_sync.end(Instant::now());
        synced?;
        self.shared.metrics.fsync.observe(started.elapsed().as_secs_f64());
        self.unmarked = true;
        let mut table = self.shared.table.lock();
        for (term, index, place) in self.placed.drain(..) {
            table.place(term, index, place);
        }
        table.durable = (self.end, self.vote);
        table.evict(self.options.cache_bytes);
        Ok(())
    }

    /// Finishes the current segment and begins the next with what must outlive it. Nothing has
    /// changed but what is written when there is no room.
    fn rotate(&mut self, record_bytes: u64) -> Step {
        self.ensure_spare()?;
        self.flush()?;
        // Room for the checkpoint and for a record that is larger than usual segments.
        let needed = SEGMENT_HEADER_BYTES + record_bytes + 4096;
        if needed > self.options.segment_bytes {
            self.extend_spare(needed)?;
        }
        let file = self.spare.take().expect("invariant: it was ensured");
        let sequence = self.current.sequence + 1;
        let path = segment::path(&self.options.dir, sequence);
        self.disk.rename(&self.options.dir.join(SPARE_NAME), &path)?;
        self.disk.sync_dir(&self.options.dir)?;
        self.record_newest(sequence);
        let segment = Arc::new(Segment { sequence, file, path });
        self.shared.segments.lock().insert(sequence, Arc::clone(&segment));
        self.segments.insert(sequence, None);
        self.current_bytes = segment.file.metadata()?.len();
        self.current = segment;
        self.offset = 0;
        self.initialized = 0;
        self.buffer.extend_from_slice(&segment::header(sequence, self.current_bytes));
        self.unmarked = false;
        let checkpoint = [
            Some(Record::Synced { offset: SEGMENT_HEADER_BYTES }),
            self.vote.map(Record::Vote),
            self.purged.map(Record::Purge),
            Some(Record::Committed(self.committed)),
        ];
        for record in checkpoint.into_iter().flatten() {
            self.encode(&record)?;
        }
        Ok(())
    }

    /// Without the record only a later loss of the whole segment would not be noticed.
    fn record_newest(&self, sequence: u64) {
        if let Err(error) = segment::record_newest(self.disk.as_ref(), &self.options.dir, sequence)
        {
            tracing::warn!(%error, sequence, "it is not recorded that a segment was begun");
        }
    }

    /// Looks for room for a reserve now when there is none.
    fn ensure_spare(&mut self) -> Step {
        if self.spare.is_none() {
            self.spare_tried = None;
            match self.try_replenish() {
                // What is wrong with the disk otherwise does not end by waiting.
                Err(error) if !is_full(&error) => return Err(error.into()),
                _ => {}
            }
        }
        if self.spare.is_some() { Ok(()) } else { Err(StepError::NoRoom) }
    }

    /// Makes the reserve so long, before a header can tell of it: a crash must not leave one of a
    /// longer file.
    fn extend_spare(&self, len: u64) -> Step {
        let Some(spare) = &self.spare else { return Err(StepError::NoRoom) };
        match self.disk.write_at(spare, len - 1, &[0]) {
            Err(error) if is_full(&error) => Err(StepError::NoRoom),
            other => Ok(other.and_then(|()| self.disk.sync(spare))?),
        }
    }

    /// Keeps a preallocated segment in reserve; without one, proposals are refused.
    fn replenish(&mut self) {
        // It is needed only when the current segment is full.
        let _ = self.try_replenish();
    }

    fn try_replenish(&mut self) -> io::Result<()> {
        let recently = |at: Instant| at.elapsed() < FULL_RETRY;
        if self.spare.is_some() || self.spare_tried.is_some_and(recently) {
            return Ok(());
        }
        self.spare_tried = Some(Instant::now());
        let path = self.options.dir.join(SPARE_NAME);
        let made = self.disk.preallocate(&path, self.options.segment_bytes);
        self.shared.set_low_space(made.is_err());
        let file = made.inspect_err(|error| {
            tracing::warn!(%error, path = %path.display(), "no room for the log's reserve");
        })?;
        self.spare = Some(file);
        Ok(())
    }

    /// Removes the oldest segments whose entries are all purged.
    fn remove_purged(&mut self) {
        let Some(purged) = self.purged.map(|id| id.index()) else { return };
        while let Some((&sequence, &max)) = self.segments.first_key_value()
            && sequence < self.current.sequence
            && max.is_none_or(|max| max <= purged)
        {
            self.segments.remove(&sequence);
            let removed = self.shared.segments.lock().remove(&sequence);
            if let Some(Err(error)) = removed.map(|segment| self.disk.remove(&segment.path)) {
                tracing::warn!(%error, sequence, "a purged segment was not removed");
            }
        }
    }
}
