//! The past of a branch: its own commits, and below its base those of the line where it began.
//!
//! Operations on main, which is the line that the API reads, are answered for the branch.

use super::store::{BranchStore, with_changes};
use async_trait::async_trait;
use reddwarf_core::{
    BranchId, ChangedObject, Collection, Commit, CommitPage, CommitRef, History, HistoryError,
    ObjectKey, ObjectLogEntry, Revision, Store, StoredObject, View,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl BranchStore {
    fn of_main(&self) -> Result<&dyn History, HistoryError> {
        let missing = || HistoryError::Unavailable("this store keeps no history".to_owned());
        self.present.history().ok_or_else(missing)
    }

    /// The line where the branch began.
    fn below(&self) -> Result<&dyn History, HistoryError> {
        match &self.below {
            Some(below) => Ok(&**below),
            None => self.of_main(),
        }
    }

    fn base(&self) -> Revision {
        self.base.revision
    }

    /// What the branch had changed by `revision`, all of it or one collection.
    async fn changed_until(&self, revision: Revision) -> Result<Vec<ChangedObject>, HistoryError> {
        self.of_main()?.changed_between(self.id(), self.base(), revision).await
    }

    async fn put_changes(
        &self,
        mut view: View,
        revision: Revision,
        wanted: impl Fn(&ObjectKey) -> bool,
    ) -> Result<View, HistoryError> {
        let main = self.of_main()?;
        for changed in self.changed_until(revision).await? {
            if !wanted(&changed.key) {
                continue;
            }
            match changed.after {
                None => drop(view.objects.remove(&changed.key)),
                Some(after) => {
                    if let Some(object) = main.version(after).await? {
                        view.objects.insert(changed.key, object);
                    }
                }
            }
        }
        view.revision = revision;
        Ok(view)
    }
}

#[async_trait]
impl History for BranchStore {
    async fn floor(&self) -> Result<Revision, HistoryError> {
        self.of_main()?.floor().await
    }

    async fn commit(&self, commit: &CommitRef) -> Result<Option<Commit>, HistoryError> {
        self.of_main()?.commit(commit).await
    }

    async fn commits(
        &self,
        branch: BranchId,
        after: Revision,
        through: Revision,
        limit: usize,
    ) -> Result<CommitPage, HistoryError> {
        let main = self.of_main()?;
        if branch != BranchId::MAIN || through <= self.base() {
            return self.below()?.commits(branch, after, through, limit).await;
        }
        let from = after.max(self.base());
        let mut page = main.commits(self.id(), from, through, limit).await?;
        if page.next.is_none() && after < self.base() {
            page.next = Some(self.base());
        }
        Ok(page)
    }

    async fn resolve_time(&self, time_ms: u64) -> Result<Revision, HistoryError> {
        let main = self.of_main()?;
        // Commits of the branch are few; the newest one early enough is looked for one by one.
        let mut through = Some(Revision::MAX);
        while let Some(until) = through {
            let page = main.commits(self.id(), self.base(), until, usize::MAX).await?;
            let early = page.commits.iter().find(|commit| commit.header.time_ms <= time_ms);
            if let Some(commit) = early {
                return Ok(commit.header.last);
            }
            through = page.next;
        }
        Ok(self.below()?.resolve_time(time_ms).await?.min(self.base()))
    }

    async fn object_log(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<ObjectLogEntry>, HistoryError> {
        let main = self.of_main()?;
        let base = self.base();
        if branch != BranchId::MAIN || before.is_some_and(|before| before <= base.next()) {
            return self.below()?.object_log(branch, key, before, limit).await;
        }
        let mut log = main.object_log(self.id(), key, before, limit).await?;
        if log.len() < limit {
            let (before, limit) = (Some(base.next()), limit - log.len());
            let older = self.below()?.object_log(branch, key, before, limit).await?;
            log.extend(older);
        }
        Ok(log)
    }

    async fn version(&self, revision: Revision) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        self.of_main()?.version(revision).await
    }

    async fn object_at(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        let main = self.of_main()?;
        if branch != BranchId::MAIN || revision <= self.base() {
            return self.below()?.object_at(branch, key, revision).await;
        }
        let log = main.object_log(self.id(), key, Some(revision.next()), 1).await?;
        match log.first() {
            Some(entry) if entry.deleted => Ok(None),
            Some(entry) => main.version(entry.revision).await,
            None => Ok(self.base.get(key).cloned()),
        }
    }

    async fn collection_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        revision: Revision,
    ) -> Result<View, HistoryError> {
        if branch != BranchId::MAIN || revision <= self.base() {
            return self.below()?.collection_at(branch, collection, namespace, revision).await;
        }
        let listed = self.base.list(collection, namespace, None);
        let objects = listed.map(|object| (object.key.clone(), object.clone())).collect();
        let view = View { objects, clock_ms: self.view().clock_ms, ..View::default() };
        let prefix = match namespace {
            Some(namespace) => collection.namespace_prefix(namespace),
            None => collection.prefix(),
        };
        self.put_changes(view, revision, |key| key.as_str().starts_with(&prefix)).await
    }

    async fn state_at(&self, revision: Revision) -> Result<View, HistoryError> {
        if revision <= self.base() {
            return self.below()?.state_at(revision).await;
        }
        let present = self.view();
        if let Some(branch) = self.branch(&self.present.view())
            && branch.at.head.revision <= revision
        {
            return Ok(View { revision, ..with_changes(self.base.clone(), &branch.changes) });
        }
        let view = View { clock_ms: present.clock_ms, ..self.base.clone() };
        self.put_changes(view, revision, |_| true).await
    }

    async fn changed_between(
        &self,
        branch: BranchId,
        from: Revision,
        to: Revision,
    ) -> Result<Vec<ChangedObject>, HistoryError> {
        let main = self.of_main()?;
        let base = self.base();
        let (older, newer) = (from.min(to), from.max(to));
        if branch != BranchId::MAIN || newer <= base {
            return self.below()?.changed_between(branch, from, to).await;
        }
        let on_branch = main.changed_between(self.id(), older.max(base), newer).await?;
        let mut changed: BTreeMap<ObjectKey, ChangedObject> = BTreeMap::new();
        if older < base {
            for object in self.below()?.changed_between(branch, older, base).await? {
                changed.insert(object.key.clone(), object);
            }
        }
        for object in on_branch {
            match changed.get_mut(&object.key) {
                Some(earlier) => earlier.after = object.after,
                None => drop(changed.insert(object.key.clone(), object)),
            }
        }
        let differing = changed.into_values().filter(|object| object.before != object.after);
        Ok(differing
            .map(|object| match from <= to {
                true => object,
                false => ChangedObject { before: object.after, after: object.before, ..object },
            })
            .collect())
    }
}
