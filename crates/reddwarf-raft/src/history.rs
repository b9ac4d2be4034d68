//! The past as this member's durable file tells it.
//!
//! The file follows memory at some distance, so a read first waits until everything it has to
//! include is written, and has that written at once instead of being gathered with more. What lies
//! further back is read without waiting.

use crate::store::ReplicatedStore;
use async_trait::async_trait;
use reddwarf_core::{
    BranchId, ChangedObject, Collection, Commit, CommitId, CommitPage, CommitRef, History,
    HistoryError, ObjectKey, ObjectLogEntry, ReadError, Revision, StoredObject, View,
};
use reddwarf_storage::{HistoryReader, KvError, Usage, Verified};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a read waits for what it has to include to be written.
const WRITTEN_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads that take place at one time; others queue. They share the disk and the processors with
/// the group's own work.
const READS_MAX: usize = 4;

/// One place for each read that may take place.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(READS_MAX))
}

impl ReplicatedStore {
    /// The newest revision that this member has applied.
    fn applied(&self) -> Revision {
        self.core.machine.fanout.view().revision
    }

    /// The newest revision that the file holds.
    fn written(&self) -> Revision {
        self.core.machine.persist.durable().revision
    }

    /// Runs `read` on a thread that may block, over whatever the file holds now.
    async fn read_written<T: Send + 'static>(
        &self,
        read: impl FnOnce(&HistoryReader) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.check_state().map_err(unavailable)?;
        let place = Arc::clone(&self.history_reads).acquire_owned().await;
        let reader = HistoryReader::new(Arc::clone(&self.core.machine.store) as _);
        let read = self.core.environment.work.spawn(move || {
            let _place = place;
            read(&reader)
        });
        // redb may panic on pages that something else has written to.
        let read =
            read.await.unwrap_or_else(|error| Err(HistoryError::Unreadable(Box::new(error))));
        read.inspect_err(|error| self.note_damage(error))
    }

    /// Has the file replaced when a read met damage in it.
    fn note_damage(&self, error: &HistoryError) {
        let HistoryError::Unreadable(cause) = error else { return };
        // A panic may as well be a defect, which no other file would mend.
        if cause.downcast_ref::<KvError>().is_some_and(KvError::is_damage) {
            self.core.quarantine().found_damage(&cause.to_string());
        }
    }

    /// Runs `read` once the file holds everything applied by now, as far as it lies up to
    /// `through`.
    async fn read_through<T: Send + 'static>(
        &self,
        through: Revision,
        read: impl FnOnce(&HistoryReader) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.wait_written(through.min(self.applied())).await?;
        self.read_written(read).await
    }

    /// Like [`ReplicatedStore::read_through`] for a revision that must have been applied.
    async fn read_at<T: Send + 'static>(
        &self,
        asked: Revision,
        read: impl FnOnce(&HistoryReader) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        match self.applied() {
            current if asked > current => Err(HistoryError::Future { asked, current }),
            _ => self.read_through(asked, read).await,
        }
    }

    /// See [`HistoryReader::verify`].
    pub(crate) async fn verify(&self, wanted: Option<CommitId>) -> Result<Verified, HistoryError> {
        self.read_through(Revision::MAX, move |past| past.verify(wanted)).await
    }

    /// See [`HistoryReader::usage`]; with the bytes of the file, and of the rows in it.
    pub(crate) async fn usage(&self) -> Result<(Usage, u64, u64), HistoryError> {
        let store = Arc::clone(&self.core.machine.store);
        let read = move |past: &HistoryReader| {
            let rows = store.rows_bytes().map_err(HistoryError::from)?;
            Ok((past.usage()?, store.file_bytes(), rows))
        };
        self.read_through(Revision::MAX, read).await
    }

    async fn wait_written(&self, revision: Revision) -> Result<(), HistoryError> {
        if self.written() >= revision {
            return Ok(());
        }
        // Once only: on a full disk each call makes the persister try again.
        self.core.machine.persist.hasten();
        let written = tokio::time::timeout(WRITTEN_TIMEOUT, self.until_written(revision));
        let stopped = || HistoryError::Unavailable("this member is stopping".to_owned());
        tokio::select! {
            written = written => written.unwrap_or_else(|_| Err(self.behind(revision))),
            () = self.core.stop.cancelled() => Err(stopped()),
            () = self.core.failed.cancelled() => Err(stopped()),
        }
    }

    async fn until_written(&self, revision: Revision) -> Result<(), HistoryError> {
        let parts = &self.core.machine;
        loop {
            let progressed = parts.progressed.notified();
            tokio::pin!(progressed);
            progressed.as_mut().enable();
            if let Some(failure) = parts.persist.failure() {
                return Err(HistoryError::Unreadable(Box::new(failure)));
            }
            if self.written() >= revision {
                return Ok(());
            }
            progressed.await;
        }
    }

    fn behind(&self, applied: Revision) -> HistoryError {
        let reason = match self.core.machine.persist.is_full() {
            true => "the disk is full".to_owned(),
            false => format!("the disk did not take it within {} s", WRITTEN_TIMEOUT.as_secs()),
        };
        HistoryError::Behind { applied, durable: self.written(), reason }
    }
}

fn unavailable(error: ReadError) -> HistoryError {
    HistoryError::Unavailable(error.to_string())
}

#[async_trait]
impl History for ReplicatedStore {
    async fn floor(&self) -> Result<Revision, HistoryError> {
        self.read_through(Revision::MAX, HistoryReader::floor).await
    }

    async fn commit(&self, commit: &CommitRef) -> Result<Option<Commit>, HistoryError> {
        let named = commit.clone();
        let read = move |past: &HistoryReader| past.commit(&named);
        match commit {
            CommitRef::Revision(revision) => self.read_at(*revision, read).await,
            // Found once, it stays the only one.
            CommitRef::Id(_) => match self.read_written(read.clone()).await? {
                Some(found) => Ok(Some(found)),
                None => self.read_through(Revision::MAX, read).await,
            },
            CommitRef::Prefix(_) => self.read_through(Revision::MAX, read).await,
        }
    }

    async fn commits(
        &self,
        branch: BranchId,
        after: Revision,
        through: Revision,
        limit: usize,
    ) -> Result<CommitPage, HistoryError> {
        let read = move |past: &HistoryReader| past.commits(branch, after, through, limit);
        self.read_through(through, read).await
    }

    async fn resolve_time(&self, time_ms: u64) -> Result<Revision, HistoryError> {
        let written = self.written();
        let read = move |past: &HistoryReader| past.resolve_time(time_ms);
        match self.read_written(read).await? {
            // A later commit follows that is too late already, and so are all after it.
            found if found < written => Ok(found),
            _ => self.read_through(Revision::MAX, read).await,
        }
    }

    async fn object_log(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<ObjectLogEntry>, HistoryError> {
        let key = key.clone();
        let read = move |past: &HistoryReader| past.object_log(branch, &key, before, limit);
        self.read_through(before.unwrap_or(Revision::MAX), read).await
    }

    async fn version(&self, revision: Revision) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        self.read_at(revision, move |past| past.version(revision)).await
    }

    async fn object_at(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        let key = key.clone();
        self.read_at(revision, move |past| past.object_at(branch, &key, revision)).await
    }

    async fn collection_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        revision: Revision,
    ) -> Result<View, HistoryError> {
        let (collection, namespace) = (collection.clone(), namespace.map(str::to_owned));
        let known = self.core.machine.fanout.view();
        let read = move |past: &HistoryReader| {
            past.collection_at(branch, &collection, namespace.as_deref(), revision, &known)
        };
        self.read_at(revision, read).await
    }

    async fn state_at(&self, revision: Revision) -> Result<View, HistoryError> {
        let present = self.core.machine.fanout.view();
        if revision > present.revision {
            return Err(HistoryError::Future { asked: revision, current: present.revision });
        }
        let through = present.revision;
        self.read_through(through, move |past| past.state_at(revision, &present)).await
    }

    async fn changed_between(
        &self,
        branch: BranchId,
        from: Revision,
        to: Revision,
    ) -> Result<Vec<ChangedObject>, HistoryError> {
        let read = move |past: &HistoryReader| past.changed_between(branch, from, to);
        self.read_at(from.max(to), read).await
    }

    async fn room(
        &self,
        scope: &str,
        versions_max: Option<u64>,
        bytes_max: Option<u64>,
    ) -> Result<Revision, HistoryError> {
        let scope = scope.to_owned();
        self.read_written(move |past| past.room(&scope, versions_max, bytes_max)).await
    }
}
