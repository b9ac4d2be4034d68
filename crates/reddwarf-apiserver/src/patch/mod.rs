//! JSON patch, merge patch and strategic merge patch.

use crate::registry::Kind;
use reddwarf_core::{Reason, Status};
use serde_json::Value;

/// The kinds of patch, by content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json` (RFC 6902)
    Json,
    /// `application/merge-patch+json` (RFC 7386)
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

/// Applies a patch to `current`; the answer is not yet normalized, defaulted or validated.
///
/// # Errors
/// The status that upstream answers for a patch that does not parse or does not apply.
pub fn apply(
    kind: &Kind,
    patch_type: PatchType,
    current: &Value,
    patch: &[u8],
) -> Result<Value, Box<Status>> {
    let _ = (kind, patch_type, current, patch);
    Err(Box::new(Status::failure(Reason::UnsupportedMediaType, "patches are not served yet")))
}
