//! Reads the durable state in the background, slowly, to find damage early.

use crate::core::Core;
use reddwarf_storage::Scrub;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of rows that one read transaction covers.
const PAGE_BYTES: usize = 128 * 1024;
/// Pause before the first pass, which leaves a start its time.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// Scrubs until the node stops.
pub async fn run(core: Arc<Core>) {
    let page_pause = Duration::from_secs_f64(
        PAGE_BYTES as f64 / core.limits.scrub_bytes_per_second.max(1) as f64,
    );
    let mut pause = FIRST_PAUSE.min(core.limits.scrub_pause);
    let mut scrub = Scrub::default();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let store = Arc::clone(&core.machine.store);
        let read = core.environment.work.spawn(move || {
            let page = scrub.page(store.as_ref(), PAGE_BYTES);
            (scrub, page)
        });
        let Ok((next, page)) = read.await else { return };
        scrub = next;
        pause = page_pause;
        let metrics = &core.metrics;
        match page {
            Ok(page) => {
                metrics.scrub_bytes.inc_by(page.bytes as u64);
                metrics.scrub_damaged.inc_by(page.damaged.len() as u64);
                for error in &page.damaged {
                    tracing::error!(%error, "the durable state is damaged on disk");
                    core.quarantine().found_damage(&error.to_string());
                }
                if page.ends_pass {
                    metrics.scrub_passes.inc();
                    pause = core.limits.scrub_pause;
                }
            }
            // A file that is put in place by a snapshot, or waits for disk space.
            Err(error) => {
                tracing::warn!(%error, "a page of the state was not scrubbed");
                if error.is_damage() {
                    core.quarantine().found_damage(&error.to_string());
                }
            }
        }
    }
}
