//! Objects field by field: what differs between two versions, the same applied to a third or told
//! as a JSON patch, what two versions become together, and which version last set each field.
//!
//! How lists and maps are taken apart is the kind's to say ([`reddwarf_core::Topology`]). The
//! order of a map's fields counts for nothing; the order of a list's items does.

mod blame;
mod diff;
mod items;
mod json_patch;
mod merge;
mod patch;
mod places;
mod sequence;

pub use self::json_patch::json_patch;
pub use blame::{Blame, BlamedField, blame};
pub use diff::{ChangeKind, FieldChange, diff};
pub use merge::{Conflict, Merged, Side, UNDECIDED, common, merge};
pub use patch::{PatchError, patch};
