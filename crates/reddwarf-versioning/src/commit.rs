//! Commits as they are made and read back.

use bytes::Bytes;
use reddwarf_core::codec::{self, CodecError, HEADER_BYTES};
use reddwarf_core::{BranchId, ChangeEvent, CommitHeader, CommitId, Committed};
use std::sync::Arc;

/// Format version of a commit header's record.
const HEADER_VERSION: u8 = 1;
/// Separates commit ids from every other BLAKE3 hash.
const ID_CONTEXT: &[u8] = b"reddwarf commit v1\n";

/// A commit that `apply` has just made.
#[derive(Clone, Debug)]
pub struct LandedCommit {
    /// Id and range of revisions.
    pub committed: Committed,
    /// The branch that it moved.
    pub branch: BranchId,
    /// Its header's record, as it is stored and hashed.
    pub header: Bytes,
    /// Its changes in the order of their revisions.
    pub events: Vec<Arc<ChangeEvent>>,
}

/// Encodes a header as it is stored.
pub(crate) fn encode_header(header: &CommitHeader) -> Result<Vec<u8>, CodecError> {
    codec::encode(HEADER_VERSION, header)
}

/// Reads a stored header.
///
/// # Errors
/// See [`CodecError`].
pub fn decode_header(record: &[u8]) -> Result<CommitHeader, CodecError> {
    codec::decode(HEADER_VERSION, record)
}

/// The id of the commit whose header's record this is: BLAKE3 of a context and the record's
/// content, in which the parents' ids and the objects' content hashes stand.
pub fn commit_id(record: &[u8]) -> CommitId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ID_CONTEXT);
    hasher.update(record.get(HEADER_BYTES..).unwrap_or_default());
    CommitId(hasher.finalize().into())
}
