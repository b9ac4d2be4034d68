//! [`KvStore`] over redb.
//!
//! Every transaction is durable and saves redb's allocator state (`quick_repair`), so that a
//! file left by a killed process opens in milliseconds instead of being walked.

use crate::files::{open_database_file, put_in_place, remove_left_over};
use crate::frozen::open_frozen;
use crate::open::{OpenError, StoreOptions};
use crate::redb_panic::catch_redb_panic;
use crate::rows;
use crate::{Hold, KvError, KvRead, KvStore, Operation, Table, Visit, WriteBatch};
use bytes::Bytes;
use parking_lot::RwLock;
use redb::{
    Database, DatabaseError, ReadOnlyTable, ReadableDatabase, ReadableTableMetadata, StorageError,
    TableDefinition, TableError, WriteTransaction,
};
use reddwarf_core::{FeatureLevel, FeatureLevels};
use std::error::Error;
use std::io::ErrorKind;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// Opens the database file; a test puts a failing file in its place.
pub(crate) type Opener = dyn Fn(&Path, usize) -> Result<Database, DatabaseError> + Send + Sync;

/// See the module's text.
pub struct RedbStore {
    path: PathBuf,
    options: StoreOptions,
    opener: Box<Opener>,
    /// `None` only when opening it again failed.
    database: RwLock<Option<Database>>,
    hold: Hold,
    generation: AtomicU64,
}

impl std::fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl RedbStore {
    /// Opens the file at `path`, and creates it when it is missing: under another name first,
    /// so that a crash meanwhile leaves no half-made file in its place.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is changed in a file that is refused.
    pub fn open(path: impl Into<PathBuf>, options: StoreOptions) -> Result<Self, OpenError> {
        let path = path.into();
        if !path.exists() {
            create(&path, &options)?;
        }
        let opener = opener_of(&options);
        Self::open_with(path, options, opener)
    }

    pub(crate) fn open_with(
        path: PathBuf,
        options: StoreOptions,
        opener: Box<Opener>,
    ) -> Result<Self, OpenError> {
        let database = open_database(&opener, &path, &options)?;
        let database = RwLock::new(Some(database));
        Ok(RedbStore {
            path,
            options,
            opener,
            database,
            hold: Hold::default(),
            generation: 0.into(),
        })
    }

    /// Opens a file to read it, whichever cluster's it is; it is not changed. Several may read
    /// at a time, but not while a member runs on it. What is committed is lost.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_frozen(
        path: impl Into<PathBuf>,
        cache_bytes: usize,
        levels: FeatureLevels,
    ) -> Result<Self, OpenError> {
        let path = path.into();
        let opened = catch_redb_panic(|| {
            let database = open_frozen(&path, cache_bytes).map_err(|e| refused(&path, e))?;
            let found = read_identity(&database).map_err(|error| damaged(&path, error))?;
            let (_, cluster) = found.ok_or_else(|| damaged(&path, "there is nothing in it"))?;
            let options = StoreOptions { cache_bytes, levels, ..StoreOptions::new(cluster) };
            identify(&database, &path, &options)?;
            Ok((database, options))
        });
        let pages = || Err(damaged(&path, "its pages make no sense"));
        let (database, options) = opened.unwrap_or_else(|_| pages())?;
        let database = RwLock::new(Some(database));
        Ok(RedbStore {
            path,
            options,
            opener: Box::new(open_frozen),
            database,
            hold: Hold::default(),
            generation: 0.into(),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file was opened.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// What the file takes of the disk, in bytes: redb makes files longer than it writes them.
    pub fn file_bytes(&self) -> u64 {
        #[cfg(unix)]
        let taken = |file: std::fs::Metadata| std::os::unix::fs::MetadataExt::blocks(&file) * 512;
        #[cfg(not(unix))]
        let taken = |file: std::fs::Metadata| file.len();
        std::fs::metadata(&self.path).map_or(0, taken)
    }

    /// Bytes that the rows take, with what finding them takes, were they packed. Walks through all
    /// tables.
    ///
    /// # Errors
    /// See [`KvError`].
    pub fn rows_bytes(&self) -> Result<u64, KvError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(|| self.closed())?;
        let read = database.begin_read().map_err(|error| self.fail(error))?;
        let mut bytes = 0;
        for table in Table::ALL {
            let table = read.open_table(definition(table)).map_err(|error| self.fail(error))?;
            let stats = table.stats().map_err(|error| self.fail(error))?;
            bytes += stats.stored_bytes() + stats.metadata_bytes();
        }
        Ok(bytes)
    }

    /// Puts the file at `from` in the place of this one, durably and at once: after a crash
    /// either the old file is there or the new one. Waits for transactions in progress.
    ///
    /// # Errors
    /// [`KvError::File`]; the store then holds what is at its path, old or new.
    pub fn replace_with(&self, from: &Path) -> Result<(), KvError> {
        let mut database = self.database.write();
        let old = database.take();
        // redb may panic over a damaged file, even when it closes it.
        if catch_redb_panic(|| drop(old)).is_err() {
            tracing::warn!(file = %self.path.display(), "a damaged data file was not closed");
        }
        let renamed = put_in_place(self.options.files.as_ref(), from, &self.path);
        self.generation.fetch_add(1, Ordering::AcqRel);
        *database = Some(
            open_database(&self.opener, &self.path, &self.options)
                .map_err(|error| self.file(error))?,
        );
        renamed.map_err(|error| self.file(error))
    }

    fn file(&self, source: impl Error + Send + Sync + 'static) -> KvError {
        KvError::File { path: self.path.clone(), source: Box::new(source) }
    }

    fn fail(&self, source: impl Into<redb::Error>) -> KvError {
        match source.into() {
            redb::Error::Io(io) if is_full(&io) => KvError::Full(self.path.clone()),
            other => self.file(other),
        }
    }

    fn closed(&self) -> KvError {
        self.file(std::io::Error::other("the file could not be opened again"))
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn opener_of(options: &StoreOptions) -> Box<Opener> {
    let files = options.files.clone();
    Box::new(move |path, cache_bytes| open_database_file(files.as_ref(), path, cache_bytes))
}

fn create(path: &Path, options: &StoreOptions) -> Result<(), OpenError> {
    let unfinished = path.with_extension("creating");
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let files = options.files.as_ref();
    remove_left_over(files, &unfinished).map_err(io)?;
    drop(open_database(&opener_of(options), &unfinished, options)?);
    put_in_place(files, &unfinished, path).map_err(io)
}

fn open_database(
    opener: &Opener,
    path: &Path,
    options: &StoreOptions,
) -> Result<Database, OpenError> {
    // redb may panic on a file that something else has written to.
    let opened = catch_redb_panic(|| {
        let database = opener(path, options.cache_bytes).map_err(|error| refused(path, error))?;
        identify(&database, path, options)?;
        Ok(database)
    });
    opened.unwrap_or_else(|_| Err(damaged(path, "its pages make no sense")))
}

pub(crate) fn damaged(path: &Path, reason: impl ToString) -> OpenError {
    OpenError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}

pub(crate) fn refused(path: &Path, error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse { path: path.to_owned() },
        DatabaseError::Storage(StorageError::Io(source)) if is_io(&source) => {
            OpenError::Io { path: path.to_owned(), source }
        }
        other => damaged(path, other),
    }
}

/// Whether an error of redb tells of content that makes no sense.
pub(crate) fn is_corrupted(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let io = |error: &std::io::Error| !is_io(error);
    if let Some(error) = error.downcast_ref::<StorageError>() {
        return match error {
            StorageError::Corrupted(_) => true,
            StorageError::Io(error) => io(error),
            _ => false,
        };
    }
    match error.downcast_ref::<redb::Error>() {
        Some(redb::Error::Corrupted(_) | redb::Error::TableDoesNotExist(_)) => true,
        Some(redb::Error::TableTypeMismatch { .. } | redb::Error::TypeDefinitionChanged { .. }) => {
            true
        }
        Some(redb::Error::Io(error)) => io(error),
        _ => match error.downcast_ref::<OpenError>() {
            Some(error) => error.is_damage(),
            None => false,
        },
    }
}

/// Whether the system refused, as opposed to the content being wrong.
fn is_io(error: &std::io::Error) -> bool {
    !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Checks whose data this is and whether this build can go on with it, and writes it into a new file.
fn identify(database: &Database, path: &Path, options: &StoreOptions) -> Result<(), OpenError> {
    let found = read_identity(database).map_err(|error| damaged(path, error))?;
    let cluster = &options.cluster;
    let write = || write_identity(database, cluster).map_err(|error| damaged(path, error));
    match found {
        None => write(),
        Some((version, _)) if version > rows::FORMAT_VERSION => Err(OpenError::Newer {
            path: path.to_owned(),
            found: version,
            known: rows::FORMAT_VERSION,
        }),
        Some((_, found)) if found != *cluster => Err(OpenError::OtherCluster {
            path: path.to_owned(),
            found,
            expected: cluster.to_owned(),
        }),
        Some((version, _)) => {
            check_level(database, path, options.levels)?;
            // What it holds stays as it is; what is added is of this version.
            if version < rows::FORMAT_VERSION_FIRST_LEVEL { write() } else { Ok(()) }
        }
    }
}

/// Refuses a state at a level that is not supported; a file without a state has no level yet.
fn check_level(
    database: &Database,
    path: &Path,
    supported: FeatureLevels,
) -> Result<(), OpenError> {
    let damaged = |error: &dyn std::fmt::Display| damaged(path, error);
    let transaction = database.begin_read().map_err(|error| damaged(&error))?;
    let meta = transaction.open_table(definition(Table::Meta)).map_err(|error| damaged(&error))?;
    if meta.get(rows::META_CHECKPOINT).map_err(|error| damaged(&error))?.is_none() {
        return Ok(());
    }
    let level = match meta.get(rows::META_LEVEL).map_err(|error| damaged(&error))? {
        None => FeatureLevel::FIRST,
        Some(row) => {
            rows::read_part(rows::META_LEVEL, row.value()).map_err(|error| damaged(&error))?
        }
    };
    match supported.contains(level) {
        true => Ok(()),
        false => Err(OpenError::Level { path: path.to_owned(), level, supported }),
    }
}

/// Format version and cluster; `None` in a new file.
fn read_identity(database: &Database) -> Result<Option<(u32, String)>, redb::Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(definition(Table::Meta)) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let format = meta.get(rows::META_FORMAT)?.map(|row| rows::read_format(row.value()));
    let cluster = meta.get(rows::META_CLUSTER)?;
    let cluster = cluster.and_then(|row| String::from_utf8(row.value().to_vec()).ok());
    match (format.flatten(), cluster) {
        (Some(format), Some(cluster)) => Ok(Some((format, cluster))),
        _ => Err(redb::Error::Corrupted("no format version and cluster id in it".into())),
    }
}

fn write_identity(database: &Database, cluster: &str) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    for table in Table::ALL {
        transaction.open_table(definition(table))?;
    }
    {
        let mut meta = transaction.open_table(definition(Table::Meta))?;
        let format = rows::format_row(rows::FORMAT_VERSION_FIRST_LEVEL);
        meta.insert(rows::META_FORMAT, format.as_slice())?;
        meta.insert(rows::META_CLUSTER, cluster.as_bytes())?;
    }
    transaction.commit()?;
    Ok(())
}

impl KvStore for RedbStore {
    fn read(&self) -> Result<Box<dyn KvRead>, KvError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(|| self.closed())?;
        let transaction = database.begin_read().map_err(|error| self.fail(error))?;
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            tables
                .push(transaction.open_table(definition(table)).map_err(|error| self.fail(error))?);
        }
        Ok(Box::new(RedbRead { path: self.path.clone(), tables }))
    }

    fn commit(&self, batch: WriteBatch) -> Result<(), KvError> {
        let database = self.database.read();
        let database = database.as_ref().ok_or_else(|| self.closed())?;
        write(database, batch).map_err(|error| self.fail(error))
    }

    fn reopen(&self) -> Result<(), KvError> {
        let mut database = self.database.write();
        *database = None;
        let opened = open_database(&self.opener, &self.path, &self.options);
        *database = Some(opened.map_err(|error| self.file(error))?);
        Ok(())
    }

    fn hold(&self) -> Hold {
        self.hold.clone()
    }

    fn is_held(&self) -> bool {
        self.hold.is_shared()
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn write(database: &Database, batch: WriteBatch) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    put_rows(&transaction, batch)?;
    transaction.commit()?;
    Ok(())
}

fn put_rows(transaction: &WriteTransaction, batch: WriteBatch) -> Result<(), redb::Error> {
    for (table, operations) in batch.into_tables() {
        let mut table = transaction.open_table(definition(table))?;
        for operation in operations {
            match operation {
                Operation::Put { key, value } => {
                    table.insert(key.as_slice(), value.as_ref())?;
                }
                Operation::Delete { key } => {
                    table.remove(key.as_slice())?;
                }
                Operation::DeleteBefore { before } => {
                    table.retain_in(..before.as_slice(), |_, _| false)?;
                }
            }
        }
    }
    Ok(())
}

/// Cutting a longer file to what is in it would take too long.
const CUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One transaction that takes many batches; dropped before its end, nothing of it remains.
///
/// For a file that nobody reads before it is whole: a sync for each batch would cost more than
/// the batches.
pub(crate) struct LongWrite {
    transaction: WriteTransaction,
    store: RedbStore,
}

impl std::fmt::Debug for LongWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongWrite").field("store", &self.store).finish_non_exhaustive()
    }
}

impl LongWrite {
    /// Begins the transaction; the file is closed with it.
    pub(crate) fn begin(store: RedbStore) -> Result<Self, KvError> {
        let transaction = {
            let database = store.database.read();
            let database = database.as_ref().ok_or_else(|| store.closed())?;
            begin(database).map_err(|error| store.fail(error))?
        };
        Ok(LongWrite { transaction, store })
    }

    /// Adds a batch.
    pub(crate) fn put(&mut self, batch: WriteBatch) -> Result<(), KvError> {
        put_rows(&self.transaction, batch).map_err(|error| self.store.fail(error))
    }

    /// Makes everything durable at once.
    pub(crate) fn commit(self) -> Result<(), KvError> {
        let LongWrite { transaction, store } = self;
        transaction.commit().map_err(|error| store.fail(error))?;
        // redb makes a file twice as long when it grows; a short one is cut to what is in it.
        if store.file_bytes() <= CUT_BYTES_MAX
            && let Some(database) = store.database.write().as_mut()
            && let Err(error) = database.compact()
        {
            tracing::debug!(%error, "the new data file is longer than it had to be");
        }
        Ok(())
    }
}

struct RedbRead {
    path: PathBuf,
    tables: Vec<ReadOnlyTable<&'static [u8], &'static [u8]>>,
}

impl RedbRead {
    fn fail(&self, source: StorageError) -> KvError {
        KvError::File { path: self.path.clone(), source: Box::new(source) }
    }

    fn rows(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> Result<redb::Range<'static, &'static [u8], &'static [u8]>, KvError> {
        self.tables[table as usize].range::<&[u8]>(bounds).map_err(|error| self.fail(error))
    }
}

impl KvRead for RedbRead {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let found = self.tables[table as usize].get(key).map_err(|error| self.fail(error))?;
        Ok(found.map(|row| Bytes::copy_from_slice(row.value())))
    }

    fn scan(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        for row in self.rows(table, bounds)? {
            let (key, value) = row.map_err(|error| self.fail(error))?;
            if let ControlFlow::Break(()) = visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(
        &self,
        table: Table,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        visit: &mut Visit<'_>,
    ) -> Result<(), KvError> {
        for row in self.rows(table, bounds)?.rev() {
            let (key, value) = row.map_err(|error| self.fail(error))?;
            if let ControlFlow::Break(()) = visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }
}
