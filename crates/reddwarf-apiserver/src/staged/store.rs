//! The store of a staging.

use super::Overlay;
use async_trait::async_trait;
use parking_lot::Mutex;
use reddwarf_core::limits::{PROPOSAL_BYTES_MAX, PROPOSAL_OBJECTS_MAX};
use reddwarf_core::{
    BranchProblem, Collection, Committed, ProposeError, ReadError, Rejection, Revision, Store,
    View, WatchStream, Write,
};
use std::sync::Arc;
use std::time::Duration;

/// Shows an overlay, and writes to it alone.
pub(super) struct StagedStore {
    pub(super) overlay: Arc<Mutex<Overlay>>,
    /// The store on whose state the overlay lies.
    pub(super) present: Arc<dyn Store>,
}

#[async_trait]
impl Store for StagedStore {
    fn view(&self) -> View {
        self.overlay.lock().view().clone()
    }

    /// Nobody else writes here, and the state below was confirmed when it was taken.
    async fn read_barrier(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn view_at(&self, _: &Collection, revision: Revision) -> Result<View, ReadError> {
        let view = self.view();
        let current = view.revision;
        match revision {
            _ if revision == current => Ok(view),
            _ if revision < current => Err(ReadError::Gone { asked: revision, floor: current }),
            _ => Err(ReadError::Future { asked: revision, current }),
        }
    }

    async fn wait_for(&self, revision: Revision, _: Duration) -> bool {
        revision <= self.overlay.lock().view().revision
    }

    async fn propose(&self, write: Write) -> Result<Committed, ProposeError> {
        if write.links.is_some() || !write.excised.is_empty() {
            return Err(Rejection::Branch(BranchProblem::NotHere).into());
        }
        let mut overlay = self.overlay.lock();
        let committed = overlay.write(&write.preconditions, write.changes)?;
        let (objects, bytes) = overlay.size();
        if objects > PROPOSAL_OBJECTS_MAX {
            let why = format!("limit is {PROPOSAL_OBJECTS_MAX} objects in one commit");
            return Err(ProposeError::TooLarge(why));
        }
        if bytes > PROPOSAL_BYTES_MAX {
            let why = format!("limit is {PROPOSAL_BYTES_MAX} bytes in one commit");
            return Err(ProposeError::TooLarge(why));
        }
        Ok(committed)
    }

    fn watch(&self, _: &Collection, from: Revision) -> Result<Box<dyn WatchStream>, ReadError> {
        Err(ReadError::Gone { asked: from, floor: self.overlay.lock().view().revision })
    }

    fn leading_term(&self) -> Option<u64> {
        self.present.leading_term()
    }
}
