//! The changes of several collections as one stream.

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use reddwarf_core::{
    ChangeEvent, Collection, ReadError, Revision, Store, WatchBatch, WatchClosed, WatchStream,
};
use std::collections::HashMap;
use std::sync::Arc;

type Changes = Vec<Arc<ChangeEvent>>;

/// Why following ended: what was seen so far is no longer the state.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// A watch could not be opened.
    #[error("a watch could not be opened")]
    Open(#[from] ReadError),
    /// A watch was closed.
    #[error("a watch was closed")]
    Closed(#[from] WatchClosed),
}

struct Next {
    collection: Collection,
    stream: Box<dyn WatchStream>,
    batch: Result<WatchBatch, WatchClosed>,
}

/// Follows collections. Changes of one collection come in order and once; those of different
/// collections may overtake each other, except that [`Feed::catch_up`] leaves out none.
pub struct Feed {
    store: Arc<dyn Store>,
    /// Up to which revision the changes of each collection were handed out.
    reached: HashMap<Collection, Revision>,
    waiting: FuturesUnordered<BoxFuture<'static, Next>>,
}

impl Feed {
    /// Follows nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Feed { store, reached: HashMap::new(), waiting: FuturesUnordered::new() }
    }

    /// Follows the changes of a collection after `from` as well; whether it was not yet followed.
    ///
    /// # Errors
    /// The changes after `from` are no longer there.
    pub fn follow(&mut self, collection: &Collection, from: Revision) -> Result<bool, Lost> {
        if self.reached.contains_key(collection) {
            return Ok(false);
        }
        let stream = self.store.watch(collection, from)?;
        self.reached.insert(collection.clone(), from);
        self.waiting.push(wait(collection.clone(), stream));
        Ok(true)
    }

    /// The next changes; waits while there are none. Cancel safe.
    ///
    /// # Errors
    /// A watch was closed.
    pub async fn next(&mut self) -> Result<Changes, Lost> {
        loop {
            let Some(Next { collection, stream, batch }) = self.waiting.next().await else {
                return std::future::pending().await;
            };
            let batch = batch?;
            let fresh = self.fresh(&collection, batch);
            self.waiting.push(wait(collection, stream));
            if !fresh.is_empty() {
                return Ok(fresh);
            }
        }
    }

    /// All changes up to the newest state, without waiting. A state that was taken before the
    /// call lies behind what this answers.
    ///
    /// # Errors
    /// A watch was closed.
    pub fn catch_up(&mut self) -> Result<Changes, Lost> {
        let mut all = Vec::new();
        let places: Vec<_> = self.reached.iter().map(|(c, r)| (c.clone(), *r)).collect();
        for (collection, from) in places {
            let mut stream = self.store.watch(&collection, from)?;
            while let Some(batch) = stream.next().now_or_never() {
                all.extend(self.fresh(&collection, batch?));
            }
        }
        Ok(all)
    }

    /// The changes that were not handed out yet.
    fn fresh(&mut self, collection: &Collection, batch: WatchBatch) -> Changes {
        let reached = self.reached.entry(collection.clone()).or_default();
        let seen = *reached;
        *reached = seen.max(batch.through);
        batch.events.into_iter().filter(|event| event.revision > seen).collect()
    }
}

fn wait(collection: Collection, mut stream: Box<dyn WatchStream>) -> BoxFuture<'static, Next> {
    async move {
        let batch = stream.next().await;
        Next { collection, stream, batch }
    }
    .boxed()
}
