//! A [`Store`] of one process without a log and without a disk: the state machine and the
//! fan-out of the replicated store, called directly. Its past is in [`crate::memory_history`].

use crate::memory_history::{COMMITS_KEPT, MemoryHistory};
use async_trait::async_trait;
use parking_lot::Mutex;
use reddwarf_core::{
    BranchId, Collection, CommitStream, Committed, Fence, Floors, History, Outcome, Proposal,
    ProposalKind, ProposeError, ReadError, RequestId, Revision, Store, View, WatchStream, Write,
};
use reddwarf_raft::fanout::Fanout;
use reddwarf_versioning::{Applied, EntryContext, State, StateRoot, WindowLimits};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// See the module's text.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    fanout: Arc<Fanout>,
    pub(crate) history: MemoryHistory,
    requests: AtomicU64,
    term: AtomicU64,
}

impl MemoryStore {
    /// An empty store with the usual window of recent changes, leading in term 1.
    pub fn new() -> Arc<Self> {
        Self::with_limits(WindowLimits::default())
    }

    /// An empty store with a window of chosen size.
    pub fn with_limits(limits: WindowLimits) -> Arc<Self> {
        Self::bounded(limits, COMMITS_KEPT)
    }

    /// An empty store that keeps the newest `commits_max` commits only.
    pub fn with_history(commits_max: usize) -> Arc<Self> {
        Self::bounded(WindowLimits::default(), commits_max)
    }

    fn bounded(limits: WindowLimits, commits_max: usize) -> Arc<Self> {
        let state = State::new();
        let fanout = Fanout::at(state.view(), limits);
        Arc::new(MemoryStore {
            state: Mutex::new(state),
            fanout,
            history: MemoryHistory::new(commits_max),
            requests: AtomicU64::new(1),
            term: AtomicU64::new(1),
        })
    }

    /// Applies a proposal as the next entry of the log.
    pub fn apply(&self, proposal: Proposal) -> Applied {
        let mut state = self.state.lock();
        let entry = EntryContext {
            index: state.applied().index + 1,
            term: self.term.load(Ordering::SeqCst),
            leader: 1,
        };
        let applied = state.apply(entry, proposal).expect("invariant: indexes are consecutive");
        if let Some(commit) = &applied.commit {
            self.history.push(commit, state.view());
        }
        self.fanout.publish(state.view(), &applied.commit);
        applied
    }

    /// Advances the cluster clock.
    pub fn tick(&self, elapsed_ms: u64) {
        let proposal = self.proposal(ProposalKind::Tick { elapsed_ms });
        self.apply(proposal);
    }

    /// Makes the store lead in another term.
    pub fn set_term(&self, term: u64) {
        self.term.store(term, Ordering::SeqCst);
    }

    /// Closes all watches, as a member that stops does.
    pub fn stop(&self) {
        self.fanout.stop();
    }

    /// The state root.
    pub fn root(&self) -> StateRoot {
        self.state.lock().root()
    }

    /// How many watches are open.
    pub fn watchers(&self) -> usize {
        self.fanout.watchers()
    }

    fn proposal(&self, kind: ProposalKind) -> Proposal {
        let id = u128::from(self.requests.fetch_add(1, Ordering::Relaxed));
        let made_at = self.state.lock().applied().index;
        Proposal { request_id: RequestId(id.to_le_bytes()), made_at, kind }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn view(&self) -> View {
        self.fanout.view()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        self.fanout.view_at(collection, revision)
    }

    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        self.fanout.wait_for(revision, timeout).await
    }

    async fn propose(&self, write: Write) -> Result<Committed, ProposeError> {
        let proposal = self.proposal(ProposalKind::from(write));
        match self.apply(proposal).outcome {
            Outcome::Committed(committed) => Ok(committed),
            Outcome::Rejected(rejection) => Err(rejection.into()),
            Outcome::Done => Err(ProposeError::Unknown("a write was answered as a tick".into())),
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
        self.fanout.watch(branch, collection, from)
    }

    fn branch_view_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        revision: Revision,
        newest: View,
        base: &View,
    ) -> Result<View, ReadError> {
        self.fanout.branch_view_at(branch, collection, revision, newest, base)
    }

    async fn retain(&self, term: u64, floors: Floors) -> Result<(), ProposeError> {
        let fence = Fence { term };
        let proposal = self.proposal(ProposalKind::Retain { fence, floors });
        match self.apply(proposal).outcome {
            Outcome::Rejected(rejection) => Err(rejection.into()),
            Outcome::Committed(_) | Outcome::Done => Ok(()),
        }
    }

    fn watch_commits(
        &self,
        branch: BranchId,
        from: Revision,
    ) -> Result<Box<dyn CommitStream>, ReadError> {
        self.fanout.watch_commits(branch, from)
    }

    fn leading_term(&self) -> Option<u64> {
        Some(self.term.load(Ordering::SeqCst))
    }

    fn history(&self) -> Option<&dyn History> {
        Some(self)
    }
}
