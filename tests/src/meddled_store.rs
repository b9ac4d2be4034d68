//! A store in which somebody else writes right before or right behind a chosen write.

use crate::memory_store::MemoryStore;
use async_trait::async_trait;
use parking_lot::Mutex;
use reddwarf_core::{
    Change, Collection, Committed, History, ProposeError, ReadError, Revision, Store, View,
    WatchStream, Write,
};
use std::sync::Arc;
use std::time::Duration;

/// See the module's text.
pub struct MeddledStore {
    inner: Arc<MemoryStore>,
    before: Mutex<Option<Vec<Write>>>,
    next: Mutex<Option<Vec<Write>>>,
    last: Mutex<Option<Write>>,
}

impl MeddledStore {
    /// An empty store.
    pub fn new() -> Arc<Self> {
        Arc::new(MeddledStore {
            inner: MemoryStore::new(),
            before: Mutex::default(),
            next: Mutex::default(),
            last: Mutex::default(),
        })
    }

    /// Behind the next write that is proposed, these changes are made, each in a commit of its
    /// own, before the proposer is answered.
    pub fn meddle(&self, changes: Vec<Change>) {
        *self.next.lock() = Some(one_each(changes));
    }

    /// The write that was proposed last.
    pub fn last(&self) -> Option<Write> {
        self.last.lock().clone()
    }

    /// Before the next write that is proposed lands, these changes are made, each in a commit of
    /// its own: they outrun it.
    pub fn outrun(&self, changes: Vec<Change>) {
        *self.before.lock() = Some(one_each(changes));
    }
}

fn one_each(changes: Vec<Change>) -> Vec<Write> {
    let write = |change| Write { changes: vec![change], ..Write::default() };
    changes.into_iter().map(write).collect()
}

#[async_trait]
impl Store for MeddledStore {
    fn view(&self) -> View {
        self.inner.view()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        self.inner.read_barrier().await
    }

    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        self.inner.view_at(collection, revision)
    }

    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        self.inner.wait_for(revision, timeout).await
    }

    async fn propose(&self, write: Write) -> Result<Committed, ProposeError> {
        let outrunning = self.before.lock().take();
        for write in outrunning.into_iter().flatten() {
            self.inner.propose(write).await?;
        }
        *self.last.lock() = Some(write.clone());
        let answer = self.inner.propose(write).await;
        let meddling = self.next.lock().take();
        for write in meddling.into_iter().flatten() {
            self.inner.propose(write).await?;
        }
        answer
    }

    fn watch(
        &self,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        self.inner.watch(collection, from)
    }

    fn leading_term(&self) -> Option<u64> {
        self.inner.leading_term()
    }

    fn history(&self) -> Option<&dyn History> {
        self.inner.history()
    }
}
