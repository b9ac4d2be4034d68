//! Records of the log and their bytes.
//!
//! `crc32c (u32) | payload length (u32) | type (u8) | version (u8) | zero (u16) | payload`,
//! little endian. The checksum covers the segment's sequence number (u64) and all that follows
//! the checksum itself, so that bytes of another segment never pass as this one's.

use crate::data::LogData;
use crate::types::{Entry, LogId, Vote, log_id, term_of};
use bytes::Bytes;
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use reddwarf_core::codec::{self, CodecError, RECORD_BYTES_MAX};

/// Bytes before a record's payload.
pub const RECORD_HEADER_BYTES: usize = 12;
/// The format version of every record written by this build.
pub const RECORD_VERSION: u8 = 1;
/// First bytes of a [`Record::Synced`] payload, by which one is found behind damage.
pub const SYNC_MAGIC: [u8; 8] = *b"RDWFSYNC";
/// Largest payload of a record.
pub const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES_MAX + 64;

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const COMMITTED: u8 = 3;
const TRUNCATE: u8 = 4;
const PURGE: u8 = 5;
const SYNCED: u8 = 6;

const BLANK: u8 = 0;
const NORMAL: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A log entry.
    Entry(Entry),
    /// The vote, replacing the one before.
    Vote(Vote),
    /// The committed log id, a hint (Raft does not need it).
    Committed(Option<LogId>),
    /// Entries above this index are gone; `None` empties the log.
    Truncate(Option<u64>),
    /// Entries up to this one, inclusive, are gone.
    Purge(LogId),
    /// Everything before this record in its segment, and all segments before, was on disk when
    /// this record was written (invariant 16).
    Synced {
        /// Offset of this record in its segment.
        offset: u64,
    },
}

/// Why bytes are no record of a segment.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The segment's written part ends here.
    #[error("no record follows")]
    End,
    /// Shorter or longer than it can be.
    #[error("impossible record length {0}")]
    Length(usize),
    /// The checksum does not match.
    #[error("record checksum {found:08x}, computed {computed:08x}")]
    Checksum {
        /// In the record.
        found: u32,
        /// Of the bytes read.
        computed: u32,
    },
    /// A newer format wrote it.
    #[error("record version {0} is newer than this build reads ({RECORD_VERSION})")]
    Version(u8),
    /// An unknown type, or a payload that does not fit its type.
    #[error("record of type {0} does not decode")]
    Content(u8),
    /// bincode refused.
    #[error("record content")]
    Codec(#[from] CodecError),
}

/// Appends the bytes of `record` to `out`.
///
/// # Errors
/// [`RecordError::Codec`], [`RecordError::Length`].
pub fn encode(segment: u64, record: &Record, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER_BYTES]);
    let kind = encode_payload(record, out)?;
    let len = out.len() - start - RECORD_HEADER_BYTES;
    if len > PAYLOAD_BYTES_MAX {
        out.truncate(start);
        return Err(RecordError::Length(len));
    }
    out[start + 4..start + 8].copy_from_slice(&(len as u32).to_le_bytes());
    out[start + 8] = kind;
    out[start + 9] = RECORD_VERSION;
    let crc = checksum(segment, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    Ok(())
}

fn checksum(segment: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&segment.to_le_bytes()), bytes)
}

fn encode_payload(record: &Record, out: &mut Vec<u8>) -> Result<u8, RecordError> {
    Ok(match record {
        Record::Entry(entry) => {
            put_entry(entry, out)?;
            ENTRY
        }
        Record::Vote(vote) => {
            out.extend_from_slice(&codec::encode(RECORD_VERSION, vote)?);
            VOTE
        }
        Record::Committed(id) => {
            if let Some(id) = id {
                put_log_id(id, out);
            }
            COMMITTED
        }
        Record::Truncate(last) => {
            if let Some(last) = last {
                out.extend_from_slice(&last.to_le_bytes());
            }
            TRUNCATE
        }
        Record::Purge(id) => {
            put_log_id(id, out);
            PURGE
        }
        Record::Synced { offset } => {
            out.extend_from_slice(&SYNC_MAGIC);
            out.extend_from_slice(&offset.to_le_bytes());
            SYNCED
        }
    })
}

/// Appends `term (u64) | index (u64) | kind (u8) | proposal or membership`, little endian: an
/// entry as the log and the wire carry it.
///
/// # Errors
/// [`CodecError`] when a membership does not encode.
pub fn put_entry(entry: &Entry, out: &mut Vec<u8>) -> Result<(), CodecError> {
    put_log_id(&entry.log_id(), out);
    match &entry.payload {
        EntryPayload::Blank => out.push(BLANK),
        EntryPayload::Normal(data) => {
            out.push(NORMAL);
            out.extend_from_slice(data.bytes());
        }
        EntryPayload::Membership(membership) => {
            out.push(MEMBERSHIP);
            out.extend_from_slice(&codec::encode(RECORD_VERSION, membership)?);
        }
    }
    Ok(())
}

/// Reads what [`put_entry`] wrote; a proposal's bytes are shared, not copied.
///
/// # Errors
/// [`RecordError::Content`], [`RecordError::Codec`].
pub fn get_entry(bytes: &Bytes) -> Result<Entry, RecordError> {
    if bytes.len() < 17 {
        return Err(RecordError::Content(ENTRY));
    }
    let id = get_log_id(ENTRY, &bytes[..16])?;
    let rest = bytes.slice(17..);
    let payload = match bytes[16] {
        BLANK if rest.is_empty() => EntryPayload::Blank,
        NORMAL => EntryPayload::Normal(LogData::from_bytes(rest)),
        MEMBERSHIP => EntryPayload::Membership(codec::decode(RECORD_VERSION, &rest)?),
        _ => return Err(RecordError::Content(ENTRY)),
    };
    Ok(Entry::new(id, payload))
}

fn put_log_id(id: &LogId, out: &mut Vec<u8>) {
    out.extend_from_slice(&term_of(id).to_le_bytes());
    out.extend_from_slice(&id.index().to_le_bytes());
}

/// Decodes the record at the beginning of `bytes`; answers it and its whole length.
///
/// # Errors
/// [`RecordError::End`] where a header of zeros (or nothing) stands; the others for damage.
pub fn decode(segment: u64, bytes: &[u8]) -> Result<(Record, usize), RecordError> {
    let Some(header) = bytes.get(..RECORD_HEADER_BYTES) else {
        return if bytes.iter().all(|b| *b == 0) {
            Err(RecordError::End)
        } else {
            Err(RecordError::Length(bytes.len()))
        };
    };
    if header.iter().all(|b| *b == 0) {
        return Err(RecordError::End);
    }
    let len = le_u32(&header[4..8]) as usize;
    let end = RECORD_HEADER_BYTES + len;
    if len > PAYLOAD_BYTES_MAX || bytes.len() < end {
        return Err(RecordError::Length(len));
    }
    let (found, computed) = (le_u32(&header[..4]), checksum(segment, &bytes[4..end]));
    if found != computed {
        return Err(RecordError::Checksum { found, computed });
    }
    let (kind, version) = (header[8], header[9]);
    if version == 0 || version > RECORD_VERSION {
        return Err(RecordError::Version(version));
    }
    let record = decode_payload(kind, &bytes[RECORD_HEADER_BYTES..end])?;
    Ok((record, end))
}

fn le_u32(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[..4]);
    u32::from_le_bytes(word)
}

fn le_u64(kind: u8, bytes: &[u8]) -> Result<u64, RecordError> {
    let word: [u8; 8] = bytes.try_into().map_err(|_| RecordError::Content(kind))?;
    Ok(u64::from_le_bytes(word))
}

fn get_log_id(kind: u8, bytes: &[u8]) -> Result<LogId, RecordError> {
    if bytes.len() != 16 {
        return Err(RecordError::Content(kind));
    }
    Ok(log_id(le_u64(kind, &bytes[..8])?, le_u64(kind, &bytes[8..])?))
}

fn decode_payload(kind: u8, payload: &[u8]) -> Result<Record, RecordError> {
    Ok(match kind {
        ENTRY => Record::Entry(get_entry(&Bytes::copy_from_slice(payload))?),
        VOTE => Record::Vote(codec::decode(RECORD_VERSION, payload)?),
        COMMITTED if payload.is_empty() => Record::Committed(None),
        COMMITTED => Record::Committed(Some(get_log_id(kind, payload)?)),
        TRUNCATE if payload.is_empty() => Record::Truncate(None),
        TRUNCATE => Record::Truncate(Some(le_u64(kind, payload)?)),
        PURGE => Record::Purge(get_log_id(kind, payload)?),
        SYNCED if payload.len() == 16 && payload[..8] == SYNC_MAGIC => {
            Record::Synced { offset: le_u64(kind, &payload[8..])? }
        }
        _ => return Err(RecordError::Content(kind)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = Record> {
        let id = (any::<u64>(), any::<u64>()).prop_map(|(term, index)| log_id(term, index));
        prop_oneof![
            (id.clone(), any::<Vec<u8>>()).prop_map(|(id, bytes)| {
                let data = LogData::from_bytes(bytes.into());
                Record::Entry(Entry::new(id, EntryPayload::Normal(data)))
            }),
            id.clone().prop_map(|id| Record::Entry(Entry::new(id, EntryPayload::Blank))),
            (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(term, node, committed)| {
                let vote =
                    if committed { Vote::new_committed(term, node) } else { Vote::new(term, node) };
                Record::Vote(vote)
            }),
            proptest::option::of(id.clone()).prop_map(Record::Committed),
            any::<Option<u64>>().prop_map(Record::Truncate),
            id.prop_map(Record::Purge),
            any::<u64>().prop_map(|offset| Record::Synced { offset }),
        ]
    }

    proptest! {
        #[test]
        fn round_trip(record in any_record(), segment: u64) {
            let mut bytes = Vec::new();
            encode(segment, &record, &mut bytes).expect("encodes");
            let len = bytes.len();
            bytes.extend_from_slice(b"rest");
            let (read, read_len) = decode(segment, &bytes).expect("decodes");
            prop_assert_eq!(read, record);
            prop_assert_eq!(read_len, len);
        }

        #[test]
        fn any_damage_is_noticed(
            record in any_record(), segment: u64, at: prop::sample::Index, bit in 0u8..8,
        ) {
            let mut bytes = Vec::new();
            encode(segment, &record, &mut bytes).expect("encodes");
            prop_assert!(decode(segment ^ 1, &bytes).is_err());
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(segment, &bytes).is_err());
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = decode(1, &bytes);
        }
    }
}
