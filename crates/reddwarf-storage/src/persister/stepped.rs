//! The persister without a thread, whose owner says when it writes.

use super::{
    Durable, FULL_RETRY, Persist, PersistBatch, PersistFailure, PersistStats, PersisterLimits,
    ProgressHook, Shared,
};
use crate::{KvError, KvStore};
use parking_lot::Mutex;
use reddwarf_versioning::Checkpoint;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a [`SteppedPersister`] is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing waits.
    Nothing,
    /// More may be gathered for so long.
    Gather(Duration),
    /// A step.
    Now,
}

/// What a step of a [`SteppedPersister`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits.
    Nothing,
    /// A transaction was written, or writing has failed for good.
    Written,
    /// The disk is full; to be tried again after [`SteppedPersister::FULL_RETRY`].
    NoRoom,
}

/// Called when what is due may have changed. Must not block: it wakes a task.
pub type ArrivedHook = Arc<dyn Fn() + Send + Sync>;

/// The persister without a thread, whose owner says when it writes: the same gathering, and the same
/// transactions, in an order that can be repeated. Dropping it writes nothing.
pub struct SteppedPersister {
    shared: Shared,
    arrived: ArrivedHook,
    /// When the last transaction began.
    begun: Mutex<Option<Instant>>,
}

impl Debug for SteppedPersister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteppedPersister").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl SteppedPersister {
    /// How long a full disk is left alone before the next step.
    pub const FULL_RETRY: Duration = FULL_RETRY;

    /// Like [`Persister::start`]; `arrived` is also called when this is dropped.
    pub fn new(
        store: Arc<dyn KvStore>,
        durable: Durable,
        limits: PersisterLimits,
        hook: ProgressHook,
        arrived: ArrivedHook,
    ) -> Self {
        let shared = Shared::new(store, durable, limits, hook);
        SteppedPersister { shared, arrived, begun: Mutex::default() }
    }

    /// What is to be done now.
    pub fn due(&self) -> Due {
        let queue = self.shared.queue.lock();
        if queue.waiting.is_empty() {
            return Due::Nothing;
        }
        let limits = &self.shared.limits;
        let gathers = queue.bytes < limits.transaction_bytes
            && queue.settled >= queue.hasten_to
            && !queue.stop;
        let since = self.begun.lock().filter(|_| gathers).map(|begun| begun.elapsed());
        match since.and_then(|since| limits.gather.checked_sub(since)) {
            Some(rest) if !rest.is_zero() => Due::Gather(rest),
            _ => Due::Now,
        }
    }

    /// Writes one transaction of what waits.
    pub fn step(&self) -> Step {
        *self.begun.lock() = Some(Instant::now());
        self.shared.try_step()
    }
}

impl Persist for SteppedPersister {
    shared_parts!();

    fn submit(&self, batch: PersistBatch) {
        self.shared.push(batch);
        (self.arrived)();
    }

    fn hasten(&self) {
        self.shared.hasten(&mut self.shared.queue.lock());
        (self.arrived)();
    }

    /// Writes everything that waits. A full disk is not waited for: [`PersistFailure::is_full`] tells
    /// of it, and that the call can be repeated.
    fn flush(&self) -> Result<Arc<Durable>, PersistFailure> {
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            if self.step() != Step::Written {
                let full = self.shared.queue.lock().full.clone();
                return full.map_or_else(|| Ok(self.durable()), Err);
            }
        }
    }

    fn shutdown(&self) {
        // What had no room is in the log still.
        let _ = self.flush();
        let mut queue = self.shared.queue.lock();
        queue.stop = true;
        queue.waiting.clear();
        queue.bytes = 0;
        queue.settled = queue.submitted;
    }
}

impl Drop for SteppedPersister {
    fn drop(&mut self) {
        (self.arrived)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{roots, step};
    use crate::{Hold, KvRead, RedbStore, StoreOptions, WriteBatch, load};
    use reddwarf_versioning::{State, WindowLimits};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use tempfile::TempDir;

    /// A store whose disk is full when told so.
    #[derive(Debug)]
    struct Rooms {
        store: RedbStore,
        full: AtomicBool,
        _folder: TempDir,
    }

    impl Rooms {
        fn new() -> Arc<Self> {
            let folder = tempfile::tempdir().expect("tempdir");
            let store = RedbStore::open(folder.path().join("state"), StoreOptions::new("test"));
            let store = store.expect("it opens");
            Arc::new(Rooms { store, full: AtomicBool::new(false), _folder: folder })
        }

        fn root(&self) -> reddwarf_versioning::StateRoot {
            load(&self.store, WindowLimits::default()).expect("a whole state").state.root()
        }
    }

    impl KvStore for Rooms {
        fn read(&self) -> Result<Box<dyn KvRead>, KvError> {
            self.store.read()
        }

        fn commit(&self, batch: WriteBatch) -> Result<(), KvError> {
            match self.full.load(Ordering::SeqCst) {
                true => Err(KvError::Full("state".into())),
                false => self.store.commit(batch),
            }
        }

        fn reopen(&self) -> Result<(), KvError> {
            self.store.reopen()
        }

        fn hold(&self) -> Hold {
            self.store.hold()
        }

        fn is_held(&self) -> bool {
            self.store.is_held()
        }

        fn generation(&self) -> u64 {
            self.store.generation()
        }
    }

    fn stepped(store: &Arc<Rooms>, gather: Duration) -> (SteppedPersister, Arc<AtomicUsize>) {
        let arrived = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&arrived);
        let wake = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let limits = PersisterLimits { gather, ..PersisterLimits::default() };
        let (store, hook) = (Arc::clone(store) as _, Arc::new(|_| ()));
        (SteppedPersister::new(store, Durable::default(), limits, hook, wake), arrived)
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn what_is_submitted_is_gathered_until_a_step_is_due() {
        let (persister, arrived) = stepped(&Rooms::new(), HOUR);
        let mut state = State::new();
        assert_eq!((persister.due(), persister.step()), (Due::Nothing, Step::Nothing));
        persister.submit(step(&mut state, 1));
        assert_eq!(arrived.load(Ordering::SeqCst), 1);
        assert_eq!(persister.durable().applied.index, 0, "it waits");
        persister.flush().expect("durable");
        assert_eq!(persister.durable().applied.index, 1);
        persister.submit(step(&mut state, 2));
        assert!(matches!(persister.due(), Due::Gather(rest) if rest <= HOUR && !rest.is_zero()));
        persister.hasten();
        assert_eq!((persister.due(), arrived.load(Ordering::SeqCst)), (Due::Now, 3));
        assert_eq!((persister.step(), persister.due()), (Step::Written, Due::Nothing));
        assert_eq!(persister.durable().applied.index, 2);
    }

    #[test]
    fn a_full_disk_keeps_what_waits_in_order_and_is_not_waited_for() {
        const LAST: u64 = 6;
        let store = Rooms::new();
        let (persister, _) = stepped(&store, HOUR);
        let mut state = State::new();
        store.full.store(true, Ordering::SeqCst);
        for index in 1..=LAST {
            persister.submit(step(&mut state, index));
            assert_eq!(persister.step(), Step::NoRoom);
        }
        assert!(persister.is_full() && persister.failure().is_none());
        assert!(persister.flush().expect_err("there is no room").is_full());
        store.full.store(false, Ordering::SeqCst);
        assert_eq!(persister.flush().expect("there is room").applied.index, LAST);
        assert!(!persister.is_full());
        assert_eq!(store.root(), roots(LAST)[LAST as usize]);
        assert_eq!(persister.backlog_bytes(), 0);
    }

    #[test]
    fn what_is_dropped_writes_nothing_and_what_is_shut_down_writes_all() {
        let store = Rooms::new();
        for (shut_down, index) in [(false, 0), (true, 1)] {
            let (persister, arrived) = stepped(&store, HOUR);
            persister.submit(step(&mut State::new(), 1));
            if shut_down {
                persister.shutdown();
            }
            drop(persister);
            assert_eq!(arrived.load(Ordering::SeqCst), 2, "whoever steps it learns of the end");
            assert_eq!(store.root(), roots(1)[index]);
        }
    }
}
