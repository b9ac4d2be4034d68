//! The deterministic state machine: what a log entry does to the replicated state.
//!
//! Everything here is plain, synchronous functions over plain data. There is no clock, no
//! randomness, no iteration over a hash map and no I/O, so that the same entries lead to the
//! same state, byte for byte, on every member; whatever would need one of them is chosen by the
//! proposer and travels in the proposal.
//!
//! - [`State`] is the replicated state of one member; [`State::apply`] its only writer.
//! - [`Applied`] is what an entry did: the answer, the commit with its events, and what the
//!   durable store must record.
//! - [`ChangeWindow`] is the bounded memory of recent changes that watches read.
//! - [`diff`], [`patch`], [`json_patch`], [`merge`] and [`blame`] take objects apart field by field.
//! - [`LtHash`] and [`StateRoot`] let members compare their states.
#![warn(missing_docs)]
// See clippy.toml.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::iter_over_hash_type)]

mod apply;
mod branch_table;
mod commit;
mod entry;
mod features;
mod fields;
mod lines;
mod lthash;
mod refs;
mod request_memory;
mod restore;
mod retention;
mod root;
mod splice;
mod state;
mod succession;
mod window;

pub use branch_table::{BranchTable, TableError};
pub use commit::{LandedCommit, commit_id, decode_header};
pub use entry::{Applied, EntryContext, Halt, RememberedRequest};
pub use features::needs_level;
pub use fields::{
    Blame, BlamedField, ChangeKind, Conflict, FieldChange, Merged, PatchError, Side, UNDECIDED,
    blame, common, diff, json_patch, merge, patch,
};
pub use lines::{add_object, add_removal};
pub use lthash::LtHash;
pub use refs::Anchor;
pub use request_memory::{REQUEST_BLOCK_ENTRIES, RequestRow, oldest_kept};
pub use restore::{RestoreError, StateBuilder};
pub use retention::Mark;
pub use root::StateRoot;
pub use splice::{VERSION_PREFIX, splice_offset_is_valid};
pub use state::{Checkpoint, CheckpointV1, CheckpointV2, State};
pub use succession::NoRevisions;
pub use window::{ChangeWindow, Undo, WindowLimits};
