//! Turns the durable state into a stream of chunks for another member.
//!
//! One short read transaction fixes the checkpoint and the rows that change in place: which
//! revision each key is at, and the remembered requests. The bulk, versions and commits, is
//! never changed once written, so it is read page by page, each in a transaction of its own, up
//! to the fixed revision: nothing holds an old state of the file while a slow follower reads.
//! The history and commit id tables follow from the commits and are not sent.

use crate::load::checkpoint_of;
use crate::{KvError, KvRead, KvStore, Table, rows};
use bytes::Bytes;
use reddwarf_core::codec::{self, CodecError};
use reddwarf_versioning::Checkpoint;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// About how many bytes of rows one chunk carries.
pub const CHUNK_BYTES: usize = 512 * 1024;
/// Record version of a chunk.
pub(crate) const CHUNK_VERSION: u8 = 2;

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
    Begin { format: u32, cluster: String, checkpoint: Box<Checkpoint> },
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
    /// Chunks made when the snapshot was opened, last first.
    ready: Vec<Chunk>,
    /// The table and key after which reading goes on.
    place: Option<(Table, Vec<u8>)>,
    rows: u64,
}

impl SnapshotReader {
    /// Fixes the state to send: the newest durable one.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn open(store: Arc<dyn KvStore>, cluster: &str) -> Result<Self, KvError> {
        let read = store.read()?;
        let checkpoint = checkpoint_of(read.as_ref())?;
        let begin = Chunk::Begin {
            format: rows::FORMAT_VERSION,
            cluster: cluster.to_owned(),
            checkpoint: Box::new(checkpoint.clone()),
        };
        let mut ready = vec![begin];
        for table in [Table::Current, Table::Requests] {
            let mut after = None;
            while let Some(rows) = page(read.as_ref(), table, after.as_deref(), None)? {
                after = rows.last().map(|row| row.key.clone());
                ready.push(Chunk::Rows { table: table as u8, rows });
            }
        }
        ready.reverse();
        let place = Some((Table::Versions, Vec::new()));
        Ok(SnapshotReader { store, checkpoint, ready, place, rows: 0 })
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
        while let Some((table, after)) = self.place.take() {
            let read = self.store.read()?;
            let after = (!after.is_empty()).then_some(after);
            let end = rows::number_key(self.checkpoint.revision.0);
            if let Some(rows) = page(read.as_ref(), table, after.as_deref(), Some(&end))? {
                self.place = rows.last().map(|row| (table, row.key.clone()));
                return Ok(Some(Chunk::Rows { table: table as u8, rows }));
            }
            if table != Table::Versions {
                return Ok(Some(Chunk::End { rows: self.rows }));
            }
            self.place = Some((Table::Commits, Vec::new()));
        }
        Ok(None)
    }
}

/// The rows of one chunk after a key, up to and with `end`; `None` when there are none.
fn page(
    read: &dyn KvRead,
    table: Table,
    after: Option<&[u8]>,
    end: Option<&[u8]>,
) -> Result<Option<Vec<Row>>, KvError> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let to = end.map_or(Bound::Unbounded, Bound::Included);
    read.scan(table, (from, to), &mut |key, value| {
        bytes += key.len() + value.len();
        rows.push(Row { key: key.to_vec(), value: Bytes::copy_from_slice(value) });
        Ok(if bytes < CHUNK_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok((!rows.is_empty()).then_some(rows))
}
