//! The seam between the Kubernetes API and the replicated state.

use crate::{
    BranchId, ChangeEvent, Collection, Commit, Committed, Floors, History, Rejection, Revision,
    View, Write,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// One member's view of the group: local reads, linearizable barriers, proposals, watches.
///
/// Implemented by the replicated store and, for tests, by an in-memory one; the same
/// conformance suite runs over both.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The newest state applied on this member, at a commit's end. O(1), never blocks writers.
    fn view(&self) -> View;

    /// Returns once this member's state includes every write acknowledged anywhere in the
    /// group before the call (Raft §6.4, read index; invariant 9).
    ///
    /// # Errors
    /// [`ReadError::Unavailable`] when no leader confirms it in time.
    async fn read_barrier(&self) -> Result<(), ReadError>;

    /// The state of one collection at `revision`, rounded up to its commit's end, from the
    /// window of recent changes. Only keys of `collection` may be read from the answer.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the collection's floor, [`ReadError::Future`] when this member
    /// has not applied `revision` yet.
    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError>;

    /// Why nothing of this member's state may be served now, if that is so.
    fn refusal(&self) -> Option<String> {
        None
    }

    /// For how long no majority has confirmed that this member's state is the newest, if that is
    /// longer than it should be.
    fn unconfirmed_for(&self) -> Option<Duration> {
        None
    }

    /// Waits until this member has applied `revision`; `false` when `timeout` passed first.
    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool;

    /// Proposes a write; answers after it is applied on this member.
    ///
    /// The store chooses the request id and repeats the proposal inside the system where that
    /// is safe. Dropping the future leaves the outcome unknown.
    ///
    /// # Errors
    /// See [`ProposeError`].
    async fn propose(&self, write: Write) -> Result<Committed, ProposeError>;

    /// Changes of `collection` after `from`, exactly once and in order.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when `from` lies below the collection's floor.
    /// `from` may lie ahead of this member; the stream then begins when it gets there.
    fn watch(
        &self,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError>;

    /// [`Store::watch`] of a branch, whose changes are kept from the member's start on.
    ///
    /// # Errors
    /// See [`Store::watch`]; [`ReadError::Gone`] from a store that has no branches.
    fn watch_branch(
        &self,
        _branch: BranchId,
        _collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        Err(ReadError::Gone { asked: from, floor: self.view().revision })
    }

    /// [`Store::view_at`] of a branch: `newest` shows it as it is, `base` main at its base.
    ///
    /// # Errors
    /// See [`Store::view_at`]; [`ReadError::Gone`] from a store that has no branches.
    fn branch_view_at(
        &self,
        _branch: BranchId,
        _collection: &Collection,
        revision: Revision,
        newest: View,
        _base: &View,
    ) -> Result<View, ReadError> {
        Err(ReadError::Gone { asked: revision, floor: newest.revision })
    }

    /// Raises the floors of the past, as the leader of `term`; as far as branches, which begin
    /// somewhere, let them rise. Notes where the cluster clock is.
    ///
    /// # Errors
    /// See [`ProposeError`].
    async fn retain(&self, _term: u64, _floors: Floors) -> Result<(), ProposeError> {
        Err(ProposeError::Unavailable("this store forgets nothing".to_owned()))
    }

    /// Commits of `branch` after `from`, from the memory of recent ones.
    ///
    /// # Errors
    /// [`ReadError::Gone`] when `from` lies below what is remembered: [`Store::history`] has them.
    fn watch_commits(
        &self,
        _branch: BranchId,
        from: Revision,
    ) -> Result<Box<dyn CommitStream>, ReadError> {
        Err(ReadError::Gone { asked: from, floor: self.view().revision })
    }

    /// The term of which this member is the leader and has applied an entry, for fencing.
    fn leading_term(&self) -> Option<u64>;

    /// What the state was before; `None` for a store that forgets it.
    fn history(&self) -> Option<&dyn History> {
        None
    }
}

/// A cursor over the window of recent changes.
#[async_trait]
pub trait WatchStream: Send {
    /// The next events; waits while there are none. Cancel safe: a dropped future loses none.
    ///
    /// Never splits a commit over two batches.
    ///
    /// # Errors
    /// [`WatchClosed`] when the reader fell behind the window or the member stops.
    async fn next(&mut self) -> Result<WatchBatch, WatchClosed>;

    /// The commit end up to which all changes were delivered: what a bookmark may say now.
    ///
    /// Advances past other collections' commits, so that an idle watch can be resumed late.
    fn progress(&mut self) -> Revision;
}

/// A cursor over the recent commits of one branch.
#[async_trait]
pub trait CommitStream: Send {
    /// The next commits, each exactly once and in order; waits while there are none. Cancel safe: a
    /// dropped future loses none.
    ///
    /// # Errors
    /// [`WatchClosed`] when the reader fell behind what is remembered or the member stops.
    async fn next(&mut self) -> Result<Vec<Commit>, WatchClosed>;

    /// The commit end up to which all commits were delivered. Advances past other branches'.
    fn progress(&mut self) -> Revision;
}

/// Events of one or more whole commits.
#[derive(Debug, Clone)]
pub struct WatchBatch {
    /// In order of their revisions.
    pub events: Vec<Arc<ChangeEvent>>,
    /// The commit end that the batch reaches.
    pub through: Revision,
}

/// Why a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchClosed {
    /// The reader was slower than the window is long; it can resume only by listing again.
    #[error("the watcher fell behind the window of recent changes")]
    TooSlow,
    /// The member is stopping; resume on another.
    #[error("the member is stopping")]
    Stopping,
}

/// Why a read could not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No quorum confirmed the read in time.
    #[error("linearizable read not confirmed: {0}")]
    Unavailable(String),
    /// The revision lies below the floor.
    #[error("revision {asked} is below the floor {floor}")]
    Gone {
        /// The revision asked for.
        asked: Revision,
        /// The oldest revision from which a watch can start or a list be made.
        floor: Revision,
    },
    /// The revision lies ahead of this member.
    #[error("revision {asked} is ahead of {current}")]
    Future {
        /// The revision asked for.
        asked: Revision,
        /// The newest revision here.
        current: Revision,
    },
}

/// Why a proposal was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Applied as a rejection: nothing changed, and nothing will.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It was certainly not written (no leader, refused before it was appended).
    #[error("not written: {0}")]
    Unavailable(String),
    /// It may or may not be written.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// It was not written: the group has not reached the feature level that it needs.
    #[error("not written: {0}")]
    NotYet(String),
    /// It passes a named limit.
    #[error("too large: {0}")]
    TooLarge(String),
}
