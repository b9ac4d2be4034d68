//! A data file that is read and never changed.
//!
//! redb writes when it opens a file: it marks it as open, and repairs what a killed process left.
//! Here all of that goes to memory, over the file's bytes as they stand.

use crate::open::OpenError;
use crate::redb_panic::catch_redb_panic;
use crate::redb_store::{damaged, refused};
use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::Path;

/// What is written is kept in blocks of this size.
const BLOCK_BYTES: u64 = 4096;

/// A file under what was written since it was opened.
#[derive(Debug)]
pub(crate) struct FrozenFile {
    file: FileBackend,
    over: Mutex<Over>,
}

#[derive(Debug, Default)]
struct Over {
    blocks: BTreeMap<u64, Vec<u8>>,
    length: u64,
    /// How much of the file still counts: it may have been cut and extended since.
    below: u64,
}

impl FrozenFile {
    fn open(path: &Path) -> io::Result<Self> {
        // Not open for writing, whatever happens above.
        let file = FileBackend::new(File::open(path)?).map_err(io::Error::other)?;
        let length = file.len()?;
        let over = Over { length, below: length, ..Over::default() };
        Ok(FrozenFile { file, over: Mutex::new(over) })
    }

    /// The block at `start` as the file has it; zeros beyond its end.
    fn block(&self, start: u64, below: u64) -> io::Result<Vec<u8>> {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let there = below.saturating_sub(start).min(BLOCK_BYTES) as usize;
        if there > 0 {
            self.file.read(start, &mut block[..there])?;
        }
        Ok(block)
    }
}

/// The blocks that `[from, to)` touches: where each starts, and its part of the range.
fn blocks(from: u64, to: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let first = from / BLOCK_BYTES * BLOCK_BYTES;
    (first..to).step_by(BLOCK_BYTES as usize).map(move |start| {
        let (begin, end) = (from.max(start), to.min(start + BLOCK_BYTES));
        (start, begin, end)
    })
}

impl StorageBackend for FrozenFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over.lock();
        let to = offset.saturating_add(out.len() as u64);
        if to > over.length {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let there = over.below.saturating_sub(offset).min(out.len() as u64) as usize;
        let (file, beyond) = out.split_at_mut(there);
        self.file.read(offset, file)?;
        beyond.fill(0);
        let first = offset / BLOCK_BYTES * BLOCK_BYTES;
        for (start, block) in over.blocks.range(first..to) {
            let (begin, end) = (offset.max(*start), to.min(start + BLOCK_BYTES));
            let source = &block[(begin - start) as usize..(end - start) as usize];
            out[(begin - offset) as usize..(end - offset) as usize].copy_from_slice(source);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over.lock();
        over.length = len;
        over.below = over.below.min(len);
        over.blocks.retain(|start, _| *start < len);
        if let Some(mut last) = over.blocks.last_entry() {
            let kept = (len - last.key()).min(BLOCK_BYTES) as usize;
            last.get_mut()[kept..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over.lock();
        let to = offset + data.len() as u64;
        for (start, begin, end) in blocks(offset, to) {
            if !over.blocks.contains_key(&start) {
                let block = self.block(start, over.below)?;
                over.blocks.insert(start, block);
            }
            let source = &data[(begin - offset) as usize..(end - offset) as usize];
            if let Some(block) = over.blocks.get_mut(&start) {
                block[(begin - start) as usize..(end - start) as usize].copy_from_slice(source);
            }
        }
        over.length = over.length.max(to);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // Readers may share the file, but a member that runs holds it alone.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

/// Opens the file over memory.
pub(crate) fn open_frozen(path: &Path, cache_bytes: usize) -> Result<Database, DatabaseError> {
    let file = FrozenFile::open(path).map_err(|error| DatabaseError::Storage(error.into()))?;
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    builder.create_with_backend(file)
}

/// Checks redb's own checksums of all pages in use, those included that no row needs.
///
/// # Errors
/// See [`OpenError`]; of a damaged file what is wrong, as far as redb tells.
pub fn check_pages(path: &Path, cache_bytes: usize) -> Result<(), OpenError> {
    // redb may panic on a file that something else has written to.
    let checked = catch_redb_panic(|| {
        let mut database = open_frozen(path, cache_bytes).map_err(|error| refused(path, error))?;
        database.check_integrity().map_err(|error| refused(path, error))
    });
    match checked {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(damaged(path, "its pages do not match their checksums")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(damaged(path, "its pages make no sense")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::step;
    use crate::{
        Durable, HistoryReader, InlinePersister, KvStore, Persist, RedbStore, StoreOptions, Table,
    };
    use reddwarf_core::FeatureLevels;
    use reddwarf_versioning::State;
    use std::sync::Arc;

    const CACHE_BYTES: usize = 1 << 20;

    /// A file as a killed process leaves it, and what it held.
    fn killed(folder: &Path) -> std::path::PathBuf {
        let (path, copy) = (folder.join("state.redb"), folder.join("copy.redb"));
        let store = RedbStore::open(path.clone(), StoreOptions::new("test")).expect("a new file");
        let store = Arc::new(store);
        let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
        let mut state = State::new();
        (1..=120).for_each(|index| persister.submit(step(&mut state, index)));
        std::fs::copy(&path, &copy).expect("copies");
        copy
    }

    #[test]
    fn what_a_killed_process_left_is_read_and_not_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = killed(folder.path());
        let before = std::fs::read(&path).expect("reads");
        let store = RedbStore::open_frozen(&path, CACHE_BYTES, FeatureLevels::OF_THIS_BUILD)
            .expect("opens");
        let verified = HistoryReader::new(Arc::new(store)).verify(None).expect("reads");
        assert_eq!(verified.problems, Vec::<String>::new());
        assert!(verified.commits > 80, "{verified:?}");
        check_pages(&path, CACHE_BYTES).expect("whole");
        assert_eq!(std::fs::read(&path).expect("reads"), before);
    }

    #[test]
    fn commits_go_to_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = killed(folder.path());
        let before = std::fs::read(&path).expect("reads");
        let store = RedbStore::open_frozen(&path, CACHE_BYTES, FeatureLevels::OF_THIS_BUILD)
            .expect("opens");
        let mut batch = crate::WriteBatch::default();
        batch.put(Table::Versions, vec![9; 8], vec![7; 100_000]);
        store.commit(batch).expect("goes to memory");
        let value = store.read().expect("reads").get(Table::Versions, &[9; 8]).expect("reads");
        assert_eq!(value.expect("there").len(), 100_000);
        drop(store);
        assert_eq!(std::fs::read(&path).expect("reads"), before);
    }

    #[test]
    fn a_flipped_bit_of_a_page_in_use_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = killed(folder.path());
        let whole = std::fs::read(&path).expect("reads");
        let content = b"xxxxxxxx";
        let is_content = |at: &usize| whole[*at..].starts_with(content);
        let places: Vec<usize> = (0..whole.len()).step_by(509).filter(is_content).collect();
        let flipped = |place: &&usize| {
            let mut bytes = whole.clone();
            bytes[**place] ^= 4;
            std::fs::write(&path, bytes).expect("writes");
            check_pages(&path, CACHE_BYTES).is_err()
        };
        let found = places.iter().filter(flipped).take(3).count();
        assert_eq!(found, 3, "flips in pages that no row uses apart");
    }

    #[test]
    fn a_running_members_file_is_refused_and_readers_share_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = killed(folder.path());
        let first = RedbStore::open_frozen(&path, CACHE_BYTES, FeatureLevels::OF_THIS_BUILD)
            .expect("opens");
        drop(
            RedbStore::open_frozen(&path, CACHE_BYTES, FeatureLevels::OF_THIS_BUILD)
                .expect("shares it"),
        );
        let refused = RedbStore::open(&path, StoreOptions::new("test"));
        assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
        drop(first);
        let member = RedbStore::open(&path, StoreOptions::new("test")).expect("opens");
        let refused = RedbStore::open_frozen(&path, CACHE_BYTES, FeatureLevels::OF_THIS_BUILD);
        assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
        drop(member);
    }
}
