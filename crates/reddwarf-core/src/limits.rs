//! Named limits that more than one crate keeps to.

/// Objects that one proposal may change.
pub const PROPOSAL_OBJECTS_MAX: usize = 1_000;
/// Encoded size of one proposal.
pub const PROPOSAL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A request body; upstream refuses larger ones with 413.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// Nesting of a JSON or YAML body; deeper ones are refused before they cost stack.
pub const JSON_DEPTH_MAX: usize = 128;
/// Log entries for which request ids are remembered (invariant 5).
pub const REQUEST_ID_WINDOW: u64 = 65_536;
