//! A state in a file of its own, that is believed in only after it was read back.
//!
//! A backup is a data file like a member's, made from the chunks of a snapshot. It has another
//! name until everything in it was checked: a file with the final name is a whole one.

use crate::load::{LoadError, load};
use crate::open::{OpenError, StoreOptions};
use crate::snapshot_writer::{SnapshotError, SnapshotWriter};
use crate::{HistoryReader, KvError, KvStore, RedbStore, Verified};
use reddwarf_core::{FeatureLevels, HistoryError, Revision};
use reddwarf_versioning::{State, StateRoot, WindowLimits};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Only its owner reads a backup: it holds the secrets of the cluster.
const MODE: u32 = 0o600;
/// Memory for the file's pages while it is read back.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{path} is there already", path = .0.display())]
    Exists(PathBuf),
    /// The system refused.
    #[error("{attempt} {path}", path = path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// What came cannot be written, or is no state.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The file does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file does not hold a state.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The past cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] KvError),
    /// The past is not what was written.
    #[error("its history cannot be trusted: {}", .0.join("; "))]
    Problems(Vec<String>),
    /// The state that was read back is another one than the member had.
    #[error("the state root of what was written is {found}, that of the member was {expected}")]
    Root {
        /// Of the file.
        found: String,
        /// Of the member at the same entry.
        expected: String,
    },
}

/// What a backup holds.
#[derive(Debug)]
pub struct BackupSummary {
    /// The group that it is of.
    pub cluster: String,
    /// The newest entry in it.
    pub index: u64,
    /// The newest revision in it.
    pub revision: Revision,
    /// The root of its state.
    pub root: StateRoot,
    /// What its history was found to be.
    pub verified: Verified,
    /// What the file takes of the disk, in bytes.
    pub bytes: u64,
}

/// A backup that is being written.
#[derive(Debug)]
pub struct BackupFile {
    path: PathBuf,
    partial: PathBuf,
    levels: FeatureLevels,
    writer: SnapshotWriter,
}

impl BackupFile {
    /// Begins a backup that is to be at `path`, of the state of the cluster of `options`.
    ///
    /// # Errors
    /// [`BackupError::Exists`] unless `overwrite`; [`BackupError::Snapshot`].
    pub fn create(
        path: &Path,
        options: StoreOptions,
        overwrite: bool,
    ) -> Result<Self, BackupError> {
        if !overwrite && path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let mut partial = OsString::from(path);
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let levels = options.levels;
        let writer = SnapshotWriter::create_at(partial.clone(), options)?;
        let private = std::fs::set_permissions(&partial, PermissionsExt::from_mode(MODE));
        private.map_err(failed("protect", &partial))?;
        Ok(BackupFile { path: path.to_owned(), partial, levels, writer })
    }

    /// Takes the next bytes of the snapshot.
    ///
    /// # Errors
    /// [`BackupError::Snapshot`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        Ok(self.writer.feed(bytes)?)
    }

    /// Removes what was written.
    pub fn discard(self) {
        // An unfinished file is in nobody's way, and the next attempt begins it anew.
        let _ = std::fs::remove_file(&self.partial);
    }

    /// Completes the file, reads all of it back and gives it its name if the state is the one with
    /// root `expected`. Blocks.
    ///
    /// # Errors
    /// See [`BackupError`]; there is no file then but the one that was there before.
    pub fn finish(self, expected: &str) -> Result<BackupSummary, BackupError> {
        let BackupFile { path, partial, levels, writer } = self;
        let finished = check(writer, &partial, levels, expected).and_then(|(received, summary)| {
            received.place(&path).map_err(failed("put in place", &path))?;
            Ok(summary)
        });
        if finished.is_err() {
            // What does not hold the state is of no use to anybody.
            let _ = std::fs::remove_file(&partial);
        }
        finished
    }
}

fn check(
    writer: SnapshotWriter,
    partial: &Path,
    levels: FeatureLevels,
    expected: &str,
) -> Result<(crate::Received, BackupSummary), BackupError> {
    let received = writer.finish()?;
    let (_, summary) = examine_backup(partial, levels)?;
    let found = summary.root.to_string();
    if found != expected {
        return Err(BackupError::Root { found, expected: expected.to_owned() });
    }
    Ok((received, summary))
}

/// Reads all of a backup, or of the data file of a member that does not run: its state, and whether
/// the state and the history are what was written. The file is not changed.
///
/// # Errors
/// See [`BackupError`].
pub fn examine_backup(
    path: &Path,
    levels: FeatureLevels,
) -> Result<(State, BackupSummary), BackupError> {
    let store = Arc::new(RedbStore::open_frozen(path, CACHE_BYTES, levels)?);
    let history = HistoryReader::new(Arc::clone(&store) as Arc<dyn KvStore>);
    // Each reads most of the file, which takes a core.
    let (loaded, verified) = std::thread::scope(|scope| {
        let past = scope.spawn(move || history.verify_past());
        let loaded = load(store.as_ref(), WindowLimits::default());
        (loaded, past.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (state, verified) = (loaded?.state, verified?);
    if !verified.problems.is_empty() {
        return Err(BackupError::Problems(verified.problems));
    }
    let summary = BackupSummary {
        cluster: store.options().cluster.clone(),
        index: state.applied().index,
        revision: state.revision(),
        root: state.root(),
        verified,
        bytes: store.file_bytes(),
    };
    Ok((state, summary))
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { attempt, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::step;
    use crate::{Durable, InlinePersister, Persist, SnapshotReader};

    /// A member's state and its store.
    fn member(folder: &Path) -> (State, Arc<RedbStore>) {
        let store = RedbStore::open(folder.join("state.redb"), StoreOptions::new("shop"));
        let store = Arc::new(store.expect("a new file"));
        let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
        let mut state = State::new();
        (1..=120).for_each(|index| persister.submit(step(&mut state, index)));
        (state, store)
    }

    fn chunks(store: &Arc<RedbStore>) -> Vec<bytes::Bytes> {
        let mut reader = SnapshotReader::open(store.clone(), "shop").expect("reads");
        std::iter::from_fn(|| reader.next_chunk().expect("reads")).collect()
    }

    #[test]
    fn a_backup_holds_the_state_and_is_its_owners() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, store) = member(folder.path());
        let path = folder.path().join("nightly.redb");
        let mut file = BackupFile::create(&path, StoreOptions::new("shop"), false).expect("begins");
        chunks(&store).iter().for_each(|chunk| file.feed(chunk).expect("fits"));
        let written = file.finish(&state.root().to_string()).expect("as the member has it");
        assert_eq!((written.revision, written.cluster.as_str()), (state.revision(), "shop"));
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        let (read, _) = examine_backup(&path, FeatureLevels::OF_THIS_BUILD).expect("reads");
        assert_eq!(read.root(), state.root());
        let again =
            BackupFile::create(&path, StoreOptions::new("shop"), false).expect_err("it is there");
        assert!(matches!(again, BackupError::Exists(_)), "{again}");
        BackupFile::create(&path, StoreOptions::new("shop"), true).expect("told to").discard();
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 2);
    }

    #[test]
    fn what_is_not_the_members_state_gets_no_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (state, store) = member(folder.path());
        let path = folder.path().join("nightly.redb");
        let chunks = chunks(&store);
        let written = |chunks: &[bytes::Bytes], root: &str| {
            let mut file =
                BackupFile::create(&path, StoreOptions::new("shop"), false).expect("begins");
            chunks.iter().for_each(|chunk| file.feed(chunk).expect("fits"));
            file.finish(root).expect_err("refused")
        };
        let cut = written(&chunks[..chunks.len() - 1], &state.root().to_string());
        assert!(cut.to_string().contains("ends early"), "{cut}");
        let other = written(&chunks, &State::new().root().to_string());
        assert!(matches!(other, BackupError::Root { .. }), "{other}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("reads").count(), 1);
    }
}
