//! Snapshots: a handle until a follower asks, then bytes out of the durable state.

use crate::environment::Work;
use crate::membership;
use crate::types::{TypeConfig, log_id};
use bytes::Bytes;
use openraft::type_config::alias::SnapshotMetaOf;
use reddwarf_storage::{KvError, Received, RedbStore, SnapshotReader, SnapshotWriter};
use reddwarf_versioning::Checkpoint;
use std::fmt;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

/// What openraft passes around as a snapshot.
#[derive(Debug)]
pub enum SnapshotData {
    /// A member's durable state, read when it is sent.
    Durable(Arc<SnapshotSource>),
    /// A file received from the leader, to be put in place.
    Received(Box<ReceivedSnapshot>),
}

/// The right to the one file beside the data file in which a snapshot is written and waits. Raft may
/// take its time to install one, and the leader, whose connection was lost, sends another meanwhile.
pub type SnapshotFile = OwnedMutexGuard<()>;

/// A snapshot that was received as a whole.
#[derive(Debug)]
pub struct ReceivedSnapshot {
    /// Its file.
    pub received: Received,
    /// Held until the file is in its place, or of no use.
    pub file: SnapshotFile,
}

/// What a snapshot of the state at `checkpoint` covers (invariant 13).
///
/// # Errors
/// When the recorded membership does not decode.
pub fn meta_of(checkpoint: &Checkpoint) -> Result<SnapshotMetaOf<TypeConfig>, String> {
    let last_membership = membership::decode(&checkpoint.membership)?;
    let applied = checkpoint.applied;
    let pristine = applied.index == 0 && checkpoint.membership.is_empty();
    let last_log_id = (!pristine).then(|| log_id(applied.term, applied.index));
    Ok(SnapshotMetaOf::<TypeConfig> { last_log_id, last_membership })
}

/// Whence the bytes of snapshots come.
pub struct SnapshotSource {
    /// The durable state.
    pub store: Arc<RedbStore>,
    /// The group, named in the snapshot.
    pub cluster_id: String,
    /// What reads it.
    pub work: Work,
}

impl fmt::Debug for SnapshotSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotSource").field("store", &self.store).finish_non_exhaustive()
    }
}

impl SnapshotSource {
    /// Copies the durable state into a new file beside `to`. Blocks.
    ///
    /// # Errors
    /// As the stores have it.
    pub fn copy_beside(&self, to: &RedbStore) -> Result<Received, String> {
        let store: Arc<RedbStore> = Arc::clone(&self.store);
        let mut reader =
            SnapshotReader::open(store, &self.cluster_id).map_err(|error| error.to_string())?;
        let mut writer = SnapshotWriter::create(to.path(), to.options().clone())
            .map_err(|error| error.to_string())?;
        while let Some(chunk) = reader.next_chunk().map_err(|error| error.to_string())? {
            writer.feed(&chunk).map_err(|error| error.to_string())?;
        }
        writer.finish().map_err(|error| error.to_string())
    }

    /// Begins to read the durable state as it is now.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn open(&self) -> Result<SnapshotStream, String> {
        let (store, cluster_id) = (Arc::clone(&self.store), self.cluster_id.clone());
        let open = move || SnapshotReader::open(store, &cluster_id);
        let reader = self.work.spawn(open).await.map_err(|error| error.to_string())?;
        let reader = reader.map_err(|error| error.to_string())?;
        Ok(SnapshotStream::of(reader, self.work.clone()))
    }
}

/// A snapshot being read, one chunk ahead of who takes them: the disk is read while the other end
/// writes.
pub struct SnapshotStream {
    checkpoint: Checkpoint,
    /// `None` after the last chunk or a failure.
    ahead: Option<JoinHandle<Step>>,
    work: Work,
}

/// The reader, unless it is of no more use, and what it read.
type Step = (Option<SnapshotReader>, Result<Option<Bytes>, KvError>);

fn step(mut reader: SnapshotReader) -> Step {
    let chunk = reader.next_chunk();
    (matches!(chunk, Ok(Some(_))).then_some(reader), chunk)
}

impl SnapshotStream {
    /// Goes on with a reader, within a runtime.
    pub fn of(reader: SnapshotReader, work: Work) -> Self {
        let checkpoint = reader.checkpoint().clone();
        SnapshotStream { checkpoint, ahead: Some(work.spawn(|| step(reader))), work }
    }

    /// What it covers.
    ///
    /// # Errors
    /// When the recorded membership does not decode.
    pub fn meta(&self) -> Result<SnapshotMetaOf<TypeConfig>, String> {
        meta_of(&self.checkpoint)
    }

    /// The next part, `None` after the last.
    ///
    /// # Errors
    /// As the store has it.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, String> {
        let Some(ahead) = self.ahead.take() else { return Ok(None) };
        let (reader, chunk) = ahead.await.map_err(|error| error.to_string())?;
        self.ahead = reader.map(|reader| self.work.spawn(|| step(reader)));
        chunk.map_err(|error| error.to_string())
    }
}
