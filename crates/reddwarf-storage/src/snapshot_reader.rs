//! Turns the durable state into a stream of chunks for another member.
//!
//! One short read transaction fixes the checkpoint and the rows that change in place: which
//! revision each key is at, and the remembered requests. What the bulk says of the past does not
//! change any more, so it is read page by page, each in a transaction of its own, up to the fixed
//! revision: nothing holds an old state of the file while a slow follower reads. Nothing is swept
//! away meanwhile either.

use crate::load::checkpoint_of;
use crate::{Hold, KvError, KvRead, KvStore, Table, delta, rows, version_row};
use bytes::Bytes;
use reddwarf_core::Revision;
use reddwarf_core::codec::{self, CodecError};
use reddwarf_versioning::Checkpoint;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// About how many bytes of rows one chunk carries.
pub const CHUNK_BYTES: usize = 512 * 1024;
/// Record version of a chunk.
pub(crate) const CHUNK_VERSION: u8 = 3;
/// Tables that are read page by page, in this order.
const PAGED: [Table; 5] =
    [Table::Versions, Table::Commits, Table::CommitIds, Table::History, Table::Excised];
/// Rows of [`Table::Meta`] that belong to the state.
pub(crate) const STATE_ROWS: [&[u8]; 9] = [
    rows::META_CHECKPOINT,
    rows::META_BRANCHES,
    rows::META_FLOORS,
    rows::META_MARKS,
    rows::META_LOST,
    rows::META_LEVEL,
    rows::META_BUILDS,
    rows::META_SWEPT,
    rows::META_ROOT,
];

/// A row as it travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    #[serde(with = "serde_bytes")]
    pub key: Vec<u8>,
    pub value: Bytes,
}

/// One piece of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Chunk {
    /// The first.
    Begin { format: u32, cluster: String, meta: Vec<Row> },
    /// Rows of one table in key order.
    Rows { table: u8, rows: Vec<Row> },
    /// The last.
    End { rows: u64 },
}

/// A chunk as it is sent: the record's length (u32, little endian), then the record.
pub(crate) fn frame(chunk: &Chunk) -> Result<Bytes, CodecError> {
    let record = codec::encode(CHUNK_VERSION, chunk)?;
    let mut out = Vec::with_capacity(4 + record.len());
    out.extend_from_slice(&(record.len() as u32).to_le_bytes());
    out.extend_from_slice(&record);
    Ok(out.into())
}

/// Reads a snapshot chunk by chunk; see the module's text.
#[derive(Debug)]
pub struct SnapshotReader {
    store: Arc<dyn KvStore>,
    checkpoint: Checkpoint,
    _hold: Hold,
    /// Chunks made when the snapshot was opened, last first.
    ready: Vec<Chunk>,
    /// Which of [`PAGED`] is read, and the key after which reading goes on.
    place: Option<(usize, Vec<u8>)>,
    rows: u64,
}

impl SnapshotReader {
    /// Fixes the state to send: the newest durable one.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn open(store: Arc<dyn KvStore>, cluster: &str) -> Result<Self, KvError> {
        PinnedState::pin(store)?.reader(cluster)
    }

    fn begin(pinned: PinnedState, cluster: &str) -> Result<Self, KvError> {
        let PinnedState { hold, read, store } = pinned;
        let checkpoint = checkpoint_of(read.as_ref())?;
        let mut meta = Vec::new();
        for row in STATE_ROWS {
            let value = read.get(Table::Meta, row)?;
            meta.extend(value.map(|value| Row { key: row.to_vec(), value }));
        }
        let cluster = cluster.to_owned();
        let begin = Chunk::Begin { format: rows::format_of(checkpoint.level), cluster, meta };
        let mut ready = vec![begin];
        for table in [Table::Current, Table::Requests] {
            let mut after = None;
            loop {
                let page = page(read.as_ref(), table, after.as_deref(), Revision::MAX)?;
                if !page.rows.is_empty() {
                    ready.push(Chunk::Rows { table: table as u8, rows: page.rows });
                }
                let Some(last) = page.last else { break };
                after = Some(last);
            }
        }
        ready.reverse();
        let place = Some((0, Vec::new()));
        Ok(SnapshotReader { store, checkpoint, _hold: hold, ready, place, rows: 0 })
    }

    /// The state that is sent; its log id and membership are the snapshot's.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The next chunk, `None` after the last. Blocks on the disk for one page.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn next_chunk(&mut self) -> Result<Option<Bytes>, KvError> {
        let Some(chunk) = self.next()? else { return Ok(None) };
        if let Chunk::Rows { rows, .. } = &chunk {
            self.rows += rows.len() as u64;
        }
        frame(&chunk).map(Some).map_err(|error| KvError::row(Table::Meta, b"snapshot", error))
    }

    fn next(&mut self) -> Result<Option<Chunk>, KvError> {
        if let Some(chunk) = self.ready.pop() {
            return Ok(Some(chunk));
        }
        while let Some((at, after)) = self.place.take() {
            let Some(table) = PAGED.get(at).copied() else {
                return Ok(Some(Chunk::End { rows: self.rows }));
            };
            let read = self.store.read()?;
            let after = (!after.is_empty()).then_some(after);
            let page = page(read.as_ref(), table, after.as_deref(), self.checkpoint.revision)?;
            self.place = Some(page.last.map_or_else(|| (at + 1, Vec::new()), |last| (at, last)));
            if !page.rows.is_empty() {
                return Ok(Some(Chunk::Rows { table: table as u8, rows: page.rows }));
            }
        }
        Ok(None)
    }
}

/// The newest durable state, fixed at once and read later: whoever has to stop the writer meanwhile
/// does so for a moment only.
pub struct PinnedState {
    store: Arc<dyn KvStore>,
    read: Box<dyn KvRead>,
    hold: Hold,
}

impl PinnedState {
    /// Fixes the state.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn pin(store: Arc<dyn KvStore>) -> Result<Self, KvError> {
        let hold = store.hold();
        let read = store.read()?;
        Ok(PinnedState { store, read, hold })
    }

    /// Begins to read it. Blocks while the rows are read that change in place.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn reader(self, cluster: &str) -> Result<SnapshotReader, KvError> {
        SnapshotReader::begin(self, cluster)
    }
}

/// The rows of one chunk.
#[derive(Default)]
struct RowPage {
    rows: Vec<Row>,
    /// The key after which the next chunk begins; `None` when the table has ended.
    last: Option<Vec<u8>>,
}

/// Rows after a key, those that were written with a revision up to `end`.
fn page(
    read: &dyn KvRead,
    table: Table,
    after: Option<&[u8]>,
    end: Revision,
) -> Result<RowPage, KvError> {
    let (mut page, mut bytes) = (RowPage::default(), 0);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    read.scan(table, (from, Bound::Unbounded), &mut |key, value| {
        bytes += key.len() + value.len();
        if bytes >= CHUNK_BYTES {
            page.last = Some(key.to_vec());
        }
        if written_at(table, key) <= end {
            let value = self_contained(read, table, key, value, end)?;
            page.rows.push(Row { key: key.to_vec(), value });
        }
        let more = page.last.is_none();
        Ok(if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(page)
}

/// The revision with which a row of the bulk was written: its key ends with it.
fn written_at(table: Table, key: &[u8]) -> Revision {
    match (table, key.last_chunk()) {
        (Table::Current | Table::Requests, _) | (_, None) => Revision::ZERO,
        (_, Some(number)) => Revision(u64::from_be_bytes(*number)),
    }
}

/// A row's value, in full if it is a delta against what does not travel.
fn self_contained(
    read: &dyn KvRead,
    table: Table,
    key: &[u8],
    value: &[u8],
    end: Revision,
) -> Result<Bytes, KvError> {
    if table == Table::Versions
        && version_row::is_delta(value)
        && delta::base_of(table, key, value)? > end
    {
        let revision = Revision(rows::read_number(table, key)?);
        let missing = || KvError::row(table, key, "vanished within a transaction");
        return version_row::record(read, revision)?.ok_or_else(missing);
    }
    Ok(Bytes::copy_from_slice(value))
}
