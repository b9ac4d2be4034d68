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
const COPY_PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked for free space after something was removed, at most; and what part of the
/// time that may take, since it walks through the file.
const FREE_LOOK: Duration = Duration::from_secs(5);
const FREE_LOOK_SHARE: u32 = 200;

/// Sweeps until the node stops.
pub async fn run(core: Arc<Core>) {
    let mut sweep = Sweep::default();
    let (mut swept_at, mut removed, mut next_look) = (None, 0, Instant::now());
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
                    removed += page.removed;
                    core.metrics.swept_rows.inc_by(page.removed as u64);
                    swept_at = page.done.then_some(applied);
                    pause = if page.done { LOOK } else { PAGE_PAUSE };
                }
                Err(error) => tracing::warn!(%error, "what is no longer kept was not removed"),
            }
        }
        if removed > 0 && swept_at.is_some() && Instant::now() >= next_look {
            removed = 0;
            let began = Instant::now();
            shrink(&core).await;
            let took = began.elapsed();
            next_look = Instant::now() + FREE_LOOK.max(took * FREE_LOOK_SHARE);
        }
    }
}

async fn page(core: &Arc<Core>, mut sweep: Sweep) -> Option<(Sweep, Result<SweepPage, KvError>)> {
    let store = Arc::clone(&core.machine.store);
    let read = move || {
        let page = sweep.page(store.as_ref());
        (sweep, page)
    };
    tokio::task::spawn_blocking(read).await.ok()
}

/// Writes the file anew when much of it is free.
async fn shrink(core: &Arc<Core>) {
    let core = Arc::clone(core);
    let metrics = core.metrics.clone();
    let shrunk = tokio::task::spawn_blocking(move || {
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
            std::thread::sleep(COPY_PAUSE);
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
