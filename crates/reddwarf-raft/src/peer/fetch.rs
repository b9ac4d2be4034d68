//! Fetching the state of another member, part by part, into a file of its own.
//!
//! The member that needs it pulls: it may not be able to take part in Raft at all. What it gets is
//! some state that the group has committed, whoever leads.

use super::connection::CallError;
use super::dial::{Lane, PeerClient};
use super::frame::Kind;
use super::message::{FetchPart, decode, encode};
use crate::environment::Work;
use bytes::Bytes;
use reddwarf_core::codec::CodecError;
use reddwarf_storage::{
    KvError, LoadError, Loaded, OpenError, Received, RedbStore, Scrub, SnapshotError,
    SnapshotWriter, StoreOptions, load,
};
use reddwarf_versioning::WindowLimits;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinError;

/// Name of the file while it is made; a snapshot that a leader sends has another one.
const NAME: &str = "fetched.redb";
/// How long the other member may take for the beginning, or for one part.
const PART_TIMEOUT: Duration = Duration::from_secs(30);
/// About how much of the file is checked with one read transaction.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Why a state was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The other member did not answer, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It said something else than was asked.
    #[error("its answer")]
    Answer(#[from] CodecError),
    /// What it sent cannot be written, or is no snapshot.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The written file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The written file cannot be read.
    #[error(transparent)]
    Read(#[from] KvError),
    /// What it sent is no state.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A row that it sent is damaged.
    #[error("it sent a damaged row: {0}")]
    Damaged(KvError),
    /// The member is stopping.
    #[error("this member is stopping")]
    Stopping(#[from] JoinError),
}

/// A state that was fetched: its file, not yet in place, and what it holds.
pub struct Fetched {
    /// The file.
    pub received: Received,
    /// Its content.
    pub loaded: Loaded,
}

/// Fetches the state of the member that `client` calls, and checks all of its rows.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(
    client: &PeerClient,
    data_dir: &Path,
    options: StoreOptions,
    work: &Work,
) -> Result<Fetched, FetchError> {
    let received = receive(client, data_dir, options.clone(), work).await?;
    work.spawn(move || examine(received, options)).await?
}

async fn receive(
    client: &PeerClient,
    data_dir: &Path,
    options: StoreOptions,
    work: &Work,
) -> Result<Received, FetchError> {
    let begun = client.call(Lane::Snapshot, Kind::FetchBegin, Bytes::new(), PART_TIMEOUT).await?;
    let transfer: u64 = decode(&begun)?;
    let beside = data_dir.join(NAME);
    let mut writer = work.spawn(move || SnapshotWriter::create(&beside, options)).await??;
    for number in 0.. {
        let part = encode(&FetchPart { transfer, number })?;
        let part = client.call(Lane::Snapshot, Kind::FetchPart, part, PART_TIMEOUT).await?;
        // After the last part comes nothing.
        if part.is_empty() {
            break;
        }
        writer = work.spawn(move || writer.feed(&part).map(|()| writer)).await??;
    }
    Ok(work.spawn(move || writer.finish()).await??)
}

/// Loads the file, which compares the sum of its objects with the recorded one, and reads every row.
fn examine(received: Received, options: StoreOptions) -> Result<Fetched, FetchError> {
    let store = RedbStore::open(received.path(), options)?;
    let loaded = load(&store, WindowLimits::default())?;
    let mut scrub = Scrub::default();
    loop {
        let page = scrub.page(&store, PAGE_BYTES)?;
        if let Some(damaged) = page.damaged.into_iter().next() {
            return Err(FetchError::Damaged(damaged));
        }
        if page.ends_pass {
            return Ok(Fetched { received, loaded });
        }
    }
}
