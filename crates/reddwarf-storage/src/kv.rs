//! The seam to a file of named tables.

use crate::redb_store;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;

/// The tables; see `docs/format.md` for keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Format version, cluster id, checkpoint.
    Meta = 0,
    /// (branch, object key) → revision of the object that is there now.
    Current = 1,
    /// revision → the object's version that took it.
    Versions = 2,
    /// (branch, object key, revision) → put or deleted.
    History = 3,
    /// last revision → commit header.
    Commits = 4,
    /// (first bytes of the commit id, last revision).
    CommitIds = 5,
    /// log index → remembered request.
    Requests = 6,
    /// revision → the version of the past that was taken away.
    Excised = 7,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Table; 8] = [
        Table::Meta,
        Table::Current,
        Table::Versions,
        Table::History,
        Table::Commits,
        Table::CommitIds,
        Table::Requests,
        Table::Excised,
    ];

    /// The table's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Current => "current",
            Table::Versions => "versions",
            Table::History => "history",
            Table::Commits => "commits",
            Table::CommitIds => "commit_ids",
            Table::Requests => "requests",
            Table::Excised => "excised",
        }
    }

    /// The table with this number.
    pub fn from_number(number: u8) -> Option<Table> {
        Table::ALL.get(usize::from(number)).copied()
    }
}

/// What a scan is told of each row, and answers whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, KvError> + 'a;

/// A file of tables whose keys are ordered bytes.
pub trait KvStore: Send + Sync + Debug + 'static {
    /// A consistent snapshot. Hold it briefly: the file cannot reuse what it can still see.
    ///
    /// # Errors
    /// See [`KvError`].
    fn read(&self) -> Result<Box<dyn KvRead>, KvError>;

    /// Does all of `batch` or nothing; durable when it returns.
    ///
    /// # Errors
    /// See [`KvError`]. After an error the batch may be there or not, whole in either case;
    /// [`KvStore::reopen`] tells.
    fn commit(&self, batch: WriteBatch) -> Result<(), KvError>;

    /// Opens the file anew, which an I/O error makes necessary.
    ///
    /// # Errors
    /// See [`KvError`].
    fn reopen(&self) -> Result<(), KvError>;

    /// What is superseded stays in the file until the answer is dropped: whoever copies it takes
    /// many transactions.
    fn hold(&self) -> Hold;

    /// Whether somebody holds the file.
    fn is_held(&self) -> bool;

    /// How often another file was put in place since this store was opened.
    fn generation(&self) -> u64;
}

/// See [`KvStore::hold`].
#[derive(Clone, Debug, Default)]
pub struct Hold(Arc<()>);

impl Hold {
    /// Whether it has clones.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// A consistent snapshot of a [`KvStore`].
pub trait KvRead: Send {
    /// The value of one row.
    ///
    /// # Errors
    /// See [`KvError`].
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// Visits rows within bounds in key order.
    ///
    /// # Errors
    /// See [`KvError`]; also what `visit` fails with.
    fn scan(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError>;

    /// Visits rows within bounds, the last first.
    ///
    /// # Errors
    /// Like [`KvRead::scan`].
    fn scan_back(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError>;

    /// Visits the rows whose key begins with `prefix`, in key order.
    ///
    /// # Errors
    /// Like [`KvRead::scan`].
    fn scan_prefix(
        &self,
        table: Table,
        prefix: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        self.scan(table, (Bound::Included(prefix), Bound::Unbounded), &mut |key, value| {
            if key.starts_with(prefix) { visit(key, value) } else { Ok(ControlFlow::Break(())) }
        })
    }
}

/// One change of a table.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Stores a row.
    Put {
        /// Its key.
        key: Vec<u8>,
        /// Its value.
        value: Bytes,
    },
    /// Removes a row, which need not be there.
    Delete {
        /// Its key.
        key: Vec<u8>,
    },
    /// Removes all rows with `key < before`.
    DeleteBefore {
        /// The first key that stays.
        before: Vec<u8>,
    },
}

/// What one transaction does; operations on one table take place in their order.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    operations: [Vec<Operation>; Table::ALL.len()],
    bytes: usize,
}

impl WriteBatch {
    /// Stores a row.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: impl Into<Bytes>) {
        let value = value.into();
        self.bytes += key.len() + value.len();
        self.operations[table as usize].push(Operation::Put { key, value });
    }

    /// Removes a row.
    pub fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.bytes += key.len();
        self.operations[table as usize].push(Operation::Delete { key });
    }

    /// Removes all rows before a key.
    pub fn delete_before(&mut self, table: Table, before: Vec<u8>) {
        self.operations[table as usize].push(Operation::DeleteBefore { before });
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The tables that change, with their operations.
    pub fn into_tables(self) -> impl Iterator<Item = (Table, Vec<Operation>)> {
        Table::ALL.into_iter().zip(self.operations).filter(|(_, operations)| !operations.is_empty())
    }
}

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The disk is full; the same transaction may succeed once there is room.
    #[error("no space left on the disk of {path}", path = .0.display())]
    Full(PathBuf),
    /// Reading, writing or syncing failed.
    #[error("the data file {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row's checksum or shape is wrong.
    #[error("a damaged row of table {table}: key {key:02x?}: {reason}")]
    Row {
        /// Its table.
        table: &'static str,
        /// Its key.
        key: Vec<u8>,
        /// What is wrong.
        reason: String,
    },
}

impl KvError {
    /// Whether the file holds something else than was written, as opposed to a disk that refuses.
    pub fn is_damage(&self) -> bool {
        match self {
            KvError::Full(_) => false,
            KvError::Row { .. } => true,
            KvError::File { source, .. } => redb_store::is_corrupted(source.as_ref()),
        }
    }

    /// A damaged row.
    pub fn row(table: Table, key: &[u8], reason: impl ToString) -> Self {
        KvError::Row { table: table.name(), key: key.to_vec(), reason: reason.to_string() }
    }
}
