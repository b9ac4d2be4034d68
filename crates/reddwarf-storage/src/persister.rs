//! Writes what `apply` did into the [`KvStore`], behind it.
//!
//! `apply` answers from memory; the write-ahead log already holds every entry. The persister
//! follows at its own pace: it gathers the batches that wait, writes them as one durable
//! transaction of bounded size with the applied index and the membership in it, and tells how
//! far it came. At low rates it waits [`PersisterLimits::gather`] between transactions, since a
//! transaction costs the same for one write as for a hundred.
//!
//! When it falls behind by more than [`PersisterLimits::backlog_bytes_max`], whoever applies
//! has to wait. A full disk is waited out; any other failure is final and stops the node.

use crate::transaction::{Written, transaction_of};
use crate::{KvError, KvStore, Table};
use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use reddwarf_core::Revision;
use reddwarf_versioning::{Applied, Checkpoint, EntryContext};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What one round of `apply` did.
#[derive(Clone, Debug)]
pub struct PersistBatch {
    /// The entries, in order; blank ones and changes of membership need not be among them.
    pub applied: Vec<Applied>,
    /// [`reddwarf_versioning::State::checkpoint`] after the last of them.
    pub checkpoint: Checkpoint,
}

impl PersistBatch {
    /// About how many bytes its transaction writes.
    fn bytes(&self) -> usize {
        CHECKPOINT_BYTES + self.applied.iter().map(entry_bytes).sum::<usize>()
    }
}

/// What the checkpoint of a batch costs while it waits.
const CHECKPOINT_BYTES: usize = 2_560;
/// What the keys and small rows of an entry or a change cost.
const ROWS_BYTES: usize = 256;

fn entry_bytes(applied: &Applied) -> usize {
    let commit = applied.commit.as_ref();
    let changes = commit.iter().flat_map(|commit| &commit.events);
    let objects: usize = changes
        .map(|event| ROWS_BYTES + event.after.as_ref().map_or(0, |after| after.bytes.len()))
        .sum();
    ROWS_BYTES + objects + commit.map_or(0, |commit| commit.header.len())
}

/// How much the persister gathers and holds.
#[derive(Clone, Copy, Debug)]
pub struct PersisterLimits {
    /// About the most that one transaction writes.
    pub transaction_bytes: usize,
    /// Waiting bytes beyond which `apply` must pause.
    pub backlog_bytes_max: usize,
    /// Time between the beginnings of two transactions while less than one full one waits.
    pub gather: Duration,
}

impl Default for PersisterLimits {
    fn default() -> Self {
        PersisterLimits {
            transaction_bytes: 4 * 1024 * 1024,
            backlog_bytes_max: 32 * 1024 * 1024,
            gather: Duration::from_millis(200),
        }
    }
}

/// How long a full disk is left alone before the next try.
const FULL_RETRY: Duration = Duration::from_millis(250);

/// How far the durable state reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// The newest entry whose effects are durable. The log may be purged up to it.
    pub applied: EntryContext,
    /// The newest durable revision.
    pub revision: Revision,
    /// The membership as of that entry.
    pub membership: Bytes,
}

impl From<&Checkpoint> for Durable {
    fn from(checkpoint: &Checkpoint) -> Self {
        Durable {
            applied: checkpoint.applied,
            revision: checkpoint.revision,
            membership: checkpoint.membership.clone(),
        }
    }
}

/// Why the persister stopped for good.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the durable state cannot be written")]
pub struct PersistFailure(#[source] pub Arc<KvError>);

impl PersistFailure {
    /// See [`KvError::is_damage`].
    pub fn is_damage(&self) -> bool {
        self.0.is_damage()
    }

    /// Whether there was no room: then nothing has failed for good, and what waits goes on waiting.
    pub fn is_full(&self) -> bool {
        matches!(*self.0, KvError::Full(_))
    }
}

/// What persisting has cost since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersistStats {
    /// Transactions written.
    pub transactions: u64,
    /// Time spent on them together, waiting for the disk included.
    pub busy: Duration,
    /// Time spent on the newest one.
    pub last: Duration,
}

/// Called, on the persister's thread, after each transaction with the time it took, and without
/// one when a full disk is met, another file is put in place, or writing fails. Must not block:
/// it sets a flag or wakes a task.
pub type ProgressHook = Arc<dyn Fn(Option<Duration>) + Send + Sync>;

/// A writer of the durable state.
pub trait Persist: Send + Sync + Debug {
    /// Takes over a batch; never blocks on the disk when a thread writes.
    fn submit(&self, batch: PersistBatch);

    /// How far the durable state reaches.
    fn durable(&self) -> Arc<Durable>;

    /// Bytes that wait to be written.
    fn backlog_bytes(&self) -> usize;

    /// What persisting has cost since the start.
    fn stats(&self) -> PersistStats;

    /// Whether `apply` must pause until the [`ProgressHook`] was called and this is `false`.
    fn is_behind(&self) -> bool;

    /// Whether the disk is full and transactions wait for room.
    fn is_full(&self) -> bool;

    /// Set once writing has failed for good.
    fn failure(&self) -> Option<PersistFailure>;

    /// Has everything submitted before written as soon as the disk takes it, without gathering
    /// more first; returns at once. The [`ProgressHook`] tells when it is there.
    fn hasten(&self);

    /// Blocks until everything submitted before is durable.
    ///
    /// # Errors
    /// [`PersistFailure`].
    fn flush(&self) -> Result<Arc<Durable>, PersistFailure>;

    /// Forgets what waits, and a failure, and lets `swap` put another file in place, with no
    /// transaction in progress; its checkpoint is then what is durable. Blocks.
    ///
    /// # Errors
    /// What `swap` fails with.
    fn install(
        &self,
        swap: &mut dyn FnMut() -> Result<Checkpoint, KvError>,
    ) -> Result<Arc<Durable>, KvError>;

    /// Lets `swap` put another file with the same rows in place, with no transaction in progress.
    /// What waits is written into that one. Blocks.
    ///
    /// # Errors
    /// What `swap` fails with.
    fn exchange(&self, swap: &mut dyn FnMut() -> Result<(), KvError>) -> Result<(), KvError>;

    /// Writes what waits, then ends; later batches are dropped. Blocks. A full disk is not
    /// waited for: the log still holds what is not written.
    fn shutdown(&self);
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<PersistBatch>,
    /// Bytes waiting and in the transaction in progress.
    bytes: usize,
    /// Batches handed over, and those of them that are durable or will never be. Counted
    /// rather than told by log index, since the first entry has the index of none at all.
    submitted: u64,
    settled: u64,
    durable: Arc<Durable>,
    stats: PersistStats,
    failure: Option<PersistFailure>,
    /// Why transactions wait for room.
    full: Option<PersistFailure>,
    /// The count of submitted batches up to which nothing is gathered.
    hasten_to: u64,
    stop: bool,
}

struct Shared {
    store: Arc<dyn KvStore>,
    limits: PersisterLimits,
    hook: ProgressHook,
    queue: Mutex<Queue>,
    /// Something was submitted, or `hasten_to` or `stop` was set.
    arrived: Condvar,
    /// A transaction ended, or writing failed.
    ended: Condvar,
    /// Held from taking batches until they are durable; what was written.
    writing: Mutex<Written>,
}

impl Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Shared {
    fn new(
        store: Arc<dyn KvStore>,
        durable: Durable,
        limits: PersisterLimits,
        hook: ProgressHook,
    ) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            bytes: 0,
            submitted: 0,
            settled: 0,
            durable: Arc::new(durable),
            stats: PersistStats::default(),
            failure: None,
            full: None,
            hasten_to: 0,
            stop: false,
        };
        Shared {
            store,
            limits,
            hook,
            queue: Mutex::new(queue),
            arrived: Condvar::new(),
            ended: Condvar::new(),
            writing: Mutex::default(),
        }
    }

    fn push(&self, batch: PersistBatch) {
        let mut queue = self.queue.lock();
        if queue.failure.is_some() || queue.stop {
            return;
        }
        queue.submitted += 1;
        queue.bytes += batch.bytes();
        queue.waiting.push_back(batch);
        // While the thread gathers, only a full transaction is worth waking it for.
        if queue.waiting.len() == 1 || queue.bytes >= self.limits.transaction_bytes {
            self.arrived.notify_one();
        }
    }

    /// Writes one transaction of what waits; `false` when there was nothing.
    fn write_some(&self) -> bool {
        let mut writing = self.writing.lock();
        let Some(taken) = self.take() else { return false };
        let began = Instant::now();
        let written = self.write_until_room(&taken, &mut writing);
        self.settle(&taken, written, began);
        true
    }

    /// The same without waiting for room.
    fn step(&self) -> Step {
        let mut writing = self.writing.lock();
        if self.queue.lock().full.is_some() && !self.reopened() {
            return Step::NoRoom;
        }
        let Some(taken) = self.take() else { return Step::Nothing };
        let began = Instant::now();
        let written = self.write(&taken, &mut writing);
        if matches!(written, Ok(false)) {
            self.put_back(taken);
            return Step::NoRoom;
        }
        self.settle(&taken, written, began);
        Step::Written
    }

    /// [`Shared::step`], after which writing has failed for good if it panics.
    fn try_step(&self) -> Step {
        // redb may panic on pages that something else has written to.
        catch_unwind(AssertUnwindSafe(|| self.step())).unwrap_or_else(|_| {
            self.fail_over_pages();
            Step::Written
        })
    }

    fn take(&self) -> Option<Taken> {
        let mut queue = self.queue.lock();
        let (batches, bytes) = take(&mut queue.waiting, self.limits.transaction_bytes);
        let durable = queue.durable.applied.index;
        (!batches.is_empty()).then_some(Taken { batches, bytes, durable })
    }

    fn put_back(&self, taken: Taken) {
        let mut queue = self.queue.lock();
        taken.batches.into_iter().rev().for_each(|batch| queue.waiting.push_front(batch));
    }

    /// Takes note of what became of a transaction that began then.
    fn settle(&self, taken: &Taken, written: Result<bool, KvError>, began: Instant) {
        let took = matches!(written, Ok(true)).then(|| began.elapsed());
        let mut queue = self.queue.lock();
        queue.bytes -= taken.bytes;
        queue.settled += taken.batches.len() as u64;
        match (written, taken.batches.last()) {
            (Ok(true), Some(last)) => {
                queue.durable = Arc::new(Durable::from(&last.checkpoint));
                queue.stats.transactions += 1;
                queue.stats.busy += took.unwrap_or_default();
                queue.stats.last = took.unwrap_or_default();
            }
            (Ok(_), _) => {
                queue.waiting.clear();
                queue.settled = queue.submitted;
            }
            (Err(error), _) => {
                drop(queue);
                return self.fail(error);
            }
        }
        drop(queue);
        self.ended.notify_all();
        (self.hook)(took);
    }

    /// Commits one transaction; `false` when the disk is full.
    fn write(&self, taken: &Taken, written: &mut Written) -> Result<bool, KvError> {
        let mut now_written = written.clone();
        let rows = transaction_of(&taken.batches, taken.durable, &mut now_written)?;
        let error = match self.store.commit(rows) {
            Ok(()) => {
                *written = now_written;
                self.queue.lock().full = None;
                return Ok(true);
            }
            Err(error) => error,
        };
        if !matches!(error, KvError::Full(_)) {
            return Err(error);
        }
        tracing::warn!(error = &error as &dyn std::error::Error, "waiting for disk space");
        self.queue.lock().full = Some(PersistFailure(Arc::new(error)));
        (self.hook)(None);
        Ok(false)
    }

    /// Waits out a full disk; `false` when told to stop meanwhile.
    fn write_until_room(&self, taken: &Taken, written: &mut Written) -> Result<bool, KvError> {
        while !self.write(taken, written)? {
            loop {
                let mut queue = self.queue.lock();
                if queue.stop {
                    return Ok(false);
                }
                self.arrived.wait_for(&mut queue, FULL_RETRY);
                drop(queue);
                if self.reopened() {
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Opens the file again after a transaction had no room.
    fn reopened(&self) -> bool {
        let reopened = self.store.reopen();
        if let Err(error) = &reopened {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "the data file does not open yet");
        }
        reopened.is_ok()
    }

    fn hasten(&self, queue: &mut Queue) {
        queue.hasten_to = queue.submitted;
        self.arrived.notify_one();
    }

    fn flush(&self) -> Result<Arc<Durable>, PersistFailure> {
        let mut queue = self.queue.lock();
        let target = queue.submitted;
        self.hasten(&mut queue);
        loop {
            if let Some(failure) = &queue.failure {
                return Err(failure.clone());
            }
            if queue.settled >= target {
                return Ok(queue.durable.clone());
            }
            self.ended.wait(&mut queue);
        }
    }

    fn install(
        &self,
        swap: &mut dyn FnMut() -> Result<Checkpoint, KvError>,
    ) -> Result<Arc<Durable>, KvError> {
        let mut writing = self.writing.lock();
        *writing = Written::default();
        let dropped = {
            let mut queue = self.queue.lock();
            queue.bytes = 0;
            queue.waiting.drain(..).count() as u64
        };
        let swapped = swap();
        let mut queue = self.queue.lock();
        queue.settled += dropped;
        let durable = Arc::new(Durable::from(&swapped?));
        queue.durable = durable.clone();
        // It was the other file that could not be written; what failed then will never be.
        if queue.failure.take().is_some() {
            queue.settled = queue.submitted - queue.waiting.len() as u64;
        }
        drop(queue);
        self.ended.notify_all();
        (self.hook)(None);
        Ok(durable)
    }

    fn exchange(&self, swap: &mut dyn FnMut() -> Result<(), KvError>) -> Result<(), KvError> {
        let _writing = self.writing.lock();
        swap()
    }

    /// The persister's thread.
    fn run(&self) {
        let mut begun: Option<Instant> = None;
        loop {
            let mut queue = self.queue.lock();
            while queue.waiting.is_empty() && !queue.stop {
                self.arrived.wait(&mut queue);
            }
            if queue.waiting.is_empty() {
                return;
            }
            if let Some(begun) = begun {
                self.gather(&mut queue, begun + self.limits.gather);
            }
            drop(queue);
            begun = Some(Instant::now());
            // redb may panic on pages that something else has written to.
            if catch_unwind(AssertUnwindSafe(|| self.write_some())).is_err() {
                self.fail_over_pages();
            }
        }
    }

    fn fail_over_pages(&self) {
        self.fail(KvError::row(Table::Meta, b"", "the data file's pages make no sense"));
    }

    fn fail(&self, error: KvError) {
        tracing::error!(error = &error as &dyn std::error::Error, "persisting failed");
        let mut queue = self.queue.lock();
        queue.failure = Some(PersistFailure(Arc::new(error)));
        queue.waiting.clear();
        queue.bytes = 0;
        drop(queue);
        self.ended.notify_all();
        (self.hook)(None);
    }

    fn gather(&self, queue: &mut MutexGuard<'_, Queue>, until: Instant) {
        let full = self.limits.transaction_bytes;
        while queue.bytes < full && queue.settled >= queue.hasten_to && !queue.stop {
            if self.arrived.wait_until(queue, until).timed_out() {
                return;
            }
        }
    }
}

/// What one transaction writes.
struct Taken {
    batches: Vec<PersistBatch>,
    bytes: usize,
    /// The newest entry that was durable before.
    durable: u64,
}

/// Takes batches up to about `bytes_max`, at least one.
fn take(waiting: &mut VecDeque<PersistBatch>, bytes_max: usize) -> (Vec<PersistBatch>, usize) {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = waiting.front() {
        let more = batch.bytes();
        if !taken.is_empty() && bytes + more > bytes_max {
            break;
        }
        bytes += more;
        taken.extend(waiting.pop_front());
    }
    (taken, bytes)
}

macro_rules! shared_parts {
    () => {
        fn durable(&self) -> Arc<Durable> {
            self.shared.queue.lock().durable.clone()
        }

        fn backlog_bytes(&self) -> usize {
            self.shared.queue.lock().bytes
        }

        fn stats(&self) -> PersistStats {
            self.shared.queue.lock().stats
        }

        fn is_behind(&self) -> bool {
            self.backlog_bytes() > self.shared.limits.backlog_bytes_max
        }

        fn is_full(&self) -> bool {
            self.shared.queue.lock().full.is_some()
        }

        fn failure(&self) -> Option<PersistFailure> {
            self.shared.queue.lock().failure.clone()
        }

        fn install(
            &self,
            swap: &mut dyn FnMut() -> Result<Checkpoint, KvError>,
        ) -> Result<Arc<Durable>, KvError> {
            self.shared.install(swap)
        }

        fn exchange(&self, swap: &mut dyn FnMut() -> Result<(), KvError>) -> Result<(), KvError> {
            self.shared.exchange(swap)
        }
    };
}

mod stepped;
pub use stepped::{ArrivedHook, Due, Step, SteppedPersister};

/// The persister with a thread of its own.
#[derive(Debug)]
pub struct Persister {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Persister {
    /// Starts the thread; `durable` is what the store holds.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        store: Arc<dyn KvStore>,
        durable: Durable,
        limits: PersisterLimits,
        hook: ProgressHook,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(store, durable, limits, hook));
        let worker = shared.clone();
        let thread =
            std::thread::Builder::new().name("persister".into()).spawn(move || worker.run())?;
        Ok(Persister { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl Persist for Persister {
    shared_parts!();

    fn submit(&self, batch: PersistBatch) {
        self.shared.push(batch);
    }

    fn hasten(&self) {
        self.shared.hasten(&mut self.shared.queue.lock());
    }

    fn flush(&self) -> Result<Arc<Durable>, PersistFailure> {
        self.shared.flush()
    }

    fn shutdown(&self) {
        self.shared.queue.lock().stop = true;
        self.shared.arrived.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the persister's thread panicked");
        }
        self.shared.ended.notify_all();
    }
}

impl Drop for Persister {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// The persister without a thread: each batch is durable when [`Persist::submit`] returns, which
/// waits out a full disk. For programs that do nothing else.
#[derive(Debug)]
pub struct InlinePersister {
    shared: Shared,
}

impl InlinePersister {
    /// Like [`Persister::start`].
    pub fn new(store: Arc<dyn KvStore>, durable: Durable, hook: ProgressHook) -> Self {
        let limits = PersisterLimits::default();
        InlinePersister { shared: Shared::new(store, durable, limits, hook) }
    }
}

impl Persist for InlinePersister {
    shared_parts!();

    fn submit(&self, batch: PersistBatch) {
        self.shared.push(batch);
        while self.shared.write_some() {}
    }

    fn hasten(&self) {}

    fn flush(&self) -> Result<Arc<Durable>, PersistFailure> {
        self.failure().map_or_else(|| Ok(self.durable()), Err)
    }

    fn shutdown(&self) {
        self.shared.queue.lock().stop = true;
    }
}
