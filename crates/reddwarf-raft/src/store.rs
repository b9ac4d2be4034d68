//! The replicated store: one member's [`Store`], whose past is in [`crate::history`].

use crate::contact;
use crate::core::Core;
use crate::group_clock;
use crate::proposer::Proposer;
use crate::read_index::ReadIndex;
use async_trait::async_trait;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{
    BranchId, Collection, CommitStream, Committed, Fence, Floors, History, Outcome, ProposalKind,
    ProposeError, ReadError, Revision, Store, View, WatchStream, Write,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// One member's [`Store`].
pub struct ReplicatedStore {
    pub(crate) core: Arc<Core>,
    pub(crate) proposer: Proposer,
    pub(crate) reads: Arc<ReadIndex>,
    /// See [`crate::history`].
    pub(crate) history_reads: Arc<Semaphore>,
}

impl ReplicatedStore {
    /// A member whose state is known to be wrong serves nothing of it.
    pub(crate) fn check_state(&self) -> Result<(), ReadError> {
        self.core.quarantine().refusal().map_or(Ok(()), |why| Err(ReadError::Unavailable(why)))
    }
}

#[async_trait]
impl Store for ReplicatedStore {
    fn view(&self) -> View {
        self.core.machine.fanout.view()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        if planted::is(Bug::StaleRead) && !self.core.is_leader() {
            return Ok(());
        }
        self.reads.barrier().await
    }

    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        self.check_state()?;
        self.core.machine.fanout.view_at(collection, revision)
    }

    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        self.core.machine.fanout.wait_for(revision, timeout).await
    }

    async fn propose(&self, mut write: Write) -> Result<Committed, ProposeError> {
        write.time_ms = group_clock::time_ms(&self.core, write.time_ms);
        match self.proposer.propose(ProposalKind::from(write)).await? {
            Outcome::Committed(committed) => Ok(committed),
            Outcome::Rejected(rejection) => Err(ProposeError::Rejected(rejection)),
            Outcome::Done => Err(ProposeError::Unknown("a write without a commit".to_owned())),
        }
    }

    fn watch(
        &self,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        self.watch_branch(BranchId::MAIN, collection, from)
    }

    fn watch_branch(
        &self,
        branch: BranchId,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        self.check_state()?;
        self.core.machine.fanout.watch(branch, collection, from)
    }

    fn branch_view_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        revision: Revision,
        newest: View,
        base: &View,
    ) -> Result<View, ReadError> {
        self.check_state()?;
        self.core.machine.fanout.branch_view_at(branch, collection, revision, newest, base)
    }

    async fn retain(&self, term: u64, floors: Floors) -> Result<(), ProposeError> {
        let fence = Fence { term };
        match self.proposer.propose(ProposalKind::Retain { fence, floors }).await? {
            Outcome::Rejected(rejection) => Err(ProposeError::Rejected(rejection)),
            Outcome::Committed(_) | Outcome::Done => Ok(()),
        }
    }

    fn watch_commits(
        &self,
        branch: BranchId,
        from: Revision,
    ) -> Result<Box<dyn CommitStream>, ReadError> {
        self.check_state()?;
        self.core.machine.fanout.watch_commits(branch, from)
    }

    fn unconfirmed_for(&self) -> Option<Duration> {
        contact::lost_for(&self.core)
    }

    fn refusal(&self) -> Option<String> {
        self.core.quarantine().refusal()
    }

    fn leading_term(&self) -> Option<u64> {
        *self.core.leadership.borrow()
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}
