//! Making the data folder of a member of a new group.

use super::disk::MemberDisk;
use super::{RecoverError, failed, swap};
use crate::identity;
use crate::machine::{apply_one, check_level};
use crate::membership;
use crate::metrics::RaftMetrics;
use crate::types::{Entry, LogId, Member, Membership, StoredMembership, Vote, log_id};
use crate::wal::{FileDisk, Mode, Wal, WalOptions};
use openraft::entry::RaftEntry;
use reddwarf_core::{FeatureLevels, Lost};
use reddwarf_storage::{
    Durable, InlinePersister, KvStore, Persist, PersistBatch, RedbStore, SnapshotReader,
    SnapshotWriter, StoreOptions, examine_backup, load,
};
use reddwarf_versioning::{State, StateRoot, WindowLimits};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory for the pages of the old file.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Entries that are applied at a time.
const ENTRIES: u64 = 256;

/// A group that is to be made.
#[derive(Clone, Debug)]
pub struct NewGroup {
    /// The data folder of this member of it.
    pub data_dir: PathBuf,
    /// What the group is called.
    pub cluster_id: String,
    /// This member's name.
    pub name: String,
    /// Names and addresses of all of its first members, the same on each of them.
    pub members: BTreeMap<String, String>,
    /// How many revisions are skipped.
    pub margin: u64,
    /// Size of a segment of its log.
    pub wal_segment_bytes: u64,
    /// The feature levels that its members will support.
    pub levels: FeatureLevels,
}

/// What a new group begins with.
#[derive(Debug)]
pub struct Recovered {
    /// This member's Raft id.
    pub node_id: u64,
    /// The entry at which the state stands.
    pub index: u64,
    /// The revisions that are skipped.
    pub lost: Lost,
    /// The root of the state, the same on all first members.
    pub root: StateRoot,
    /// Entries of the old log that were applied.
    pub replayed: u64,
    /// Where what was there before is kept.
    pub aside: Option<PathBuf>,
}

/// Prepares an empty data folder with the state of a backup.
///
/// # Errors
/// See [`RecoverError`]; the folder has no member's data then.
pub fn from_backup(path: &Path, group: &NewGroup) -> Result<Recovered, RecoverError> {
    let there = |name: &&str| group.data_dir.join(name).exists();
    if ["identity", "wal", "state.redb"].iter().any(there) {
        return Err(RecoverError::InUse(group.data_dir.clone()));
    }
    let (state, _) = examine_backup(path, group.levels)?;
    let stored = membership::decode(state.membership()).map_err(RecoverError::Membership)?;
    let highest = stored.membership().nodes().map(|(id, _)| *id).max().unwrap_or_default();
    std::fs::create_dir_all(&group.data_dir).map_err(failed("create", &group.data_dir))?;
    prepare(path, group, highest, |_, _| Ok(0))
}

/// Makes the data folder of a member that is left that of a group of its own. All entries that are
/// in its log are applied, also those of which it does not know whether they were committed: they may
/// have been acknowledged.
///
/// # Errors
/// See [`RecoverError`]; the folder is as it was then, or is gone on with when this is done again.
pub fn force_new_group(disk: MemberDisk, group: &NewGroup) -> Result<Recovered, RecoverError> {
    if disk.cluster_id != group.cluster_id {
        let (path, found) = (disk.data_dir, disk.cluster_id);
        return Err(RecoverError::OtherCluster { path, found, expected: group.cluster_id.clone() });
    }
    let state = disk.data_dir.join("state.redb");
    let highest = disk.highest_id();
    prepare(&state, group, highest, |state, persist| replay(&disk, state, persist, group.levels))
}

/// Finishes what a crash has interrupted; `false` when there is nothing of the kind.
///
/// # Errors
/// See [`RecoverError`].
pub fn resume(data_dir: &Path) -> Result<bool, RecoverError> {
    let unfinished = swap::is_unfinished(data_dir);
    if unfinished {
        swap::finish(data_dir)?;
    }
    Ok(unfinished)
}

fn prepare(
    from: &Path,
    group: &NewGroup,
    highest_id: u64,
    bring_up: impl FnOnce(&mut State, &dyn Persist) -> Result<u64, RecoverError>,
) -> Result<Recovered, RecoverError> {
    let folder = swap::begin(&group.data_dir)?;
    let path = folder.join("state.redb");
    let options = StoreOptions { levels: group.levels, ..StoreOptions::new(&group.cluster_id) };
    copy(from, &path, &options)?;
    let store = Arc::new(RedbStore::open(&path, options)?);
    let loaded = load(store.as_ref(), WindowLimits::default())?;
    let durable = Durable::from(&loaded.checkpoint);
    let persist = InlinePersister::new(Arc::clone(&store) as _, durable, Arc::new(|_| ()));
    let mut state = loaded.state;
    let replayed = bring_up(&mut state, &persist)?;
    let members = numbered(group, highest_id);
    let applied = state.applied();
    let at = log_id(applied.term + 1, applied.index + 1);
    let lost = state.succeed(encode(at, &members)?, group.margin)?;
    persist.submit(PersistBatch { applied: Vec::new(), checkpoint: state.checkpoint() });
    persist.flush()?;
    let node_id = members.iter().find(|(_, member)| member.name == group.name);
    let node_id = *node_id.expect("invariant: the members include this one").0;
    let first = *members.keys().next().expect("invariant: there is a member");
    write_log(&folder.join("wal"), group.wal_segment_bytes, at, first)?;
    identity::write(&folder, &group.cluster_id, node_id).map_err(failed("write", &folder))?;
    let root = state.root();
    drop((persist, store));
    let aside = swap::finish(&group.data_dir)?;
    Ok(Recovered { node_id, index: at.index(), lost, root, replayed, aside })
}

/// Ids that the old group never had, in the order of the names.
fn numbered(group: &NewGroup, highest_id: u64) -> BTreeMap<u64, Member> {
    let member = |(name, addr): (&String, &String)| Member {
        name: name.clone(),
        addr: addr.clone(),
        incarnation: 0,
    };
    (highest_id + 1..).zip(group.members.iter().map(member)).collect()
}

fn encode(at: LogId, members: &BTreeMap<u64, Member>) -> Result<bytes::Bytes, RecoverError> {
    let voters: BTreeSet<u64> = members.keys().copied().collect();
    let new = Membership::new(vec![voters], members.clone());
    let new = new.map_err(|error| RecoverError::Membership(error.to_string()))?;
    membership::encode(&StoredMembership::new(Some(at), new)).map_err(RecoverError::Membership)
}

/// Writes the rows of one file into a new one, of the cluster of `options`.
fn copy(from: &Path, to: &Path, options: &StoreOptions) -> Result<(), RecoverError> {
    let store = RedbStore::open_frozen(from, CACHE_BYTES, options.levels)?;
    let store: Arc<dyn KvStore> = Arc::new(store);
    let mut reader = SnapshotReader::open(store, &options.cluster)?;
    let mut writer = SnapshotWriter::create_at(to.to_owned(), options.clone())?;
    while let Some(chunk) = reader.next_chunk()? {
        writer.feed(&chunk)?;
    }
    writer.finish()?;
    Ok(())
}

fn replay(
    disk: &MemberDisk,
    state: &mut State,
    persist: &dyn Persist,
    levels: FeatureLevels,
) -> Result<u64, RecoverError> {
    let (Some(last), mut replayed) = (disk.last(), 0) else { return Ok(0) };
    let Some(mut at) = disk.tail_begins() else { return Ok(0) };
    while at <= last.index() {
        let entries = disk.entries(at, at.saturating_add(ENTRIES).min(last.index() + 1))?;
        if entries.first().is_none_or(|entry| entry.index() != at) {
            return Err(RecoverError::Gap { index: at, last: last.index() });
        }
        at += entries.len() as u64;
        replayed += entries.len() as u64;
        persist.submit(apply(state, entries, levels)?);
        persist.flush()?;
    }
    Ok(replayed)
}

fn apply(
    state: &mut State,
    entries: Vec<Entry>,
    levels: FeatureLevels,
) -> Result<PersistBatch, RecoverError> {
    let mut applied = Vec::new();
    for entry in entries {
        let index = entry.index();
        let step = apply_one(state, entry);
        let step = step.and_then(|step| check_level(state, levels).map(|()| step));
        let step = step.map_err(|source| RecoverError::Apply { index, source })?;
        applied.extend(step.applied);
    }
    Ok(PersistBatch { applied, checkpoint: state.checkpoint() })
}

/// A log as it stands behind a snapshot up to `at`. All first members have voted for the same one of
/// them in its term, so that none is elected in it.
fn write_log(dir: &Path, segment_bytes: u64, at: LogId, voted: u64) -> Result<(), RecoverError> {
    let options = WalOptions { dir: dir.to_owned(), segment_bytes, cache_bytes: 0 };
    let wal = Wal::open(options, Arc::new(FileDisk), Mode::Inline, RaftMetrics::default());
    let wal = wal.map_err(RecoverError::Wal)?;
    let vote = Vote::new(crate::types::term_of(&at), voted);
    wal.save_vote(vote, Box::new(|_| ()));
    wal.purge(at);
    wal.flush(Box::new(|_| ()));
    match wal.failed() {
        true => Err(failed("write", dir)(io::Error::other("the log was not written"))),
        false => Ok(()),
    }
}
