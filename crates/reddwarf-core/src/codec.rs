//! The one place where records are turned into bytes and back.
//!
//! A record is `version (u8) | crc32c of what follows (u32, little endian) | bincode`. bincode
//! runs with its standard configuration (little endian, variable-length integers) and always
//! with a limit: without one a corrupt length would abort the process by allocating it.

use crate::limits::PROPOSAL_BYTES_MAX;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes before the bincode part of a record.
pub const HEADER_BYTES: usize = 5;
/// Largest record that [`decode`] accepts; a proposal and what a log entry adds to it.
pub const RECORD_BYTES_MAX: usize = PROPOSAL_BYTES_MAX + 64 * 1024;

/// Why bytes are no record.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than a header, or more than the limit.
    #[error("a record of {0} bytes is outside the limits")]
    Length(usize),
    /// Written by a newer format.
    #[error("record version {found}, this build reads {known}")]
    Version {
        /// In the record.
        found: u8,
        /// The newest that this build reads.
        known: u8,
    },
    /// The checksum does not match.
    #[error("record checksum {found:08x}, computed {computed:08x}")]
    Checksum {
        /// In the record.
        found: u32,
        /// Of the bytes read.
        computed: u32,
    },
    /// bincode refused to decode.
    #[error("the record's content does not decode")]
    Decode(#[source] bincode::error::DecodeError),
    /// bincode refused to encode.
    #[error("the value does not encode")]
    Encode(#[source] bincode::error::EncodeError),
    /// Bytes were left over.
    #[error("{0} bytes after the record's content")]
    Trailing(usize),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<RECORD_BYTES_MAX>()
}

/// Encodes `value` as a record of format `version`.
///
/// # Errors
/// [`CodecError::Encode`], [`CodecError::Length`].
pub fn encode<T: Serialize>(version: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = vec![version, 0, 0, 0, 0];
    bincode::serde::encode_into_std_write(value, &mut out, config()).map_err(CodecError::Encode)?;
    if out.len() > RECORD_BYTES_MAX {
        return Err(CodecError::Length(out.len()));
    }
    let crc = crc32c::crc32c(&out[HEADER_BYTES..]).to_le_bytes();
    out[1..HEADER_BYTES].copy_from_slice(&crc);
    Ok(out)
}

/// Decodes a record of a format version up to `known`.
///
/// # Errors
/// See [`CodecError`]; never panics and never allocates beyond the limit.
pub fn decode<T: DeserializeOwned>(known: u8, record: &[u8]) -> Result<T, CodecError> {
    if record.len() < HEADER_BYTES || record.len() > RECORD_BYTES_MAX {
        return Err(CodecError::Length(record.len()));
    }
    let (header, content) = record.split_at(HEADER_BYTES);
    if header[0] == 0 || header[0] > known {
        return Err(CodecError::Version { found: header[0], known });
    }
    let found = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
    let computed = crc32c::crc32c(content);
    if found != computed {
        return Err(CodecError::Checksum { found, computed });
    }
    let (value, read) =
        bincode::serde::decode_from_slice(content, config()).map_err(CodecError::Decode)?;
    if read != content.len() {
        return Err(CodecError::Trailing(content.len() - read));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(value: (u64, String, Vec<u8>, Option<bool>)) {
            let record = encode(1, &value).expect("encodes");
            prop_assert_eq!(decode::<(u64, String, Vec<u8>, Option<bool>)>(1, &record).expect("decodes"), value);
        }

        #[test]
        fn any_damage_is_noticed(value: (u64, String), at: prop::sample::Index, bit in 0u8..8) {
            let mut record = encode(1, &value).expect("encodes");
            let at = at.index(record.len());
            record[at] ^= 1 << bit;
            prop_assert!(decode::<(u64, String)>(1, &record).is_err());
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = decode::<Vec<Vec<String>>>(1, &bytes);
        }
    }
}
