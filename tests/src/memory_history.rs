//! The past of a [`MemoryStore`]: every commit with the state after it.
//!
//! Nothing is indexed and nothing shared with the durable store's reader: each answer follows from
//! the plain list of states, by comparing them where that is simplest.

use crate::memory_store::MemoryStore;
use async_trait::async_trait;
use parking_lot::RwLock;
use reddwarf_core::history::{CANDIDATES_MAX, COMMITS_PAGE_MAX, OBJECT_LOG_MAX};
use reddwarf_core::{
    BranchId, ChangedObject, Collection, Commit, CommitId, CommitPage, CommitPrefix, CommitRef,
    Floors, History, HistoryError, ObjectKey, ObjectLogEntry, Revision, Store, StoredObject, View,
};
use reddwarf_versioning::{LandedCommit, decode_header};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Commits that are kept unless a test asks for fewer; each holds a few kilobytes.
pub(crate) const COMMITS_KEPT: usize = 10_000;

/// A commit and the state after it.
#[derive(Debug)]
struct Moment {
    commit: Commit,
    view: View,
}

impl Moment {
    fn last(&self) -> Revision {
        self.commit.header.last
    }
}

/// The commits that are kept, oldest first, and the state before them.
#[derive(Debug, Default)]
struct Kept {
    floor: View,
    moments: VecDeque<Arc<Moment>>,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct MemoryHistory {
    kept: RwLock<Kept>,
    commits_max: usize,
}

impl MemoryHistory {
    /// Keeps the newest `commits_max` commits.
    pub(crate) fn new(commits_max: usize) -> Self {
        MemoryHistory { kept: RwLock::default(), commits_max }
    }

    /// Adds a commit and the state after it.
    pub(crate) fn push(&self, landed: &LandedCommit, view: View) {
        let header = decode_header(&landed.header).expect("invariant: apply writes what it reads");
        let commit = Commit { id: landed.committed.id, header };
        let mut kept = self.kept.write();
        kept.moments.push_back(Arc::new(Moment { commit, view }));
        if kept.moments.len() > self.commits_max
            && let Some(oldest) = kept.moments.pop_front()
        {
            kept.floor = oldest.view.clone();
        }
    }

    fn moments(&self) -> Vec<Arc<Moment>> {
        self.kept.read().moments.iter().cloned().collect()
    }

    /// All commits that `wanted` takes, oldest first.
    fn find(&self, wanted: impl Fn(&Commit) -> bool) -> Vec<Commit> {
        let moments = self.moments();
        let commits = moments.iter().map(|moment| &moment.commit);
        commits.filter(|commit| wanted(commit)).cloned().collect()
    }

    /// The commit whose range covers `asked`, with the state after it; `None` at the floor.
    fn covering(&self, asked: Revision) -> Result<Option<Arc<Moment>>, HistoryError> {
        let kept = self.kept.read();
        let floor = kept.floor.revision;
        let current = kept.moments.back().map_or(floor, |newest| newest.last());
        match asked {
            _ if asked < floor => return Err(HistoryError::Gone { asked, floor }),
            _ if asked > current => return Err(HistoryError::Future { asked, current }),
            _ if asked == floor => return Ok(None),
            _ => {}
        }
        let at = kept.moments.partition_point(|moment| moment.last() < asked);
        Ok(kept.moments.get(at).cloned())
    }

    /// Main as of a revision, or what a branch had changed by then.
    fn state(&self, branch: BranchId, asked: Revision) -> Result<View, HistoryError> {
        let (view, revision) = match self.covering(asked)? {
            None => (self.kept.read().floor.clone(), asked),
            Some(moment) => {
                let header = &moment.commit.header;
                let inside = header.branch == branch && header.first <= asked;
                (moment.view.clone(), if inside { header.last } else { asked })
            }
        };
        let objects = match branch {
            BranchId::MAIN => view.objects,
            _ => {
                let found = view.branches.values().find(|one| one.at.id == branch);
                let changes = found.iter().flat_map(|one| one.changes.iter());
                let objects = changes.filter_map(|(k, c)| Some((k.clone(), c.object.clone()?)));
                objects.collect()
            }
        };
        Ok(View { revision, objects, clock_ms: view.clock_ms, ..View::default() })
    }

    /// What main or a branch shows as of a revision.
    fn shown(&self, branch: BranchId, revision: Revision) -> Result<View, HistoryError> {
        let at = self.covering(revision)?;
        let of = |moment: &Arc<Moment>| {
            let mut branches = moment.view.branches.values();
            branches.find(|one| one.at.id == branch).cloned()
        };
        let Some(of_branch) = at.as_ref().and_then(of) else {
            return self.state(BranchId::MAIN, revision);
        };
        let mut view = self.state(BranchId::MAIN, of_branch.at.base.revision)?;
        for (key, change) in &of_branch.changes {
            match &change.object {
                Some(object) => view.objects.insert(key.clone(), object.clone()),
                None => view.objects.remove(key),
            };
        }
        Ok(view)
    }

    fn by_prefix(&self, prefix: &CommitPrefix) -> Result<Option<Commit>, HistoryError> {
        let mut found = self.find(|commit| commit.id.to_string().starts_with(prefix.as_str()));
        if found.len() < 2 {
            return Ok(found.pop());
        }
        let ids: BTreeSet<CommitId> = found.iter().map(|commit| commit.id).collect();
        let candidates = ids.into_iter().take(CANDIDATES_MAX).collect();
        Err(HistoryError::Ambiguous { prefix: prefix.clone(), candidates })
    }
}

impl MemoryStore {
    /// What is below a floor is not told, though it is still in memory.
    fn check_floor(
        &self,
        branch: BranchId,
        asked: Revision,
        floor: impl Fn(&Floors) -> Revision,
    ) -> Result<(), HistoryError> {
        let floors = self.view().floors;
        let floor = floor(&floors).max(floors.all);
        let gone = branch == BranchId::MAIN && asked < floor;
        if gone { Err(HistoryError::Gone { asked, floor }) } else { Ok(()) }
    }

    fn check(&self, branch: BranchId) -> Result<(), HistoryError> {
        let known = branch == BranchId::MAIN || self.view().line(branch).is_some();
        known.then_some(()).ok_or(HistoryError::NoBranch(branch))
    }
}

#[async_trait]
impl History for MemoryStore {
    async fn floor(&self) -> Result<Revision, HistoryError> {
        Ok(self.history.kept.read().floor.revision)
    }

    async fn commit(&self, commit: &CommitRef) -> Result<Option<Commit>, HistoryError> {
        match commit {
            CommitRef::Revision(Revision::ZERO) => Ok(None),
            CommitRef::Revision(asked) => match self.history.covering(*asked)? {
                Some(moment) => Ok(Some(moment.commit.clone())),
                None => Err(HistoryError::Gone { asked: *asked, floor: *asked }),
            },
            CommitRef::Id(id) => Ok(self.history.find(|commit| commit.id == *id).pop()),
            CommitRef::Prefix(prefix) => self.history.by_prefix(prefix),
        }
    }

    async fn commits(
        &self,
        branch: BranchId,
        after: Revision,
        through: Revision,
        limit: usize,
    ) -> Result<CommitPage, HistoryError> {
        self.check(branch)?;
        let within = |last| after < last && last <= through;
        let mut commits = self
            .history
            .find(|commit| commit.header.branch == branch && within(commit.header.last));
        commits.reverse();
        let limit = limit.clamp(1, COMMITS_PAGE_MAX);
        let next = commits.get(limit).map(|commit| commit.header.last);
        commits.truncate(limit);
        Ok(CommitPage { commits, next })
    }

    async fn resolve_time(&self, time_ms: u64) -> Result<Revision, HistoryError> {
        let mut moments = self.history.moments();
        moments.retain(|moment| moment.commit.header.branch == BranchId::MAIN);
        let header = |at: usize| moments.get(at).map(|moment| &moment.commit.header);
        let until = moments.partition_point(|moment| moment.commit.header.time_ms <= time_ms);
        match (until.checked_sub(1).and_then(header), header(0)) {
            (Some(last), _) => Ok(last.last),
            (None, None) => Ok(Revision::ZERO),
            (None, Some(first)) => {
                let (first, first_ms) = (first.last, first.time_ms);
                Err(HistoryError::BeforeFirst { asked_ms: time_ms, first, first_ms })
            }
        }
    }

    async fn object_log(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<ObjectLogEntry>, HistoryError> {
        self.check(branch)?;
        let moments = self.history.moments();
        let headers = moments.iter().rev().map(|moment| &moment.commit.header);
        let changes = headers.filter(|h| h.branch == branch).flat_map(|header| &header.changes);
        let wanted = changes
            .filter(|change| change.key == *key)
            .filter(|change| before.is_none_or(|before| change.after < before))
            .map(|change| ObjectLogEntry { revision: change.after, deleted: change.deleted });
        Ok(wanted.take(limit.clamp(1, OBJECT_LOG_MAX)).collect())
    }

    async fn version(&self, revision: Revision) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        let find = |view: &View| {
            let changes = view.branches.values().flat_map(|branch| branch.changes.values());
            let on_branches = changes.filter_map(|change| change.object.as_ref());
            let mut all = view.objects.values().chain(on_branches);
            all.find(|object| object.revision == revision).cloned()
        };
        let oldest = find(&self.history.kept.read().floor);
        match (oldest, self.history.covering(revision)?) {
            (Some(current_at_the_floor), _) => Ok(Some(current_at_the_floor)),
            (None, Some(moment)) => Ok(find(&moment.view)),
            (None, None) => Ok(None),
        }
    }

    async fn object_at(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        self.check(branch)?;
        self.check_floor(branch, revision, |floors| floors.of_key(key))?;
        Ok(self.history.state(branch, revision)?.get(key).cloned())
    }

    async fn collection_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        revision: Revision,
    ) -> Result<View, HistoryError> {
        self.check(branch)?;
        self.check_floor(branch, revision, |floors| floors.of_collection(collection, namespace))?;
        let state = self.history.state(branch, revision)?;
        let objects = state.list(collection, namespace, None);
        let objects = objects.map(|object| (object.key.clone(), object.clone())).collect();
        let clock_ms = self.view().clock_ms;
        Ok(View { revision: state.revision, clock_ms, objects, ..View::default() })
    }

    async fn state_at(&self, revision: Revision) -> Result<View, HistoryError> {
        let clock_ms = self.view().clock_ms;
        Ok(View { clock_ms, ..self.history.state(BranchId::MAIN, revision)? })
    }

    async fn changed_between(
        &self,
        branch: BranchId,
        from: Revision,
        to: Revision,
    ) -> Result<Vec<ChangedObject>, HistoryError> {
        self.check(branch)?;
        let newer = self.history.shown(branch, from.max(to))?;
        let older = self.history.shown(branch, from.min(to))?;
        let (before, after) = if from <= to { (older, newer) } else { (newer, older) };
        let keys: BTreeSet<_> = before.objects.keys().chain(after.objects.keys()).collect();
        let revision = |view: &View, key| view.get(key).map(|object| object.revision);
        let objects = keys.into_iter().map(|key| ChangedObject {
            key: key.clone(),
            before: revision(&before, key),
            after: revision(&after, key),
        });
        let floors = self.view().floors;
        let kept = |key: &ObjectKey| branch != BranchId::MAIN || from.min(to) >= floors.of_key(key);
        let differing = objects.filter(|object| object.before != object.after);
        Ok(differing.filter(|object| kept(&object.key)).collect())
    }

    async fn room(
        &self,
        scope: &str,
        versions_max: Option<u64>,
        bytes_max: Option<u64>,
    ) -> Result<Revision, HistoryError> {
        let (mut versions, mut bytes) = (0, 0);
        let floors = self.view().floors;
        for moment in self.history.moments().into_iter().rev() {
            let header = &moment.commit.header;
            let changes = header.changes.iter().filter(|_| header.branch == BranchId::MAIN);
            for change in changes.filter(|change| change.key.as_str().starts_with(scope)) {
                let Some(before) = change.before else { continue };
                if change.after <= floors.of_key(&change.key) {
                    continue;
                }
                versions += 1;
                let version = self.version(before).await?;
                bytes += version.map_or(0, |version| version.bytes.len() as u64);
            }
            let passed = |used: u64, most: Option<u64>| most.is_some_and(|most| used > most);
            if passed(versions, versions_max) || passed(bytes, bytes_max) {
                return Ok(header.last);
            }
        }
        Ok(Revision::ZERO)
    }
}
