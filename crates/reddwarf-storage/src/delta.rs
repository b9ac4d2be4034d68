//! Records that are stored as what tells them from another record.
//!
//! Successive versions of an object are nearly the same, and so are the headers of similar commits:
//! LZ4 with the other record's content as its dictionary leaves what is new. What both end with is
//! cut off before, since LZ4 sees no further than 64 KiB.

use crate::{KvError, Table};
use bytes::Bytes;
use reddwarf_core::Revision;
use reddwarf_core::codec::{self, HEADER_BYTES, RECORD_BYTES_MAX};
use serde::{Deserialize, Serialize};

/// Record version of a delta, in the tables that hold some.
pub(crate) const DELTA_VERSION: u8 = 2;
/// Record version of a delta of what only its own table makes a whole record of again.
pub(crate) const BARE_VERSION: u8 = 3;
/// How far LZ4 sees.
const WINDOW_BYTES: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Delta {
    /// The row of the same table whose content is the dictionary.
    base: Revision,
    /// Bytes of the content without what it ends with like its base.
    length: u32,
    /// Bytes that both end with.
    common_end: u32,
    #[serde(with = "serde_bytes")]
    compressed: Vec<u8>,
}

/// The content of a record as a delta against that of the row at `base`; `None` when that would not
/// save a quarter of it.
pub(crate) fn encode(base: Revision, dictionary: &[u8], record: &[u8]) -> Option<Bytes> {
    encode_as(DELTA_VERSION, base, dictionary, record)
}

/// [`encode`] with another record version.
pub(crate) fn encode_as(
    version: u8,
    base: Revision,
    dictionary: &[u8],
    record: &[u8],
) -> Option<Bytes> {
    let content = record.get(HEADER_BYTES..)?;
    let dictionary = dictionary.get(HEADER_BYTES..)?;
    let pairs = content.iter().rev().zip(dictionary.iter().rev());
    let common = pairs.take_while(|(one, other)| one == other).count();
    let rest = &content[..content.len() - common];
    let seen = window(&dictionary[..dictionary.len() - common]);
    let compressed = lz4_flex::block::compress_with_dict(rest, seen);
    if compressed.len() > content.len() / 4 * 3 {
        return None;
    }
    let (length, common_end) = (u32::try_from(rest.len()).ok()?, u32::try_from(common).ok()?);
    let delta = Delta { base, length, common_end, compressed };
    codec::encode(version, &delta).ok().map(Bytes::from)
}

fn window(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(WINDOW_BYTES - 1)..]
}

/// Whether a record of a version or a header is a delta.
pub(crate) fn is(record: &[u8]) -> bool {
    record.first() == Some(&DELTA_VERSION)
}

/// Whether a record of a version is a bare delta.
pub(crate) fn is_bare(record: &[u8]) -> bool {
    record.first() == Some(&BARE_VERSION)
}

/// The row against which the delta at `key` was made.
///
/// # Errors
/// [`KvError::Row`].
pub(crate) fn base_of(table: Table, key: &[u8], record: &[u8]) -> Result<Revision, KvError> {
    decode(table, key, record).map(|delta| delta.base)
}

fn decode(table: Table, key: &[u8], record: &[u8]) -> Result<Delta, KvError> {
    let delta: Delta =
        codec::decode(BARE_VERSION, record).map_err(|error| KvError::row(table, key, error))?;
    if delta.length as usize + delta.common_end as usize > RECORD_BYTES_MAX {
        return Err(KvError::row(table, key, "longer than a record may be"));
    }
    Ok(delta)
}

/// The whole record of version `version` that the delta at `key` stands for.
///
/// # Errors
/// [`KvError::Row`] when it does not fit its base.
pub(crate) fn resolve(
    table: Table,
    key: &[u8],
    record: &[u8],
    version: u8,
    base: &[u8],
) -> Result<Bytes, KvError> {
    let delta = decode(table, key, record)?;
    let wrong = |reason: &str| KvError::row(table, key, reason);
    let dictionary = base.get(HEADER_BYTES..).ok_or_else(|| wrong("its base is no record"))?;
    let cut = dictionary.len().checked_sub(delta.common_end as usize);
    let (seen, end) = dictionary.split_at(cut.ok_or_else(|| wrong("its base is too short"))?);
    let length = delta.length as usize;
    let rest = lz4_flex::block::decompress_with_dict(&delta.compressed, length, window(seen));
    let rest = rest.map_err(|error| KvError::row(table, key, error))?;
    if rest.len() != length {
        return Err(wrong("its base is another one"));
    }
    let mut whole = Vec::with_capacity(HEADER_BYTES + length + end.len());
    whole.push(version);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&rest), end);
    whole.extend_from_slice(&crc.to_le_bytes());
    whole.extend_from_slice(&rest);
    whole.extend_from_slice(end);
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(base: &[u8], content: &[u8]) -> Option<usize> {
        let base = codec::encode(1, &serde_bytes::Bytes::new(base)).expect("encodes");
        let record = codec::encode(1, &serde_bytes::Bytes::new(content)).expect("encodes");
        let delta = encode(Revision(7), &base, &record)?;
        assert!(is(&delta));
        assert_eq!(base_of(Table::Versions, b"k", &delta).expect("reads"), Revision(7));
        let again = resolve(Table::Versions, b"k", &delta, 1, &base).expect("resolves");
        assert_eq!(again, record);
        Some(delta.len())
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            base in prop::collection::vec(any::<u8>(), 0..2_000),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
            more in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut content = base.clone();
            for (at, byte) in edits {
                if !content.is_empty() {
                    let at = at.index(content.len());
                    content[at] = byte;
                }
            }
            content.splice(0..0, more);
            round_trip(&base, &content);
        }

        #[test]
        fn garbage_never_panics(record: Vec<u8>, base: Vec<u8>) {
            let _ = resolve(Table::Versions, b"k", &record, 1, &base);
        }
    }

    #[test]
    fn a_small_change_of_a_large_object_is_small() {
        let random = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[1];
        let base: Vec<u8> = (0..300_000).map(random).collect();
        let mut content = base.clone();
        content.splice(1_000..1_100, vec![b'x'; 90]);
        let bytes = round_trip(&base, &content).expect("it is worth it");
        assert!(bytes < 1_500, "{bytes} bytes");
    }

    #[test]
    fn a_delta_against_another_base_is_refused() {
        let base = codec::encode(1, &"a".repeat(500)).expect("encodes");
        let record = codec::encode(1, &("a".repeat(500) + "b")).expect("encodes");
        let delta = encode(Revision(7), &base, &record).expect("it is worth it");
        let other = codec::encode(1, &"a".repeat(3)).expect("encodes");
        assert!(resolve(Table::Versions, b"k", &delta, 1, &other).is_err());
    }
}
