//! One branch as a store.

use async_trait::async_trait;
use parking_lot::Mutex;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BaseObject, Branch, BranchChange, BranchId, BranchProblem, Change, ChangeEvent, Collection,
    Commit, CommitStream, Committed, History, Links, ObjectKey, ProposeError, ReadError, Rejection,
    Revision, Store, View, WatchBatch, WatchClosed, WatchStream, Write,
};
use std::sync::Arc;
use std::time::Duration;

/// Shows a branch's base with what it changed, and writes to the branch.
pub(crate) struct BranchStore {
    /// Main.
    pub(crate) present: Arc<dyn Store>,
    name: Arc<str>,
    id: BranchId,
    /// The state where the branch began.
    pub(super) base: View,
    /// The branch where it began, unless that is main.
    pub(super) below: Option<Arc<BranchStore>>,
    /// The newest state that was shown, and the branch in it.
    shown: Mutex<(View, Option<Arc<Branch>>)>,
}

impl BranchStore {
    pub(super) fn new(
        present: Arc<dyn Store>,
        name: &str,
        branch: &Branch,
        base: View,
        below: Option<Arc<BranchStore>>,
    ) -> Self {
        let (name, id) = (name.into(), branch.at.id);
        let shown = Mutex::new((base.clone(), None));
        BranchStore { present, name, id, base, below, shown }
    }

    /// The branch's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The branch's number.
    pub(crate) fn id(&self) -> BranchId {
        self.id
    }

    /// The branch in the newest state; `None` when it is gone.
    pub(crate) fn branch(&self, present: &View) -> Option<Arc<Branch>> {
        let found = present.branches.get(&self.name)?;
        (found.at.id == self.id).then(|| found.clone())
    }

    /// What becomes of the branches from now on, for a watch that ends with this one.
    fn watch_branches(&self, asked: Revision) -> Result<Box<dyn WatchStream>, ReadError> {
        let (group, resource) = BRANCHES.split_once('/').unwrap_or_default();
        let present = self.present.view();
        if self.branch(&present).is_none() {
            return Err(ReadError::Gone { asked, floor: present.revision });
        }
        self.present.watch(&Collection::new(group, resource), present.revision)
    }

    /// What the base holds of the keys that a write is about.
    fn of_base(&self, write: &Write) -> Vec<BaseObject> {
        let changed = write.changes.iter().map(Change::key);
        let named = write.preconditions.iter().map(|precondition| &precondition.key);
        let mut keys: Vec<&ObjectKey> = changed.chain(named).collect();
        keys.sort_unstable();
        keys.dedup();
        let found = keys.into_iter().filter_map(|key| self.base.get(key));
        let object = |found: &Arc<reddwarf_core::StoredObject>| BaseObject {
            key: found.key.clone(),
            revision: found.revision,
            created: found.created,
        };
        found.map(object).collect()
    }
}

/// A state with what a branch changed.
pub(super) fn with_changes<'c>(
    mut view: View,
    changes: impl IntoIterator<Item = (&'c ObjectKey, &'c BranchChange)>,
) -> View {
    for (key, change) in changes {
        match &change.object {
            Some(object) => view.objects.insert(key.clone(), object.clone()),
            None => view.objects.remove(key),
        };
    }
    view
}

#[async_trait]
impl Store for BranchStore {
    fn view(&self) -> View {
        let present = self.present.view();
        let mut shown = self.shown.lock();
        let Some(branch) = self.branch(&present) else { return shown.0.clone() };
        let same = shown.1.as_ref().is_some_and(|old| Arc::ptr_eq(old, &branch));
        if !same {
            shown.0 = with_changes(self.base.clone(), &branch.changes);
            shown.0.head = branch.at.head;
            shown.1 = Some(branch);
        }
        // Revisions are counted for the whole group.
        shown.0.revision = present.revision;
        shown.0.clock_ms = present.clock_ms;
        shown.0.clone()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        self.present.read_barrier().await
    }

    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        let newest = self.view();
        self.present.branch_view_at(self.id, collection, revision, newest, &self.base)
    }

    fn unconfirmed_for(&self) -> Option<Duration> {
        self.present.unconfirmed_for()
    }

    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        self.present.wait_for(revision, timeout).await
    }

    async fn propose(&self, mut write: Write) -> Result<Committed, ProposeError> {
        if !write.excised.is_empty() {
            return Err(Rejection::Branch(BranchProblem::NotHere).into());
        }
        let links = match write.links.take() {
            None => Links::default(),
            Some(links) if links.begins.is_none() => *links,
            Some(_) => return Err(Rejection::Branch(BranchProblem::NotHere).into()),
        };
        if self.branch(&self.present.view()).is_none() {
            return Err(Rejection::Branch(BranchProblem::Gone).into());
        }
        write.branch = self.id;
        write.links = Some(Box::new(Links { base: self.of_base(&write), ..links }));
        self.present.propose(write).await
    }

    fn watch(
        &self,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        let changes = self.present.watch_branch(self.id, collection, from)?;
        let branches = self.watch_branches(from)?;
        let (name, base) = (self.name.clone(), self.base.clone());
        Ok(Box::new(BranchStream { changes, branches, name, base }))
    }

    /// Those of the branch itself; what comes before its base is the history's.
    fn watch_commits(
        &self,
        _: BranchId,
        from: Revision,
    ) -> Result<Box<dyn CommitStream>, ReadError> {
        if from < self.base.revision {
            return Err(ReadError::Gone { asked: from, floor: self.base.revision });
        }
        let commits = self.present.watch_commits(self.id, from)?;
        let (branches, name) = (self.watch_branches(from)?, self.name.clone());
        Ok(Box::new(BranchCommits { commits, branches, name }))
    }

    /// Nothing acts on a branch.
    fn leading_term(&self) -> Option<u64> {
        None
    }

    fn history(&self) -> Option<&dyn History> {
        self.present.history().is_some().then_some(self as &dyn History)
    }
}

/// Changes of a branch, until it is removed.
struct BranchStream {
    changes: Box<dyn WatchStream>,
    branches: Box<dyn WatchStream>,
    name: Arc<str>,
    base: View,
}

/// Waits until the branch of this name is removed, or that cannot be told any more.
async fn removed(branches: &mut dyn WatchStream, name: &str) -> WatchClosed {
    loop {
        match branches.next().await {
            Err(closed) => return closed,
            Ok(batch) => {
                let gone =
                    |event: &Arc<ChangeEvent>| event.after.is_none() && event.key.name() == name;
                if batch.events.iter().any(gone) {
                    return WatchClosed::Stopping;
                }
            }
        }
    }
}

/// Commits of a branch, until it is removed.
struct BranchCommits {
    commits: Box<dyn CommitStream>,
    branches: Box<dyn WatchStream>,
    name: Arc<str>,
}

#[async_trait]
impl CommitStream for BranchCommits {
    async fn next(&mut self) -> Result<Vec<Commit>, WatchClosed> {
        tokio::select! {
            commits = self.commits.next() => commits,
            closed = removed(&mut *self.branches, &self.name) => Err(closed),
        }
    }

    fn progress(&mut self) -> Revision {
        self.commits.progress()
    }
}

impl BranchStream {
    /// The event with what the base had there, where the branch has changed that first.
    fn completed(&self, event: Arc<ChangeEvent>) -> Arc<ChangeEvent> {
        if !event.changes_base {
            return event;
        }
        let before = self.base.get(&event.key).cloned();
        let (key, after) = (event.key.clone(), event.after.clone());
        Arc::new(ChangeEvent::new(key, event.revision, event.commit_end, before, after))
    }
}

#[async_trait]
impl WatchStream for BranchStream {
    async fn next(&mut self) -> Result<WatchBatch, WatchClosed> {
        let mut batch = tokio::select! {
            batch = self.changes.next() => batch?,
            closed = removed(&mut *self.branches, &self.name) => return Err(closed),
        };
        batch.events = batch.events.into_iter().map(|event| self.completed(event)).collect();
        Ok(batch)
    }

    fn progress(&mut self) -> Revision {
        self.changes.progress()
    }
}
