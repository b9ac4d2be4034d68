//! States that other members fetch from this one.

use crate::core::Core;
use crate::peer::FetchPart;
use crate::snapshot::SnapshotStream;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A transfer that nobody goes on with is forgotten after so long.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long it may take until what is applied is in the file.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// What is being fetched, by the member that fetches it.
#[derive(Default)]
pub struct Outgoing(Mutex<HashMap<u64, Transfer>>);

struct Transfer {
    number: u64,
    next: u64,
    stream: SnapshotStream,
    used: Instant,
}

impl Outgoing {
    /// Begins a transfer for member `to`; an earlier one for it is forgotten.
    ///
    /// # Errors
    /// When this member's own state is in doubt, or cannot be read.
    pub async fn begin(&self, core: &Core, to: u64) -> Result<u64, String> {
        if let Some(trouble) = core.quarantine().trouble() {
            return Err(format!("this member is no source: {trouble}"));
        }
        // The newer the better; what the disk does not take in time comes out of the log.
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, core.machine.flush()).await;
        let stream = core.machine.snapshots.open().await?;
        if stream.meta()?.last_log_id.is_none() {
            return Err("this member has no state yet".to_owned());
        }
        let number = rand::random();
        let mut transfers = self.0.lock();
        transfers.retain(|_, transfer| transfer.used.elapsed() < IDLE_MAX);
        transfers.insert(to, Transfer { number, next: 0, stream, used: Instant::now() });
        Ok(number)
    }

    /// A part of a transfer, empty after the last.
    ///
    /// # Errors
    /// When it is not the next one, or the state cannot be read.
    pub async fn part(&self, to: u64, part: FetchPart) -> Result<Bytes, String> {
        let found = self.0.lock().remove(&to);
        let due = |transfer: &Transfer| (transfer.number, transfer.next);
        let found = found.filter(|transfer| due(transfer) == (part.transfer, part.number));
        let mut transfer = found.ok_or("another part is due, or another transfer has begun")?;
        let Some(bytes) = transfer.stream.next_chunk().await? else { return Ok(Bytes::new()) };
        transfer.next += 1;
        transfer.used = Instant::now();
        self.0.lock().insert(to, transfer);
        Ok(bytes)
    }
}
