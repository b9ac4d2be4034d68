//! What makes the persister write: a thread of its own, or a task that gathers and waits in the
//! runtime's time.

use crate::environment::{Pace, Work};
use reddwarf_storage::{
    Due, Durable, KvStore, Persist, Persister, PersisterLimits, ProgressHook, Step,
    SteppedPersister,
};
use std::io;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Starts a persister; `durable` is what `store` holds.
///
/// # Errors
/// When the system has no thread to give.
pub fn start(
    work: &Work,
    store: Arc<dyn KvStore>,
    durable: Durable,
    limits: PersisterLimits,
    hook: ProgressHook,
) -> io::Result<Arc<dyn Persist>> {
    match work {
        Work::Threads => Ok(Arc::new(Persister::start(store, durable, limits, hook)?)),
        Work::Tasks(pace) => {
            let arrived = Arc::new(Notify::new());
            let wake = Arc::clone(&arrived);
            let wake = Arc::new(move || wake.notify_one());
            let persist = Arc::new(SteppedPersister::new(store, durable, limits, hook, wake));
            tokio::spawn(drive(Arc::downgrade(&persist), arrived, Arc::clone(pace)));
            Ok(persist)
        }
    }
}

/// Writes what is due until the persister is dropped.
async fn drive(persist: Weak<SteppedPersister>, arrived: Arc<Notify>, pace: Arc<dyn Pace>) {
    while let Some(due) = persist.upgrade().map(|persist| persist.due()) {
        match due {
            Due::Nothing => arrived.notified().await,
            // Either it is time, or there is more, of which the next round thinks.
            Due::Gather(rest) => drop(timeout(rest, arrived.notified()).await),
            Due::Now => {
                sleep(pace.state()).await;
                let stepped = persist.upgrade().map(|persist| persist.step());
                if stepped == Some(Step::NoRoom) {
                    sleep(SteppedPersister::FULL_RETRY).await;
                }
            }
        }
    }
}
