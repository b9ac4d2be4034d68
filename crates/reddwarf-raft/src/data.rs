//! The payload of a log entry: a proposal as bytes, decoded at most once.

use bytes::Bytes;
use parking_lot::Mutex;
use reddwarf_core::codec::{self, CodecError};
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use reddwarf_core::{FeatureLevel, Proposal};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// The newest proposal format that this build writes and reads.
pub const PROPOSAL_VERSION: u8 = 1;

/// An encoded proposal that is shared between the log's cache, replication and `apply`.
///
/// The member that proposes encodes it once; these bytes go into the log of every member as
/// they are. Each member decodes them once, the leader before it appends (invariant 2), and
/// `apply` takes the decoded form away.
#[derive(Clone)]
pub struct LogData(Arc<Inner>);

struct Inner {
    bytes: Bytes,
    needs: FeatureLevel,
    leaders_own: bool,
    decoded: Mutex<Option<Proposal>>,
}

impl LogData {
    /// Encodes a proposal and keeps it beside its bytes for this member's own `apply`.
    ///
    /// # Errors
    /// [`CodecError::Length`] above [`PROPOSAL_BYTES_MAX`], [`CodecError::Encode`].
    pub fn encode(proposal: Proposal) -> Result<Self, CodecError> {
        let bytes = codec::encode(PROPOSAL_VERSION, &proposal)?;
        if bytes.len() > PROPOSAL_BYTES_MAX {
            return Err(CodecError::Length(bytes.len()));
        }
        Ok(Self::known(bytes.into(), proposal))
    }

    /// Wraps encoded bytes without looking at them.
    pub fn from_bytes(bytes: Bytes) -> Self {
        let (needs, leaders_own) = (FeatureLevel::FIRST, false);
        LogData(Arc::new(Inner { bytes, needs, leaders_own, decoded: Mutex::new(None) }))
    }

    /// Wraps and decodes bytes that came from another member (invariant 2).
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn checked(bytes: Bytes) -> Result<Self, CodecError> {
        if bytes.len() > PROPOSAL_BYTES_MAX {
            return Err(CodecError::Length(bytes.len()));
        }
        let proposal = codec::decode(PROPOSAL_VERSION, &bytes)?;
        Ok(Self::known(bytes, proposal))
    }

    fn known(bytes: Bytes, proposal: Proposal) -> Self {
        let (needs, leaders_own) = (proposal.kind.needs(), proposal.kind.is_leaders_own());
        let decoded = Mutex::new(Some(proposal));
        LogData(Arc::new(Inner { bytes, needs, leaders_own, decoded }))
    }

    /// The feature level that the group must have reached before this is appended; of bytes that
    /// were not looked at the first, since they come out of a log.
    pub fn needs(&self) -> FeatureLevel {
        self.0.needs
    }

    /// Whether only the leader itself proposes this.
    pub fn is_leaders_own(&self) -> bool {
        self.0.leaders_own
    }

    /// The encoded proposal.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The proposal, by value: what was kept decoded, or decoded now.
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn take_proposal(&self) -> Result<Proposal, CodecError> {
        match self.0.decoded.lock().take() {
            Some(proposal) => Ok(proposal),
            None => codec::decode(PROPOSAL_VERSION, &self.0.bytes),
        }
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
