//! Backups of this member's state, for whoever asks.
//!
//! A backup is of one applied entry. `apply` waits while the file takes up what is applied, some
//! milliseconds; then the state is fixed, and is read while writes go on. The root that memory had at
//! that entry travels along: what is written at the other end has to have the same.

use crate::core::Core;
use crate::environment::Work;
use crate::snapshot::SnapshotStream;
use bytes::Bytes;
use parking_lot::Mutex;
use reddwarf_storage::{
    BackupError, BackupFile, BackupSummary, KvError, PinnedState, StoreOptions,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A backup that nobody goes on with is forgotten after so long.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long it may take until what is applied is in the file; nothing is applied meanwhile.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
/// Backups that are sent at one time. Each keeps what is superseded in the member's file.
const BACKUPS_MAX: usize = 4;

/// What a backup is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupHead {
    /// The group.
    pub cluster_id: String,
    /// The newest entry in it.
    pub index: u64,
    /// The newest revision in it.
    pub revision: u64,
    /// The root of its state, in hex.
    pub root: String,
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupFailure {
    /// This member cannot tell its state now.
    #[error("{0}")]
    Unavailable(String),
    /// The state cannot be read.
    #[error("reading the state")]
    Read(#[from] KvError),
    /// The file cannot be written, or is not what the member has.
    #[error(transparent)]
    File(#[from] BackupError),
}

/// What is being sent, by a number drawn for it.
#[derive(Default)]
pub struct Backups(Mutex<HashMap<u64, Sending>>);

struct Sending {
    next: u64,
    stream: SnapshotStream,
    used: Instant,
}

impl Backups {
    /// Begins to send the state of now; answers the number to go on with.
    ///
    /// # Errors
    /// See [`BackupFailure`].
    pub async fn begin(
        self: &Arc<Self>,
        core: &Core,
        cluster_id: &str,
    ) -> Result<(u64, BackupHead), BackupFailure> {
        if self.0.lock().len() >= BACKUPS_MAX {
            let text = format!("{BACKUPS_MAX} backups are being made already");
            return Err(BackupFailure::Unavailable(text));
        }
        let (stream, head) = fix(core, cluster_id).await?;
        let number = rand::random::<u64>() >> 1;
        self.0.lock().insert(number, Sending { next: 0, stream, used: Instant::now() });
        tokio::spawn(Arc::clone(self).forget_when_idle(number));
        Ok((number, head))
    }

    /// A part, empty after the last.
    ///
    /// # Errors
    /// When it is not the next one, or the state cannot be read.
    pub async fn part(&self, number: u64, part: u64) -> Result<Bytes, String> {
        let found = self.0.lock().remove(&number).filter(|sending| sending.next == part);
        let mut sending = found.ok_or("no such backup is being made, or another part is due")?;
        let Some(bytes) = sending.stream.next_chunk().await? else { return Ok(Bytes::new()) };
        sending.next += 1;
        sending.used = Instant::now();
        self.0.lock().insert(number, sending);
        Ok(bytes)
    }

    async fn forget_when_idle(self: Arc<Self>, number: u64) {
        loop {
            tokio::time::sleep(IDLE_MAX / 4).await;
            let mut sending = self.0.lock();
            match sending.get(&number) {
                // It has ended, or a part is just being read: that one is looked at again.
                None => return,
                Some(one) if one.used.elapsed() >= IDLE_MAX => {
                    sending.remove(&number);
                    return;
                }
                Some(_) => {}
            }
        }
    }
}

/// Writes the state of now to a new file at `path`, and reads it back.
///
/// # Errors
/// See [`BackupFailure`].
pub async fn write(
    core: &Core,
    cluster_id: &str,
    path: &Path,
) -> Result<BackupSummary, BackupFailure> {
    let work = &core.environment.work;
    let (mut stream, head) = fix(core, cluster_id).await?;
    let options = StoreOptions { levels: core.build.levels, ..StoreOptions::new(cluster_id) };
    let path = path.to_owned();
    let mut file = blocking(work, move || BackupFile::create(&path, options, false)).await??;
    loop {
        let chunk = stream.next_chunk().await;
        let Some(chunk) = chunk.map_err(BackupFailure::Unavailable)? else { break };
        file = blocking(work, move || file.feed(&chunk).map(|()| file)).await??;
    }
    Ok(blocking(work, move || file.finish(&head.root)).await??)
}

/// Fixes the state of now.
async fn fix(core: &Core, cluster_id: &str) -> Result<(SnapshotStream, BackupHead), BackupFailure> {
    if let Some(trouble) = core.quarantine().trouble() {
        return Err(BackupFailure::Unavailable(format!("this member is no source: {trouble}")));
    }
    let work = &core.environment.work;
    let turn = core.machine.turn.lock().await;
    let (index, revision, root) = core.machine.standing();
    let flushed = tokio::time::timeout(FLUSH_TIMEOUT, core.machine.flush()).await;
    let behind = || BackupFailure::Unavailable("the disk does not take the state".to_owned());
    let durable = flushed.map_err(|_| behind())?.map_err(|_| behind())?;
    if durable.applied.index != index {
        return Err(behind());
    }
    let store = Arc::clone(&core.machine.store);
    let pinned = blocking(work, move || PinnedState::pin(store)).await??;
    drop(turn);
    let cluster = cluster_id.to_owned();
    let reader = blocking(work, move || pinned.reader(&cluster)).await??;
    let (cluster_id, root) = (cluster_id.to_owned(), root.to_string());
    let head = BackupHead { cluster_id, index, revision: revision.0, root };
    Ok((SnapshotStream::of(reader, work.clone()), head))
}

async fn blocking<T: Send + 'static>(
    work: &Work,
    step: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BackupFailure> {
    work.spawn(step).await.map_err(|error| BackupFailure::Unavailable(error.to_string()))
}
