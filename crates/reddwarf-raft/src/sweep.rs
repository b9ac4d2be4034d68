//! Removes from this member's file what is no longer kept, and gives the space back, in the
//! background and a little at a time.

use crate::core::Core;
use reddwarf_storage::{Compacted, KvError, Sweep, SweepPage, compact, is_worth_compacting};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether there is something to be removed.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between two pages, in which others get at the disk.
const PAGE_PAUSE: Duration = Duration::from_millis(20);
/// Pause after each mebibyte of a file that is written anew.
const COPY_PAUSE: Duration = Duration::from_millis(40);
/// How often it is looked for free space, at most; and what part of the time that may take, since it
/// walks through the file.
const FREE_LOOK: Duration = Duration::from_secs(5);
const FREE_LOOK_SHARE: u32 = 200;
/// While more entries a second are applied, the file is written anew later, but not later than that.
const QUIET_RATE: u64 = 200;
const QUIET_PATIENCE: Duration = Duration::from_secs(600);

/// Sweeps until the node stops.
pub async fn run(core: Arc<Core>) {
    let mut sweep = Sweep::default();
    let mut swept_at = None;
    let mut free = FreeSpace::new(&core);
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = LOOK;
        // What is to be removed follows from entries that the file holds.
        let applied = core.machine.persist.durable().applied;
        if swept_at != Some(applied) {
            let Some((next, page)) = page(&core, sweep).await else { return };
            sweep = next;
            match page {
                Ok(page) => {
                    free.removed |= page.removed > 0;
                    core.metrics.swept_rows.inc_by(page.removed as u64);
                    swept_at = page.done.then_some(applied);
                    pause = if page.done { LOOK } else { PAGE_PAUSE };
                }
                Err(error) => tracing::warn!(%error, "what is no longer kept was not removed"),
            }
        }
        if swept_at.is_some() && free.is_due(&core) {
            let began = Instant::now();
            shrink(&core).await;
            free.looked(&core, began.elapsed());
        }
    }
}

/// When to look for free space.
struct FreeSpace {
    /// Whether rows were removed since.
    removed: bool,
    /// What the file took when it was looked at last.
    bytes: u64,
    next: Instant,
    /// When it was asked last, and the entry that was applied then.
    asked: (Instant, u64),
    /// Since when it is due but for the group being busy.
    waits: Option<Instant>,
}

impl FreeSpace {
    fn new(core: &Core) -> Self {
        let (bytes, next) = (core.machine.store.file_bytes(), Instant::now() + FREE_LOOK);
        let asked = (Instant::now(), core.machine.applied.borrow().index);
        FreeSpace { removed: false, bytes, next, asked, waits: None }
    }

    fn is_due(&mut self, core: &Core) -> bool {
        let (now, index) = (Instant::now(), core.machine.applied.borrow().index);
        if now < self.next {
            return false;
        }
        let (before, entries) = (self.asked.0, index.saturating_sub(self.asked.1));
        self.asked = (now, index);
        self.next = now + FREE_LOOK;
        let grown = core.machine.store.file_bytes() > self.bytes / 4 * 5;
        if !grown && !self.removed {
            return false;
        }
        let since = *self.waits.get_or_insert(now);
        let busy = entries > QUIET_RATE * (now - before).as_secs().max(1);
        !busy || now - since >= QUIET_PATIENCE
    }

    fn looked(&mut self, core: &Core, took: Duration) {
        (self.removed, self.waits) = (false, None);
        self.bytes = core.machine.store.file_bytes();
        self.next = Instant::now() + FREE_LOOK.max(took * FREE_LOOK_SHARE);
    }
}

async fn page(core: &Arc<Core>, mut sweep: Sweep) -> Option<(Sweep, Result<SweepPage, KvError>)> {
    let store = Arc::clone(&core.machine.store);
    let read = move || {
        let page = sweep.page(store.as_ref());
        (sweep, page)
    };
    core.environment.work.spawn(read).await.ok()
}

/// Writes the file anew when much of it is free.
async fn shrink(core: &Arc<Core>) {
    let core = Arc::clone(core);
    let (metrics, work) = (core.metrics.clone(), core.environment.work.clone());
    let shrunk = work.spawn(move || {
        let store = &core.machine.store;
        if !is_worth_compacting(store)? {
            return Ok(None);
        }
        let mut pause = || {
            if core.stop.is_cancelled() {
                return Err(KvError::File {
                    path: store.path().to_owned(),
                    source: "the member is stopping".into(),
                });
            }
            core.environment.work.pause(COPY_PAUSE);
            Ok(())
        };
        compact(store, core.machine.persist.as_ref(), &mut pause).map(Some)
    });
    match shrunk.await {
        Ok(Ok(Some(Compacted { before, after }))) => {
            metrics.compactions.inc();
            tracing::info!(before, after, "the data file was written anew without its free space");
        }
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the data file was not written anew"),
    }
}
