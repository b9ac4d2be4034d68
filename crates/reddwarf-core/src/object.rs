//! Objects as they are stored.

use crate::{ObjectKey, Revision};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The small part of an object that reads without parsing its JSON.
///
/// Computed from the object by the member that proposes it, carried by the proposal and stored
/// beside the bytes. All lists are sorted by their first element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectIndex {
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.labels`.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Selectable fields other than `metadata.name` and `metadata.namespace`, by path, as text
    /// (`spec.nodeName`, `status.phase`); empty values are left out.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// Uids of `metadata.ownerReferences`.
    pub owners: Vec<Box<str>>,
}

impl ObjectIndex {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        find(&self.labels, name)
    }

    /// The text of a selectable field, `""` when the object does not have it.
    pub fn field(&self, path: &str) -> &str {
        find(&self.fields, path).unwrap_or_default()
    }
}

fn find<'a>(sorted: &'a [(Box<str>, Box<str>)], name: &str) -> Option<&'a str> {
    let at = sorted.binary_search_by(|(k, _)| k.as_ref().cmp(name)).ok()?;
    Some(&sorted[at].1)
}

/// One version of one object, as clients get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Where it is stored.
    pub key: ObjectKey,
    /// The revision of this version: its `resourceVersion`.
    pub revision: Revision,
    /// The revision that created the object (the same through all of its updates).
    pub created: Revision,
    /// Final JSON in the kind's storage version, without white space between tokens.
    ///
    /// Begins with `{"kind":…,"apiVersion":…,` in this order, so that a list can leave the two
    /// out by cutting a prefix of known length.
    pub bytes: Bytes,
    /// Where the decimal digits of `metadata.resourceVersion` stand in `bytes`: offset, length.
    pub version_at: (u32, u8),
    /// The parsed index.
    pub index: ObjectIndex,
    /// Salt of the content hash; only secrets have one (invariant 18).
    pub salt: Option<[u8; 16]>,
    /// [`content_hash`] of `bytes`, kept so that the state root and a later change of this
    /// object need not hash the bytes again.
    pub content: [u8; 32],
}

/// BLAKE3 of an object's bytes, keyed by `salt` where there is one: without the salt the hash
/// of a guessed secret cannot be compared.
pub fn content_hash(bytes: &[u8], salt: Option<&[u8; 16]>) -> [u8; 32] {
    match salt {
        None => blake3::hash(bytes).into(),
        Some(salt) => {
            let mut key = [0; 32];
            key[..16].copy_from_slice(salt);
            blake3::keyed_hash(&key, bytes).into()
        }
    }
}

impl StoredObject {
    /// The bytes with another revision in `metadata.resourceVersion`, as a deletion shows it.
    pub fn bytes_at(&self, revision: Revision) -> Bytes {
        splice_revision(
            &self.bytes,
            self.version_at.0 as usize,
            self.version_at.1 as usize,
            revision,
        )
    }
}

/// Replaces `len` bytes at `offset` by the decimal digits of `revision`.
///
/// The caller has validated that the range lies within `bytes`.
pub fn splice_revision(bytes: &[u8], offset: usize, len: usize, revision: Revision) -> Bytes {
    let digits = revision.to_string();
    let mut out = Vec::with_capacity(bytes.len() - len + digits.len());
    out.extend_from_slice(&bytes[..offset]);
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(&bytes[offset + len..]);
    Bytes::from(out)
}
