//! Writes the data file anew, without the space that nothing takes any more.
//!
//! redb reuses free space but seldom gives it back. So when much of a file is free, its rows are
//! copied into a new one beside it while the old one goes on being read and written. In the end the
//! persister waits while the last rows follow and the new file takes the old one's place; `apply` and
//! those whom it answers do not wait.

use crate::files::remove_left_over;
use crate::load::read_checkpoint;
use crate::redb_store::LongWrite;
use crate::{KvError, KvRead, KvStore, Persist, RedbStore, Table, WriteBatch, rows};
use bytes::Bytes;
use reddwarf_core::Revision;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;

/// About how many bytes of rows one read transaction covers.
const PAGE_BYTES: usize = 1024 * 1024;
/// Smaller files are left as they are.
const WORTH_BYTES: u64 = 8 * 1024 * 1024;
/// Tables to which a write only adds, and those that are copied while nothing is written.
const ADDED_TO: [Table; 4] = [Table::Versions, Table::Commits, Table::CommitIds, Table::History];
const WHOLE: [Table; 4] = [Table::Meta, Table::Current, Table::Requests, Table::Excised];

/// What a compaction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file before.
    pub before: u64,
    /// Bytes of the file after.
    pub after: u64,
}

/// Whether about a third of the file, or more, would be given back by [`compact`]. Walks through the
/// file.
///
/// # Errors
/// See [`KvError`].
pub fn is_worth_compacting(store: &RedbStore) -> Result<bool, KvError> {
    let file = store.file_bytes();
    Ok(file > WORTH_BYTES && store.rows_bytes()? < file / 3 * 2)
}

/// Writes the file anew; see the module's text. Blocks, for about as long as it takes to read and
/// write all rows. `pause` is called after each page of about a mebibyte.
///
/// # Errors
/// See [`KvError`]; the old file then stays in place.
pub fn compact(
    store: &RedbStore,
    persist: &dyn Persist,
    pause: &mut dyn FnMut() -> Result<(), KvError>,
) -> Result<Compacted, KvError> {
    let before = store.file_bytes();
    let _hold = store.hold();
    let mut copy = Copy::begin(store)?;
    let reached = read_checkpoint(store)?.revision;
    for table in ADDED_TO {
        let mut after = None;
        while let Some(last) = copy.page(store, table, after.as_deref(), Revision::ZERO, reached)? {
            after = Some(last);
            pause()?;
        }
    }
    let mut copy = Some(copy);
    persist.exchange(&mut || {
        let Some(mut copy) = copy.take() else { return Ok(()) };
        for table in ADDED_TO {
            copy.rest(store, table, reached, Revision::MAX)?;
        }
        for table in WHOLE {
            copy.rest(store, table, Revision::ZERO, Revision::MAX)?;
        }
        store.replace_with(&copy.finish()?)
    })?;
    Ok(Compacted { before, after: store.file_bytes() })
}

/// The new file.
struct Copy {
    path: PathBuf,
    write: LongWrite,
}

impl Copy {
    fn begin(store: &RedbStore) -> Result<Self, KvError> {
        let path = store.path().with_extension("compacting");
        let options = store.options();
        remove_left_over(options.files.as_ref(), &path).map_err(|error| failed(&path, error))?;
        let new = RedbStore::open(&path, options.clone());
        let new = new.map_err(|error| failed(&path, error))?;
        let write = LongWrite::begin(new)?;
        Ok(Copy { path, write })
    }

    /// Copies the rows of a table that were written with revisions in `(after, through]`, as far as
    /// one transaction goes; the key to go on after, `None` at the end.
    fn page(
        &mut self,
        store: &RedbStore,
        table: Table,
        from: Option<&[u8]>,
        after: Revision,
        through: Revision,
    ) -> Result<Option<Vec<u8>>, KvError> {
        let mut rows =
            Rows { table, after, through, bytes: 0, out: WriteBatch::default(), last: None };
        rows.read(store.read()?.as_ref(), from)?;
        self.write.put(rows.out)?;
        Ok(rows.last)
    }

    /// Like [`Copy::page`], to the end of the table.
    fn rest(
        &mut self,
        store: &RedbStore,
        table: Table,
        after: Revision,
        through: Revision,
    ) -> Result<(), KvError> {
        // Keys of these begin with the revision; what was copied already need not be read.
        let by_revision = matches!(table, Table::Versions | Table::Commits);
        let mut from = by_revision.then(|| rows::number_key(after.0)).filter(|_| after.0 > 0);
        while let Some(last) = self.page(store, table, from.as_deref(), after, through)? {
            from = Some(last);
        }
        Ok(())
    }

    fn finish(self) -> Result<PathBuf, KvError> {
        self.write.commit()?;
        Ok(self.path)
    }
}

fn failed(
    path: &std::path::Path,
    source: impl std::error::Error + Send + Sync + 'static,
) -> KvError {
    KvError::File { path: path.to_owned(), source: Box::new(source) }
}

struct Rows {
    table: Table,
    after: Revision,
    through: Revision,
    bytes: usize,
    out: WriteBatch,
    last: Option<Vec<u8>>,
}

impl Rows {
    fn read(&mut self, read: &dyn KvRead, from: Option<&[u8]>) -> Result<(), KvError> {
        let from = from.map_or(Bound::Unbounded, Bound::Excluded);
        read.scan(self.table, (from, Bound::Unbounded), &mut |key, value| {
            self.bytes += key.len() + value.len();
            if self.wants(key) {
                self.out.put(self.table, key.to_vec(), Bytes::copy_from_slice(value));
            }
            if self.bytes < PAGE_BYTES {
                return Ok(ControlFlow::Continue(()));
            }
            self.last = Some(key.to_vec());
            Ok(ControlFlow::Break(()))
        })
    }

    fn wants(&self, key: &[u8]) -> bool {
        if WHOLE.contains(&self.table) {
            return true;
        }
        let written = key.last_chunk().map(|number| Revision(u64::from_be_bytes(*number)));
        written.is_some_and(|at| self.after < at && at <= self.through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::step;
    use crate::{Durable, InlinePersister, StoreOptions, load};
    use reddwarf_versioning::{State, WindowLimits};
    use std::sync::Arc;

    fn dump(store: &RedbStore) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
        let read = store.read().expect("reads");
        let mut out = Vec::new();
        for table in Table::ALL {
            read.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
                out.push((table, key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
            .expect("reads");
        }
        out
    }

    #[test]
    fn writes_go_on_meanwhile_and_nothing_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name: &str| {
            let store = RedbStore::open(folder.path().join(name), StoreOptions::new("test"));
            Arc::new(store.expect("a new file"))
        };
        let (store, other) = (open("state.redb"), open("other.redb"));
        let [persist, beside] = [&store, &other]
            .map(|store| InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ())));
        let mut state = State::new();
        let mut index = 0;
        let mut work = |entries: u64| {
            for _ in 0..entries {
                index += 1;
                let batch = step(&mut state, index);
                beside.submit(batch.clone());
                persist.submit(batch);
            }
        };
        work(150);
        let mut pages = 0;
        compact(&store, &persist, &mut || {
            pages += 1;
            work(10);
            Ok(())
        })
        .expect("compacts");
        work(20);
        // What was superseded during the copy may stand in the new file in full.
        let root =
            |store: &RedbStore| load(store, WindowLimits::default()).expect("loads").state.root();
        assert_eq!(root(&store), root(&other));
        let reader = crate::HistoryReader::new(store.clone());
        assert_eq!(reader.verify(None).expect("reads").problems, Vec::<String>::new());
        let keys = |store: &RedbStore| -> Vec<_> {
            dump(store).into_iter().map(|(table, key, _)| (table, key)).collect()
        };
        assert_eq!(keys(&store), keys(&other));
        assert!(!store.path().with_extension("compacting").exists());
    }
}
