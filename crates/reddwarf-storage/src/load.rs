//! Rebuilds the state, and the tail of the change window, from the file.

use crate::commit_row::CommitRows;
use crate::redb_panic::catch_redb_panic;
use crate::rows;
use crate::version_row;
use crate::{KvError, KvRead, KvStore, Table};
use bytes::Bytes;
use reddwarf_core::{
    BranchId, ChangeEvent, Commit, CommitChange, CommitHeader, ObjectKey, Revision, StoredObject,
    View,
};
use reddwarf_versioning::{
    BranchTable, ChangeWindow, Checkpoint, RestoreError, State, StateBuilder, StateRoot,
    WindowLimits,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// Changes of the past that are read back at start, so that watches resume over a restart.
const TAIL_CHANGES_MAX: usize = 4_096;

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded {
    /// The state as of the durable applied index.
    pub state: State,
    /// The newest changes before it.
    pub window: ChangeWindow,
    /// What was recorded with the last transaction.
    pub checkpoint: Checkpoint,
}

/// Why the file does not hold a state.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read, or a row is damaged.
    #[error("reading the stored state")]
    Read(#[from] KvError),
    /// The rows are not what was written.
    #[error("the stored state is damaged; this node has to fetch it from the other members")]
    Damaged(#[from] RestoreError),
    /// A row names another that is not there.
    #[error(
        "the stored state is damaged: revision {0} is missing; this node has to fetch it from the other members"
    )]
    Missing(Revision),
    /// Pages of the file make no sense.
    #[error("the data file's pages are damaged; this node has to fetch it from the other members")]
    Pages,
}

impl LoadError {
    /// Whether the file holds something else than was written, as opposed to a disk that refuses.
    pub fn is_damage(&self) -> bool {
        match self {
            LoadError::Read(error) => error.is_damage(),
            LoadError::Damaged(_) | LoadError::Missing(_) | LoadError::Pages => true,
        }
    }
}

/// The checkpoint of the last durable transaction; the empty one in a new file.
///
/// # Errors
/// See [`KvError`].
pub fn read_checkpoint(store: &dyn KvStore) -> Result<Checkpoint, KvError> {
    checkpoint_of(store.read()?.as_ref())
}

pub(crate) fn checkpoint_of(read: &dyn KvRead) -> Result<Checkpoint, KvError> {
    checkpoint_from(&|row| read.get(Table::Meta, row))
}

/// The value of a row of [`Table::Meta`].
type MetaRow<'a> = dyn Fn(&[u8]) -> Result<Option<Bytes>, KvError> + 'a;

/// The checkpoint that the rows of [`Table::Meta`] make.
pub(crate) fn checkpoint_from(get: &MetaRow<'_>) -> Result<Checkpoint, KvError> {
    let mut checkpoint = standing_from(get)?;
    if let Some(value) = get(rows::META_BRANCHES)? {
        checkpoint.branches = Arc::new(rows::read_branches(&value)?);
    }
    checkpoint.marks = Arc::new(part_from(get, rows::META_MARKS)?.unwrap_or_default());
    checkpoint.lost = Arc::new(part_from(get, rows::META_LOST)?.unwrap_or_default());
    checkpoint.level = part_from(get, rows::META_LEVEL)?.unwrap_or_default();
    checkpoint.builds = Arc::new(part_from(get, rows::META_BUILDS)?.unwrap_or_default());
    // A build that did not know of it leaves that of an earlier entry.
    let root: Option<(u64, [u8; 32])> = part_from(get, rows::META_ROOT)?;
    let root = root.filter(|(index, _)| *index == checkpoint.applied.index);
    checkpoint.root = root.map(|(_, root)| StateRoot(root));
    Ok(checkpoint)
}

/// The checkpoint without the branches, unless an old file has them in it, and without the marks.
pub(crate) fn standing_of(read: &dyn KvRead) -> Result<Checkpoint, KvError> {
    standing_from(&|row| read.get(Table::Meta, row))
}

fn standing_from(get: &MetaRow<'_>) -> Result<Checkpoint, KvError> {
    let Some(value) = get(rows::META_CHECKPOINT)? else { return Ok(Checkpoint::default()) };
    let mut checkpoint = rows::read_checkpoint_value(&value)?;
    checkpoint.floors = Arc::new(part_from(get, rows::META_FLOORS)?.unwrap_or_default());
    Ok(checkpoint)
}

/// The branches, where they have a row of their own.
pub(crate) fn branches_of(read: &dyn KvRead) -> Result<Option<BranchTable>, KvError> {
    let value = read.get(Table::Meta, rows::META_BRANCHES)?;
    value.map(|value| rows::read_branches(&value)).transpose()
}

/// A row beside the checkpoint.
pub(crate) fn part<T: DeserializeOwned>(
    read: &dyn KvRead,
    row: &[u8],
) -> Result<Option<T>, KvError> {
    part_from(&|row| read.get(Table::Meta, row), row)
}

fn part_from<T: DeserializeOwned>(get: &MetaRow<'_>, row: &[u8]) -> Result<Option<T>, KvError> {
    get(row)?.map(|value| rows::read_part(row, &value)).transpose()
}

/// Rebuilds the state. Every row read is checked against its checksum, every object against
/// its content hash, and all of them together against the recorded sum.
///
/// # Errors
/// See [`LoadError`].
pub fn load(store: &dyn KvStore, limits: WindowLimits) -> Result<Loaded, LoadError> {
    // redb may panic on pages that something else has written to.
    catch_redb_panic(|| load_checked(store, limits)).unwrap_or(Err(LoadError::Pages))
}

fn load_checked(store: &dyn KvStore, limits: WindowLimits) -> Result<Loaded, LoadError> {
    let read = store.read()?;
    let read = read.as_ref();
    let checkpoint = checkpoint_of(read)?;
    let mut builder = StateBuilder::new(checkpoint.clone());
    load_objects(read, &mut builder)?;
    load_requests(read, &mut builder)?;
    let state = builder.finish()?;
    let window = load_window(read, &state.view(), limits)?;
    Ok(Loaded { state, window, checkpoint })
}

fn load_objects(read: &dyn KvRead, builder: &mut StateBuilder) -> Result<(), LoadError> {
    let mut failure = None;
    read.scan(Table::Current, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
        Ok(keep_going(load_object(read, builder, key, value), &mut failure))
    })?;
    failure.map_or(Ok(()), Err)
}

fn load_object(
    read: &dyn KvRead,
    builder: &mut StateBuilder,
    row: &[u8],
    value: &[u8],
) -> Result<(), LoadError> {
    let revision = rows::read_current(row, value)?;
    let (branch, key) = rows::read_current_key(row)?;
    let missing = match version(read, revision) {
        Ok(object) => return Ok(builder.object(branch, object)?),
        Err(error) => error,
    };
    let removed = matches!(missing, LoadError::Missing(_))
        && branch != BranchId::MAIN
        && is_removal(read, branch, &key, revision)?;
    if removed { Ok(builder.removal(branch, key, revision)?) } else { Err(missing) }
}

fn is_removal(
    read: &dyn KvRead,
    branch: BranchId,
    key: &ObjectKey,
    revision: Revision,
) -> Result<bool, KvError> {
    let row = rows::history_key(branch, key, revision);
    match read.get(Table::History, &row)? {
        Some(value) => rows::read_history(&row, &value).map(|(_, deleted)| deleted),
        None => Ok(false),
    }
}

fn load_requests(read: &dyn KvRead, builder: &mut StateBuilder) -> Result<(), LoadError> {
    let mut failure = None;
    read.scan(Table::Requests, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
        let index = rows::read_number(Table::Requests, key)?;
        let added = builder.request(index, value).map_err(LoadError::from);
        Ok(keep_going(added, &mut failure))
    })?;
    failure.map_or(Ok(()), Err)
}

fn keep_going(result: Result<(), LoadError>, failure: &mut Option<LoadError>) -> ControlFlow<()> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            *failure = Some(error);
            ControlFlow::Break(())
        }
    }
}

fn version(read: &dyn KvRead, revision: Revision) -> Result<StoredObject, LoadError> {
    version_row::read(read, revision)?.ok_or(LoadError::Missing(revision))
}

/// The newest commits of main, as many as the tail takes, oldest first; above all floors and what
/// was lost, where nothing is gone.
fn tail(read: &dyn KvRead, floor: Revision) -> Result<Vec<CommitHeader>, KvError> {
    let (mut commits, mut changes) = (Vec::new(), 0);
    let rows = CommitRows::default();
    read.scan_back(Table::Commits, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
        let Some(Commit { header, .. }) = rows.read(read, key, value)?.commit() else {
            return Ok(ControlFlow::Break(()));
        };
        changes += header.changes.len();
        if changes > TAIL_CHANGES_MAX || header.first <= floor {
            return Ok(ControlFlow::Break(()));
        }
        if header.branch == BranchId::MAIN {
            commits.push(header);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    commits.reverse();
    Ok(commits)
}

fn load_window(
    read: &dyn KvRead,
    view: &View,
    limits: WindowLimits,
) -> Result<ChangeWindow, LoadError> {
    let commits = tail(read, view.floors.highest().max(view.counted_from()))?;
    let base = commits.first().map_or(view.revision, |first| Revision(first.first.0 - 1));
    let mut window = ChangeWindow::new(base, limits);
    let mut versions = Versions { read, view, recent: BTreeMap::new() };
    for commit in &commits {
        let events = commit
            .changes
            .iter()
            .map(|change| versions.event(change, commit.last))
            .collect::<Result<Vec<_>, _>>();
        match events {
            Ok(events) => window.push(BranchId::MAIN, &events, |_| ()),
            // What was taken away cannot be told again: watches begin after it.
            Err(LoadError::Missing(gone)) if is_excised(read, gone)? => {
                window = ChangeWindow::new(commit.last, limits);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(window)
}

fn is_excised(read: &dyn KvRead, revision: Revision) -> Result<bool, KvError> {
    Ok(read.get(Table::Excised, &rows::number_key(revision.0))?.is_some())
}

/// Versions that stand in the window, each in memory once.
struct Versions<'a> {
    read: &'a dyn KvRead,
    view: &'a View,
    recent: BTreeMap<Revision, Arc<StoredObject>>,
}

impl Versions<'_> {
    fn event(
        &mut self,
        change: &CommitChange,
        commit_end: Revision,
    ) -> Result<Arc<ChangeEvent>, LoadError> {
        // A version is the `before` of one later change at most, so it can be given away.
        let before = match change.before {
            Some(revision) => Some(match self.recent.remove(&revision) {
                Some(known) => known,
                None => Arc::new(version(self.read, revision)?),
            }),
            None => None,
        };
        let after = match change.deleted {
            true => None,
            false => Some(self.after(change)?),
        };
        if let Some(after) = &after {
            self.recent.insert(change.after, after.clone());
        }
        let key = change.key.clone();
        Ok(Arc::new(ChangeEvent::new(key, change.after, commit_end, before, after)))
    }

    fn after(&self, change: &CommitChange) -> Result<Arc<StoredObject>, LoadError> {
        match self.view.get(&change.key).filter(|current| current.revision == change.after) {
            Some(current) => Ok(current.clone()),
            None => Ok(Arc::new(version(self.read, change.after)?)),
        }
    }
}
