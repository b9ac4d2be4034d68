//! Rebuilding the state from stored rows.

use crate::lines::{self, Lines};
use crate::request_memory::{RequestRow, oldest_kept};
use crate::retention::Retention;
use crate::root::element;
use crate::{Checkpoint, LtHash, State, StateRoot};
use reddwarf_core::codec::CodecError;
use reddwarf_core::{BranchChange, BranchId, ObjectKey, Revision, StoredObject, content_hash};
use std::sync::Arc;

/// Why stored rows are not a state.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// An object's bytes are not the ones that were hashed when it was written.
    #[error("the stored bytes of {0} do not have their recorded hash")]
    Content(ObjectKey),
    /// A row belongs to a branch that there is not.
    #[error("{key} is stored for branch {}, which there is not", branch.0)]
    Branch {
        /// The branch.
        branch: BranchId,
        /// The row's object.
        key: ObjectKey,
    },
    /// The rows do not add up to the recorded sum.
    #[error("the stored objects do not add up to the recorded state root")]
    Root,
    /// All together is not the state that was recorded, although the objects are.
    #[error("what is stored beside the objects does not have the recorded state root")]
    Whole,
    /// A remembered request does not decode.
    #[error("the remembered request of entry {index}")]
    Request {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        #[source]
        source: CodecError,
    },
}

/// Takes stored rows one at a time and checks them against the [`Checkpoint`].
#[derive(Debug)]
pub struct StateBuilder {
    state: State,
    recorded: LtHash,
    root: Option<StateRoot>,
}

impl StateBuilder {
    /// Begins with what was recorded beside the rows.
    pub fn new(checkpoint: Checkpoint) -> Self {
        let mut state = State::new();
        state.applied = checkpoint.applied;
        state.view.revision = checkpoint.revision;
        state.view.clock_ms = checkpoint.clock_ms;
        state.anchor = checkpoint.anchor;
        state.membership = checkpoint.membership;
        state.view.head = checkpoint.head;
        state.retention = Retention::restore(checkpoint.floors, checkpoint.marks);
        state.view.floors = state.retention.floors.clone();
        state.view.marks = state.retention.told();
        state.view.lost = checkpoint.lost;
        state.view.level = checkpoint.level;
        state.builds = checkpoint.builds;
        state.lines = Lines::restore(&checkpoint.branches, &mut state.view);
        StateBuilder { state, recorded: checkpoint.objects_hash, root: checkpoint.root }
    }

    /// Adds one current object of a branch; in key order this is fastest.
    ///
    /// # Errors
    /// [`RestoreError::Content`] when the bytes are not those that were hashed,
    /// [`RestoreError::Branch`].
    pub fn object(&mut self, branch: BranchId, object: StoredObject) -> Result<(), RestoreError> {
        if content_hash(&object.bytes, object.salt.as_ref()) != object.content {
            return Err(RestoreError::Content(object.key));
        }
        if branch != BranchId::MAIN {
            let (key, revision) = (object.key.clone(), object.revision);
            return self.change(branch, key, revision, Some(object));
        }
        self.state.objects_hash.add(&element(branch, &object));
        self.state.view.objects.insert(object.key.clone(), Arc::new(object));
        Ok(())
    }

    /// Adds one key that a branch has removed.
    ///
    /// # Errors
    /// [`RestoreError::Branch`].
    pub fn removal(
        &mut self,
        branch: BranchId,
        key: ObjectKey,
        revision: Revision,
    ) -> Result<(), RestoreError> {
        self.change(branch, key, revision, None)
    }

    fn change(
        &mut self,
        branch: BranchId,
        key: ObjectKey,
        revision: Revision,
        object: Option<StoredObject>,
    ) -> Result<(), RestoreError> {
        let State { lines, view, objects_hash, .. } = &mut self.state;
        let change = BranchChange { revision, object: object.map(Arc::new) };
        lines::add(objects_hash, branch, &key, &change);
        let missing = || RestoreError::Branch { branch, key: key.clone() };
        lines.restore_change(view, branch, key.clone(), change).ok_or_else(missing)
    }

    /// Adds one remembered request; call in the order of the indexes.
    ///
    /// # Errors
    /// [`RestoreError::Request`].
    pub fn request(&mut self, index: u64, record: &[u8]) -> Result<(), RestoreError> {
        if index < oldest_kept(self.state.applied.index) {
            return Ok(());
        }
        let row =
            RequestRow::decode(record).map_err(|source| RestoreError::Request { index, source })?;
        self.state.requests.remember(index, row.id, row.outcome, record);
        Ok(())
    }

    /// The state, when the rows add up.
    ///
    /// # Errors
    /// [`RestoreError::Root`] when rows of objects are missing, changed or too many,
    /// [`RestoreError::Whole`] when others are.
    pub fn finish(self) -> Result<State, RestoreError> {
        if self.state.objects_hash != self.recorded {
            return Err(RestoreError::Root);
        }
        if self.root.is_some_and(|root| root != self.state.root()) {
            return Err(RestoreError::Whole);
        }
        Ok(self.state)
    }
}
