//! What the frames' bodies say.

use super::frame::WIRE_VERSION;
use crate::types::{Entry, LogId, Member, TypeConfig, Vote};
use crate::wal::record::{RecordError, get_entry, put_entry};
use bytes::{Buf, Bytes};
use openraft::raft::AppendEntriesRequest;
use reddwarf_core::Outcome;
use reddwarf_core::codec::{self, CodecError};
use reddwarf_core::planted::{self, Bug};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Why a body is no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not of the codec.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// An entry in it.
    #[error(transparent)]
    Entry(#[from] RecordError),
    /// It ends early.
    #[error("the message is cut short")]
    Short,
}

/// First frame of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`WIRE_VERSION`] of the caller.
    pub wire_version: u32,
    /// The caller's group.
    pub cluster_id: String,
    /// The caller.
    pub from: u64,
    /// The caller's name, as in its certificate.
    pub from_name: String,
    /// Who is called.
    pub to: u64,
    /// The caller's data folder.
    pub incarnation: u64,
    /// Log index of the newest membership that names the caller, as far as it knows.
    pub member_since: u64,
}

/// The answer to a [`Hello`] that is not refused outright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloReply {
    /// The data folder of who was called.
    pub incarnation: u64,
    /// The data folder that the group knows the caller by, zero when it knows none. A caller
    /// with another one has forgotten its votes, and the connection ends (invariant 16).
    pub expected: u64,
    /// Log index of a committed membership that does not name the caller, no older than the one
    /// that it knows: it was removed, since ids never come back, and the connection ends.
    pub removed_at: Option<u64>,
}

impl HelloReply {
    /// Whether a caller with this data folder is a member, or not known yet.
    pub fn admits(&self, incarnation: u64) -> bool {
        let same = self.expected == 0 || self.expected == incarnation;
        self.removed_at.is_none() && (same || planted::is(Bug::WipedVoter))
    }
}

/// Asks the leader to change who the members are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembersAsk {
    /// Takes a node in, as a learner that becomes a voter when it has caught up.
    Admit {
        /// Its Raft id, never used before.
        id: u64,
        /// Its name and address.
        member: Member,
        /// Name of the voter whose place it is to take.
        replaces: Option<String>,
        /// Whether to tell only what would be answered.
        check: bool,
    },
    /// Lets a member go.
    Remove {
        /// Its name.
        name: String,
    },
    /// Raises the group's feature level as far as all members support it. Only a leader whose build
    /// knows of levels is asked.
    RaiseLevel,
    /// Lets another member lead. Only a leader whose build knows of levels is asked.
    Transfer {
        /// Its name; whichever is fittest when there is none.
        name: Option<String>,
    },
}

/// The answer to a [`MembersAsk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembersReply {
    /// Done; the log index of the membership that says so, the id of who leads now, or the level that
    /// the group is at.
    Done(u64),
    /// Nothing was changed here, because this member does not lead, or leads no longer.
    NotLeader,
    /// Nothing was changed, and why.
    Refused(String),
    /// It may or may not have been changed.
    Unknown(String),
}

/// What became of one forwarded proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Forwarded {
    /// Applied by the entry at this index.
    Applied(u64, Outcome),
    /// Certainly not appended here; `Some` names the leader.
    NotLeader(Option<u64>),
    /// Appended and then lost its place; it may still be committed.
    Unknown,
    /// Certainly not appended, and trying again is of no use.
    Refused(String),
    /// Certainly not appended: the group has not reached the feature level that it needs. Whoever
    /// forwards such a proposal knows of levels.
    NotYet(String),
}

/// The answer to [`super::frame::Kind::ReadIndex`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ReadIndexReply {
    /// The index that the reader must have applied, `None` when this member does not lead.
    pub index: Option<u64>,
}

/// The leader asks for the roots of a member's state.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RootsAsk {
    /// The first index of interest.
    pub since: u64,
    /// The verdict over the member: where its state differs from the majority's.
    pub diverged: Option<u64>,
}

/// The answer to [`super::frame::Kind::Roots`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RootsReply {
    /// Indexes and the roots there, in order.
    pub roots: Vec<(u64, [u8; 32])>,
}

/// Begins a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotBegin {
    /// The leader's vote.
    pub vote: Vote,
    /// What the snapshot covers.
    pub meta: openraft::type_config::alias::SnapshotMetaOf<TypeConfig>,
}

/// A part of a snapshot; its bytes follow the encoded header in the frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotChunk {
    /// What [`SnapshotBegin`] was answered.
    pub transfer: u64,
    /// Position of the part, from 0.
    pub number: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// Asks for a part of a state that is being fetched; after the last one the answer is empty.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FetchPart {
    /// What [`super::frame::Kind::FetchBegin`] was answered.
    pub transfer: u64,
    /// Position of the part, from 0.
    pub number: u64,
}

/// Encodes a message.
///
/// # Errors
/// See [`CodecError`].
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, CodecError> {
    codec::encode(WIRE_VERSION as u8, message).map(Bytes::from)
}

/// Decodes a message.
///
/// # Errors
/// See [`CodecError`].
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    codec::decode(WIRE_VERSION as u8, body)
}

#[derive(Serialize, Deserialize)]
struct AppendHead {
    vote: Vote,
    prev: Option<LogId>,
    commit: Option<LogId>,
    entries: u32,
}

/// `head length (u32) | head | (entry length (u32) | entry)*`: the proposals' bytes are copied
/// once here and not at all by [`decode_append`].
///
/// # Errors
/// See [`CodecError`].
pub fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Result<Bytes, CodecError> {
    let head = codec::encode(
        WIRE_VERSION as u8,
        &AppendHead {
            vote: request.vote,
            prev: request.prev_log_id,
            commit: request.leader_commit,
            entries: request.entries.len() as u32,
        },
    )?;
    let mut out = Vec::with_capacity(head.len() + 4);
    out.extend_from_slice(&(head.len() as u32).to_le_bytes());
    out.extend_from_slice(&head);
    for entry in &request.entries {
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        put_entry(entry, &mut out)?;
        let len = (out.len() - at - 4) as u32;
        out[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
    Ok(out.into())
}

/// Reads what [`encode_append`] wrote.
///
/// # Errors
/// See [`MessageError`].
pub fn decode_append(mut body: Bytes) -> Result<AppendEntriesRequest<TypeConfig>, MessageError> {
    let head: AppendHead = decode(&take_part(&mut body)?)?;
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..head.entries {
        entries.push(get_entry(&take_part(&mut body)?)?);
    }
    Ok(AppendEntriesRequest {
        vote: head.vote,
        prev_log_id: head.prev,
        leader_commit: head.commit,
        entries,
    })
}

/// Proposals for the leader: `(length (u32) | proposal)*`.
pub fn encode_forward(proposals: &[Bytes]) -> Bytes {
    let bytes = proposals.iter().map(|proposal| 4 + proposal.len()).sum();
    let mut out = Vec::with_capacity(bytes);
    for proposal in proposals {
        out.extend_from_slice(&(proposal.len() as u32).to_le_bytes());
        out.extend_from_slice(proposal);
    }
    out.into()
}

/// Reads what [`encode_forward`] wrote; the bytes are shared, not copied.
///
/// # Errors
/// [`MessageError::Short`].
pub fn decode_forward(mut body: Bytes) -> Result<Vec<Bytes>, MessageError> {
    let mut proposals = Vec::new();
    while !body.is_empty() {
        proposals.push(take_part(&mut body)?);
    }
    Ok(proposals)
}

fn take_part(body: &mut Bytes) -> Result<Bytes, MessageError> {
    if body.len() < 4 {
        return Err(MessageError::Short);
    }
    let len = body.get_u32_le() as usize;
    if body.len() < len {
        return Err(MessageError::Short);
    }
    Ok(body.split_to(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::LogData;
    use crate::types::log_id;
    use openraft::EntryPayload;
    use openraft::entry::RaftEntry;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn appends_round_trip(payloads: Vec<Vec<u8>>, commit: Option<u64>) {
            let entry = |(at, bytes): (usize, Vec<u8>)| {
                let data = LogData::from_bytes(bytes.into());
                Entry::new(log_id(3, at as u64 + 5), EntryPayload::Normal(data))
            };
            let request = AppendEntriesRequest::<TypeConfig> {
                vote: Vote::new_committed(3, 1),
                prev_log_id: Some(log_id(2, 4)),
                leader_commit: commit.map(|index| log_id(2, index)),
                entries: payloads.into_iter().enumerate().map(entry).collect(),
            };
            let read = decode_append(encode_append(&request).expect("encodes")).expect("decodes");
            prop_assert_eq!(read.entries, request.entries);
            prop_assert_eq!(read.vote, request.vote);
            prop_assert_eq!(read.prev_log_id, request.prev_log_id);
            prop_assert_eq!(read.leader_commit, request.leader_commit);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = decode_append(bytes.into());
        }
    }
}
