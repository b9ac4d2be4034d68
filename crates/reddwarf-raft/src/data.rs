//! The payload of a log entry: a proposal as bytes, decoded at most once.

use bytes::Bytes;
use reddwarf_core::codec::{self, CodecError};
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use reddwarf_core::{Proposal, RequestId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The newest proposal format that this build writes and reads.
pub const PROPOSAL_VERSION: u8 = 1;

/// An encoded proposal that is shared between the log's cache, replication and `apply`.
///
/// The member that proposes encodes it once; these bytes go into the log of every member as
/// they are. Each member decodes them once, the leader before it appends (invariant 2).
#[derive(Clone)]
pub struct LogData(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    decoded: OnceLock<Arc<Proposal>>,
}

impl LogData {
    /// Encodes a proposal and keeps it beside its bytes.
    ///
    /// # Errors
    /// [`CodecError::Length`] above [`PROPOSAL_BYTES_MAX`], [`CodecError::Encode`].
    pub fn encode(proposal: Proposal) -> Result<Self, CodecError> {
        let bytes = codec::encode(PROPOSAL_VERSION, &proposal)?;
        if bytes.len() > PROPOSAL_BYTES_MAX {
            return Err(CodecError::Length(bytes.len()));
        }
        let decoded = OnceLock::from(Arc::new(proposal));
        Ok(LogData(Arc::new(Inner { bytes: bytes.into(), decoded })))
    }

    /// Wraps encoded bytes without looking at them.
    pub fn from_bytes(bytes: Bytes) -> Self {
        LogData(Arc::new(Inner { bytes, decoded: OnceLock::new() }))
    }

    /// The encoded proposal.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The proposal, decoded on first use.
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn proposal(&self) -> Result<&Arc<Proposal>, CodecError> {
        if let Some(decoded) = self.0.decoded.get() {
            return Ok(decoded);
        }
        let proposal = Arc::new(codec::decode(PROPOSAL_VERSION, &self.0.bytes)?);
        Ok(self.0.decoded.get_or_init(|| proposal))
    }

    /// The request id, when the bytes decode.
    pub fn request_id(&self) -> Option<RequestId> {
        self.proposal().ok().map(|proposal| proposal.request_id)
    }
}

impl fmt::Debug for LogData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal of {} bytes", self.0.bytes.len())
    }
}

impl fmt::Display for LogData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl PartialEq for LogData {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Serialize for LogData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0.bytes)
    }
}

impl<'de> Deserialize<'de> for LogData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes::deserialize(deserializer).map(LogData::from_bytes)
    }
}
