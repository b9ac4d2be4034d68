//! Builds a data file from the chunks of a snapshot, and puts it in place of the old one.

use crate::files::{DataFiles, put_in_place, remove_left_over};
use crate::load::checkpoint_from;
use crate::open::{OpenError, StoreOptions};
use crate::redb_store::LongWrite;
use crate::snapshot_reader::{CHUNK_VERSION, Chunk, Row, STATE_ROWS};
use crate::{KvError, RedbStore, Table, WriteBatch, aside, rows};
use reddwarf_core::codec::{self, CodecError, RECORD_BYTES_MAX};
use reddwarf_core::{FeatureLevel, FeatureLevels};
use reddwarf_versioning::Checkpoint;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why received bytes are no snapshot that can be installed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The new file could not be made.
    #[error("the file for the snapshot")]
    Open(#[from] OpenError),
    /// The new file could not be written.
    #[error("writing the snapshot's file")]
    Write(#[from] KvError),
    /// An old partial file could not be removed.
    #[error("removing an unfinished snapshot at {path}", path = path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A chunk is damaged.
    #[error("a chunk of the snapshot")]
    Chunk(#[from] CodecError),
    /// The chunks do not follow the format.
    #[error("the snapshot is malformed: {0}")]
    Malformed(String),
    /// A member of another cluster sent it.
    #[error("the snapshot is of cluster {found}, this node belongs to {expected}")]
    OtherCluster {
        /// In the snapshot.
        found: String,
        /// Here.
        expected: String,
    },
    /// A newer version wrote it.
    #[error("the snapshot has format version {found}, this build reads up to {known}")]
    Newer {
        /// In the snapshot.
        found: u32,
        /// The newest that this build reads.
        known: u32,
    },
    /// It is of a group at a feature level that this build does not support.
    #[error("the snapshot is of a group at feature level {level}, this build supports {supported}")]
    Level {
        /// In the snapshot.
        level: FeatureLevel,
        /// By this build.
        supported: FeatureLevels,
    },
}

/// A whole snapshot in a file of its own, durable, not yet in place.
#[derive(Debug)]
pub struct Received {
    path: PathBuf,
    files: Arc<dyn DataFiles>,
    checkpoint: Checkpoint,
}

impl Received {
    /// The state that it holds.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where the file is until then. Nothing has it open.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file where there is none, or one that nothing has open.
    ///
    /// # Errors
    /// As the system has it.
    pub fn place(&self, at: &Path) -> std::io::Result<()> {
        put_in_place(self.files.as_ref(), &self.path, at)
    }

    /// Like [`Received::install`], but the file that was there is kept, see [`damaged_copy`].
    ///
    /// [`damaged_copy`]: crate::damaged_copy
    ///
    /// # Errors
    /// See [`RedbStore::replace_with`].
    pub fn install_for_damaged(&self, store: &RedbStore) -> Result<Checkpoint, KvError> {
        // Without it the repair is as good.
        if let Err(error) = aside::keep(self.files.as_ref(), store.path()) {
            tracing::warn!(%error, "the damaged data file is not kept");
        }
        self.install(store)
    }

    /// Puts the file in the place of `store`'s. Call it within [`crate::Persist::install`], so
    /// that no transaction of the old state follows.
    ///
    /// # Errors
    /// See [`RedbStore::replace_with`].
    pub fn install(&self, store: &RedbStore) -> Result<Checkpoint, KvError> {
        store.replace_with(&self.path)?;
        Ok(self.checkpoint.clone())
    }
}

/// Takes the bytes of a snapshot, split in any way.
#[derive(Debug)]
pub struct SnapshotWriter {
    path: PathBuf,
    files: Arc<dyn DataFiles>,
    cluster: String,
    levels: FeatureLevels,
    rows_in: LongWrite,
    /// Bytes of a chunk that is not whole yet.
    partial: Vec<u8>,
    checkpoint: Option<Checkpoint>,
    rows: u64,
    ended: bool,
}

impl SnapshotWriter {
    /// Begins a new file beside the one at `beside`; what an earlier attempt left is removed.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn create(beside: &Path, options: StoreOptions) -> Result<Self, SnapshotError> {
        Self::create_at(beside.with_extension("installing"), options)
    }

    /// Begins a new file; what an earlier attempt left there is removed.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn create_at(path: PathBuf, options: StoreOptions) -> Result<Self, SnapshotError> {
        let files = options.files.clone();
        if let Err(source) = remove_left_over(files.as_ref(), &path) {
            return Err(SnapshotError::Remove { path, source });
        }
        let (cluster, levels) = (options.cluster.clone(), options.levels);
        let store = RedbStore::open(&path, options)?;
        Ok(SnapshotWriter {
            path,
            files,
            cluster,
            levels,
            rows_in: LongWrite::begin(store)?,
            partial: Vec::new(),
            checkpoint: None,
            rows: 0,
            ended: false,
        })
    }

    /// Takes the next bytes of the stream.
    ///
    /// # Errors
    /// See [`SnapshotError`]; the writer is of no use afterwards.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.partial.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.partial);
        let mut rest = whole.as_slice();
        while let Some((record, after)) = next_frame(rest)? {
            self.take(codec::decode(CHUNK_VERSION, record)?)?;
            rest = after;
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), SnapshotError> {
        match chunk {
            _ if self.ended => Err(malformed("bytes after its end")),
            Chunk::Begin { .. } if self.checkpoint.is_some() => Err(malformed("it begins twice")),
            Chunk::Begin { format, cluster, meta } => self.begin(format, cluster, meta),
            _ if self.checkpoint.is_none() => Err(malformed("it does not begin")),
            Chunk::Rows { table, rows } => self.write(table, rows),
            Chunk::End { rows } if rows == self.rows => {
                self.ended = true;
                Ok(())
            }
            Chunk::End { rows } => {
                Err(malformed(format!("{rows} rows were sent, {} arrived", self.rows)))
            }
        }
    }

    fn begin(&mut self, format: u32, cluster: String, meta: Vec<Row>) -> Result<(), SnapshotError> {
        if format > rows::FORMAT_VERSION {
            return Err(SnapshotError::Newer { found: format, known: rows::FORMAT_VERSION });
        }
        if cluster != self.cluster {
            let expected = self.cluster.clone();
            return Err(SnapshotError::OtherCluster { found: cluster, expected });
        }
        if meta.iter().any(|row| !STATE_ROWS.contains(&row.key.as_slice())) {
            return Err(malformed("it has a row of another file's"));
        }
        let found = |row: &[u8]| meta.iter().find(|one| one.key == row);
        let checkpoint = checkpoint_from(&|row| Ok(found(row).map(|one| one.value.clone())))?;
        let (level, supported) = (checkpoint.level, self.levels);
        if !supported.contains(level) {
            return Err(SnapshotError::Level { level, supported });
        }
        let mut batch = WriteBatch::default();
        let format = rows::format_row(rows::format_of(level));
        batch.put(Table::Meta, rows::META_FORMAT.to_vec(), format.to_vec());
        meta.into_iter().for_each(|Row { key, value }| batch.put(Table::Meta, key, value));
        self.rows_in.put(batch)?;
        self.checkpoint = Some(checkpoint);
        Ok(())
    }

    fn write(&mut self, table: u8, rows: Vec<Row>) -> Result<(), SnapshotError> {
        let table = match Table::from_number(table) {
            Some(Table::Meta) | None => return Err(malformed(format!("rows of table {table}"))),
            Some(table) => table,
        };
        self.rows += rows.len() as u64;
        let mut batch = WriteBatch::default();
        for row in rows {
            batch.put(table, row.key, row.value);
        }
        Ok(self.rows_in.put(batch)?)
    }

    /// Completes and closes the file.
    ///
    /// # Errors
    /// [`SnapshotError::Malformed`] when the stream ended early.
    pub fn finish(self) -> Result<Received, SnapshotError> {
        let checkpoint = match self.checkpoint {
            Some(checkpoint) if self.ended && self.partial.is_empty() => checkpoint,
            _ => return Err(malformed("it ends early")),
        };
        self.rows_in.commit()?;
        Ok(Received { path: self.path, files: self.files, checkpoint })
    }
}

fn malformed(reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Malformed(reason.into())
}

/// A record and the bytes after it.
type Split<'a> = (&'a [u8], &'a [u8]);

/// The next whole record and what follows it; `None` when more bytes are needed.
fn next_frame(bytes: &[u8]) -> Result<Option<Split<'_>>, SnapshotError> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > RECORD_BYTES_MAX {
        return Err(malformed(format!("a chunk of {length} bytes")));
    }
    Ok(rest.split_at_checked(length))
}
