//! One state of the past as a store that nothing changes.

use async_trait::async_trait;
use reddwarf_core::{
    Collection, Committed, History, ProposeError, ReadError, Revision, Store, View, WatchStream,
    Write,
};
use std::sync::Arc;
use std::time::Duration;

/// Holds what one request reads: the objects of one collection, or one of them.
pub(super) struct PastStore {
    pub(super) view: View,
    /// The store of the present, which keeps the history.
    pub(super) present: Arc<dyn Store>,
}

#[async_trait]
impl Store for PastStore {
    fn view(&self) -> View {
        self.view.clone()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn view_at(&self, _: &Collection, revision: Revision) -> Result<View, ReadError> {
        let current = self.view.revision;
        match revision {
            _ if revision == current => Ok(self.view()),
            _ if revision < current => Err(ReadError::Gone { asked: revision, floor: current }),
            _ => Err(ReadError::Future { asked: revision, current }),
        }
    }

    async fn wait_for(&self, revision: Revision, _: Duration) -> bool {
        revision <= self.view.revision
    }

    async fn propose(&self, _: Write) -> Result<Committed, ProposeError> {
        Err(ProposeError::Unavailable("the past is read-only".into()))
    }

    fn watch(&self, _: &Collection, from: Revision) -> Result<Box<dyn WatchStream>, ReadError> {
        Err(ReadError::Gone { asked: from, floor: self.view.revision })
    }

    fn leading_term(&self) -> Option<u64> {
        None
    }

    fn history(&self) -> Option<&dyn History> {
        self.present.history()
    }
}
