//! The group's membership as the replicated state carries it.

use crate::types::StoredMembership;
use bytes::Bytes;
use reddwarf_core::codec;

const MEMBERSHIP_VERSION: u8 = 1;

/// Encodes a membership for [`reddwarf_versioning::State::set_membership`].
///
/// # Errors
/// When it passes the limit of a record.
pub fn encode(membership: &StoredMembership) -> Result<Bytes, String> {
    let record = codec::encode(MEMBERSHIP_VERSION, membership).map_err(|e| e.to_string())?;
    Ok(record.into())
}

/// Decodes a membership; no bytes are the one before the first entry.
///
/// # Errors
/// When the bytes are no membership.
pub fn decode(bytes: &[u8]) -> Result<StoredMembership, String> {
    if bytes.is_empty() {
        return Ok(StoredMembership::default());
    }
    codec::decode(MEMBERSHIP_VERSION, bytes).map_err(|e| format!("stored membership: {e}"))
}
