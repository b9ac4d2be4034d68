//! Reading stored rows again and again, to find damage before the rows are needed.

use crate::commit_row::CommitRows;
use crate::redb_panic::catch_redb_panic;
use crate::{KvError, KvRead, KvStore, Table};
use crate::{delta, rows, version_row};
use reddwarf_core::Revision;
use reddwarf_versioning::RequestRow;
use std::ops::{Bound, ControlFlow};

/// What one page of the scrub found.
#[derive(Debug, Default)]
pub struct ScrubPage {
    /// Rows read.
    pub rows: usize,
    /// Bytes of their keys and values.
    pub bytes: usize,
    /// Rows whose checksum or shape is wrong.
    pub damaged: Vec<KvError>,
    /// Whether this was the last page of a pass over all tables.
    pub ends_pass: bool,
}

/// Goes over all tables page by page, and begins anew at the end. Each page is a read
/// transaction of its own, so that the file can reuse its space meanwhile.
#[derive(Debug, Default)]
pub struct Scrub {
    table: usize,
    after: Option<Vec<u8>>,
}

impl Scrub {
    /// Reads rows of about `bytes_max` bytes and checks each against its checksum. Blocks.
    ///
    /// # Errors
    /// When the file cannot be read; a damaged row is no error but part of the answer.
    pub fn page(&mut self, store: &dyn KvStore, bytes_max: usize) -> Result<ScrubPage, KvError> {
        let table = Table::ALL[self.table];
        // redb may panic on pages that something else has written to.
        let read = catch_redb_panic(|| self.read(store, table, bytes_max));
        let mut page = match read {
            Ok(page) => page?,
            Err(_) => {
                self.after = None;
                let error = KvError::row(table, b"", "the table's pages make no sense");
                ScrubPage { damaged: vec![error], ..ScrubPage::default() }
            }
        };
        if self.after.is_none() {
            self.table = (self.table + 1) % Table::ALL.len();
            page.ends_pass = self.table == 0;
        }
        Ok(page)
    }

    fn read(
        &mut self,
        store: &dyn KvStore,
        table: Table,
        bytes_max: usize,
    ) -> Result<ScrubPage, KvError> {
        let mut page = ScrubPage::default();
        let from = self.after.take();
        let from = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        let read = store.read()?;
        read.scan(table, (from, Bound::Unbounded), &mut |key, value| {
            page.rows += 1;
            page.bytes += key.len() + value.len();
            page.damaged.extend(check(read.as_ref(), table, key, value).err());
            if page.bytes < bytes_max {
                return Ok(ControlFlow::Continue(()));
            }
            last = Some(key.to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        self.after = last;
        Ok(page)
    }
}

/// Checks one row.
fn check(read: &dyn KvRead, table: Table, key: &[u8], value: &[u8]) -> Result<(), KvError> {
    let wrong = |reason: &dyn ToString| KvError::row(table, key, reason.to_string());
    match table {
        Table::Meta => rows::check_meta(key, value),
        Table::Current => rows::read_current(key, value).map(drop),
        Table::Versions if version_row::is_delta(value) => {
            delta::base_of(table, key, value).map(drop)
        }
        Table::Versions => {
            let revision = Revision(rows::read_number(table, key)?);
            rows::read_version(revision, value).map(drop)
        }
        Table::History => rows::read_history(key, value).map(drop),
        Table::Commits if delta::is(value) => delta::base_of(table, key, value).map(drop),
        Table::Commits => CommitRows::default().read(read, key, value).map(drop),
        Table::Excised => rows::read_excised(key, value).map(drop),
        Table::Requests => RequestRow::decode(value).map(drop).map_err(|error| wrong(&error)),
        // Names that the rows of another table repeat.
        Table::CommitIds => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::step;
    use crate::{Durable, InlinePersister, KvRead, Persist, RedbStore, StoreOptions, WriteBatch};
    use reddwarf_versioning::State;
    use std::sync::Arc;

    fn pass(scrub: &mut Scrub, store: &dyn KvStore) -> (usize, usize, Vec<KvError>) {
        let (mut pages, mut rows, mut damaged) = (0, 0, Vec::new());
        loop {
            let page = scrub.page(store, 500).expect("reads");
            pages += 1;
            rows += page.rows;
            damaged.extend(page.damaged);
            if page.ends_pass {
                return (pages, rows, damaged);
            }
        }
    }

    fn first_row(read: &dyn KvRead, table: Table) -> (Vec<u8>, Vec<u8>) {
        let mut row = None;
        read.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
            row = Some((key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Break(()))
        })
        .expect("reads");
        row.expect("a row")
    }

    #[test]
    fn every_row_is_read_and_every_damaged_one_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let store = RedbStore::open(path, StoreOptions::new("test")).expect("a new file");
        let store = Arc::new(store);
        let hook = Arc::new(|_| ());
        let persister = InlinePersister::new(store.clone(), Durable::default(), hook);
        let mut state = State::new();
        (1..=60).for_each(|index| persister.submit(step(&mut state, index)));

        let mut scrub = Scrub::default();
        let (pages, rows, damaged) = pass(&mut scrub, store.as_ref());
        assert!(pages > 20 && rows > 100, "{pages} pages, {rows} rows");
        assert!(damaged.is_empty(), "{damaged:?}");

        let checked = [
            Table::Meta,
            Table::Current,
            Table::Versions,
            Table::History,
            Table::Commits,
            Table::Requests,
        ];
        let mut batch = WriteBatch::default();
        for table in checked {
            let (key, mut value) = first_row(store.read().expect("reads").as_ref(), table);
            *value.last_mut().expect("bytes") ^= 1;
            batch.put(table, key, value);
        }
        store.commit(batch).expect("writes");
        let (_, again, damaged) = pass(&mut scrub, store.as_ref());
        assert_eq!((again, damaged.len()), (rows, checked.len()), "{damaged:?}");
    }
}
