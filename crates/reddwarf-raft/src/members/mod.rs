//! Who the members are, and how that changes.
//!
//! The leader decides: [`plan`] is the pure part, [`change`] carries it out, one change at a time.
//! A node comes in as a learner; the leader's [`steward`] makes it a voter when it has caught up,
//! in one joint change with the voter whose place it takes. Ids are never used twice, so that a
//! membership without a node says of it for good that it was removed; see [`standing`].

mod change;
mod levels;
mod plan;
pub mod roster;
pub mod standing;
mod steward;

pub use change::{ChangeError, ask, carry_out};
pub use levels::keep as keep_level;
pub use steward::steward;
