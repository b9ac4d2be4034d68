//! How keys and values of the tables are written; `docs/format.md` in code.
//!
//! Numbers in keys are big endian, so that byte order is numeric order.

use crate::{KvError, Table};
use bytes::Bytes;
use reddwarf_core::codec;
use reddwarf_core::{
    BranchId, CommitId, Excised, FeatureLevel, Floors, Lost, MemberBuild, ObjectIndex, ObjectKey,
    Revision, StoredObject, content_hash,
};
use reddwarf_versioning::{BranchTable, Checkpoint, CheckpointV1, CheckpointV2, Mark};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The newest version of the whole layout; a file of a newer one is refused.
pub const FORMAT_VERSION: u32 = 3;
/// The version of the layout of files, and snapshots, of groups at the first feature level: builds
/// that know of no levels read it. From [`FORMAT_VERSION`] on [`META_LEVEL`] says what is needed.
pub const FORMAT_VERSION_FIRST_LEVEL: u32 = 2;
/// Row of [`Table::Meta`]: the format version and its complement, big endian.
pub const META_FORMAT: &[u8] = b"format";
/// Row of [`Table::Meta`]: the cluster id, UTF-8.
pub const META_CLUSTER: &[u8] = b"cluster";
/// Row of [`Table::Meta`]: the [`Checkpoint`].
pub const META_CHECKPOINT: &[u8] = b"checkpoint";
/// Row of [`Table::Meta`]: the [`BranchTable`]; written when it changes.
pub const META_BRANCHES: &[u8] = b"branches";
/// Row of [`Table::Meta`]: the [`Floors`]; written when they change.
pub const META_FLOORS: &[u8] = b"floors";
/// Row of [`Table::Meta`]: the [`Mark`]s; written when they change.
pub const META_MARKS: &[u8] = b"marks";
/// Row of [`Table::Meta`]: what was [`Lost`]; written when it changes.
pub const META_LOST: &[u8] = b"lost";
/// Row of [`Table::Meta`]: the [`FeatureLevel`]; written when it is above the first.
pub const META_LEVEL: &[u8] = b"level";
/// Row of [`Table::Meta`]: the [`MemberBuild`]s; written when they change.
pub const META_BUILDS: &[u8] = b"builds";
/// Row of [`Table::Meta`]: the [`Floors`] up to which this file was swept.
pub const META_SWEPT: &[u8] = b"swept";
/// The root of the state at the checkpoint's entry. The first of all these rows, so that a page that has
/// lost its last ones still has it.
pub const META_ROOT: &[u8] = b"applied-root";

/// Record version of a [`Checkpoint`].
const CHECKPOINT_VERSION: u8 = 3;
/// Record version of the other rows of [`Table::Meta`], and of [`Table::Excised`].
const PART_VERSION: u8 = 1;
/// Record version of an object's version.
const OBJECT_VERSION: u8 = 1;
/// Bytes of the branch in a key.
const BRANCH_BYTES: usize = 4;
/// Bytes of the zero and the revision at the end of a key of [`Table::History`].
const HISTORY_TAIL_BYTES: usize = 1 + 8;
/// Bytes of the commit id in a key of [`Table::CommitIds`].
const ID_PREFIX_BYTES: usize = 8;

/// The value of [`META_FORMAT`].
pub fn format_row(version: u32) -> [u8; 8] {
    let mut row = [0; 8];
    row[..4].copy_from_slice(&version.to_be_bytes());
    row[4..].copy_from_slice(&(!version).to_be_bytes());
    row
}

/// The version of the layout of a file or snapshot of a group at `level`.
pub fn format_of(level: FeatureLevel) -> u32 {
    if level == FeatureLevel::FIRST { FORMAT_VERSION_FIRST_LEVEL } else { FORMAT_VERSION }
}

/// Reads the value of [`META_FORMAT`]; `None` when it is damaged.
pub fn read_format(row: &[u8]) -> Option<u32> {
    let row: [u8; 8] = row.try_into().ok()?;
    let [version, complement] =
        [0, 4].map(|at| u32::from_be_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]]));
    (version == !complement).then_some(version)
}

/// A key that is one number: a revision or a log index.
pub fn number_key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// Reads a key that is one number.
///
/// # Errors
/// [`KvError::Row`] for another length.
pub fn read_number(table: Table, key: &[u8]) -> Result<u64, KvError> {
    let bytes = key.try_into().map_err(|_| KvError::row(table, key, "no number of 8 bytes"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Key of [`Table::Current`].
pub fn current_key(branch: BranchId, key: &ObjectKey) -> Vec<u8> {
    let key = key.as_str().as_bytes();
    let mut row = Vec::with_capacity(4 + key.len());
    row.extend_from_slice(&branch.0.to_be_bytes());
    row.extend_from_slice(key);
    row
}

/// Reads a key of [`Table::Current`].
///
/// # Errors
/// [`KvError::Row`].
pub fn read_current_key(row: &[u8]) -> Result<(BranchId, ObjectKey), KvError> {
    let wrong = || KvError::row(Table::Current, row, "names no object of a branch");
    let (branch, key) = row.split_first_chunk::<BRANCH_BYTES>().ok_or_else(wrong)?;
    let key = std::str::from_utf8(key).ok().and_then(ObjectKey::parse).ok_or_else(wrong)?;
    Ok((BranchId(u32::from_be_bytes(*branch)), key))
}

/// Value of [`Table::Current`]: the revision of the object, or of its removal on a branch, then the CRC-32C of key and revision.
pub fn current_value(key: &[u8], revision: Revision) -> Bytes {
    let mut row = revision.0.to_be_bytes().to_vec();
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &row);
    row.extend_from_slice(&crc.to_le_bytes());
    row.into()
}

/// Reads a row of [`Table::Current`].
///
/// # Errors
/// [`KvError::Row`].
pub fn read_current(key: &[u8], value: &[u8]) -> Result<Revision, KvError> {
    let damaged = || KvError::row(Table::Current, key, "checksum");
    let number: [u8; 8] =
        value.get(..8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
    let revision = Revision(u64::from_be_bytes(number));
    if current_value(key, revision) != value { Err(damaged()) } else { Ok(revision) }
}

/// Key of [`Table::History`]: branch, object key, a zero byte, revision.
pub fn history_key(branch: BranchId, key: &ObjectKey, revision: Revision) -> Vec<u8> {
    let mut row = current_key(branch, key);
    row.push(0);
    row.extend_from_slice(&revision.0.to_be_bytes());
    row
}

/// With what the keys of [`Table::History`] begin for all objects whose keys begin with `prefix`.
pub fn history_prefix(branch: BranchId, prefix: &str) -> Vec<u8> {
    let mut row = branch.0.to_be_bytes().to_vec();
    row.extend_from_slice(prefix.as_bytes());
    row
}

/// Value of [`Table::History`]: `P` or `D`, then the CRC-32C of key and letter.
pub fn history_value(key: &[u8], deleted: bool) -> Bytes {
    let letter = if deleted { b'D' } else { b'P' };
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &[letter]);
    let mut row = vec![letter];
    row.extend_from_slice(&crc.to_le_bytes());
    row.into()
}

/// Reads a row of [`Table::History`]: the revision, and whether it removed the object.
///
/// # Errors
/// [`KvError::Row`].
pub fn read_history(key: &[u8], value: &[u8]) -> Result<(Revision, bool), KvError> {
    let deleted = value.first() == Some(&b'D');
    let number = key.last_chunk().filter(|_| history_value(key, deleted) == value);
    let number = number.ok_or_else(|| KvError::row(Table::History, key, "checksum"))?;
    Ok((Revision(u64::from_be_bytes(*number)), deleted))
}

/// The object of a row of [`Table::History`] with this key.
///
/// # Errors
/// [`KvError::Row`].
pub fn history_object(key: &[u8]) -> Result<ObjectKey, KvError> {
    let end = key.len().saturating_sub(HISTORY_TAIL_BYTES);
    let text = key.get(BRANCH_BYTES..end).and_then(|text| std::str::from_utf8(text).ok());
    let object = text.and_then(ObjectKey::parse);
    object.ok_or_else(|| KvError::row(Table::History, key, "names no object"))
}

/// The key before which all rows of [`Table::History`] of the same object stand, and after which
/// all of the next object's do: an object key contains no byte 0.
pub fn history_after(key: &[u8]) -> Vec<u8> {
    let end = key.len().saturating_sub(HISTORY_TAIL_BYTES);
    let mut row = key[..end].to_vec();
    row.push(1);
    row
}

/// Key of [`Table::CommitIds`]: the first 8 bytes of the id, then the last revision.
pub fn commit_id_key(id: &CommitId, last: Revision) -> Vec<u8> {
    let mut row = id.0[..ID_PREFIX_BYTES].to_vec();
    row.extend_from_slice(&last.0.to_be_bytes());
    row
}

/// Reads the revision in a key of [`Table::CommitIds`].
///
/// # Errors
/// [`KvError::Row`] for another length.
pub fn read_commit_id_key(key: &[u8]) -> Result<Revision, KvError> {
    let bytes: &[u8; ID_PREFIX_BYTES + 8] =
        key.try_into().map_err(|_| KvError::row(Table::CommitIds, key, "another length"))?;
    read_number(Table::CommitIds, &bytes[ID_PREFIX_BYTES..]).map(Revision)
}

/// Value of [`META_CHECKPOINT`].
///
/// # Errors
/// [`codec::CodecError`] when the membership passes the limit of a record.
pub fn checkpoint_value(checkpoint: &Checkpoint) -> Result<Bytes, KvError> {
    codec::encode(CHECKPOINT_VERSION, checkpoint)
        .map(Bytes::from)
        .map_err(|error| KvError::row(Table::Meta, META_CHECKPOINT, error))
}

/// Reads the value of [`META_CHECKPOINT`], without what has rows of its own.
///
/// # Errors
/// [`KvError::Row`].
pub fn read_checkpoint_value(value: &[u8]) -> Result<Checkpoint, KvError> {
    let checkpoint = match value.first() {
        Some(1) => codec::decode(1, value).map(|CheckpointV1(checkpoint)| checkpoint),
        Some(2) => codec::decode(2, value).map(|CheckpointV2(checkpoint)| checkpoint),
        _ => codec::decode(CHECKPOINT_VERSION, value),
    };
    checkpoint.map_err(|error| KvError::row(Table::Meta, META_CHECKPOINT, error))
}

/// Value of one of the other rows of [`Table::Meta`].
///
/// # Errors
/// [`KvError::Row`] when it passes the limit of a record.
pub fn part_value<T: Serialize>(row: &[u8], part: &T) -> Result<Bytes, KvError> {
    codec::encode(PART_VERSION, part)
        .map(Bytes::from)
        .map_err(|error| KvError::row(Table::Meta, row, error))
}

/// Reads the value of one of the other rows of [`Table::Meta`].
///
/// # Errors
/// [`KvError::Row`].
pub fn read_part<T: DeserializeOwned>(row: &[u8], value: &[u8]) -> Result<T, KvError> {
    codec::decode(PART_VERSION, value).map_err(|error| KvError::row(Table::Meta, row, error))
}

/// Value of [`META_BRANCHES`].
///
/// # Errors
/// [`KvError::Row`] when it passes the limit of a record.
pub fn branches_value(branches: &BranchTable) -> Result<Bytes, KvError> {
    let value = branches.encode();
    value.map(Bytes::from).map_err(|error| KvError::row(Table::Meta, META_BRANCHES, error))
}

/// Reads the value of [`META_BRANCHES`].
///
/// # Errors
/// [`KvError::Row`].
pub fn read_branches(value: &[u8]) -> Result<BranchTable, KvError> {
    BranchTable::decode(value).map_err(|error| KvError::row(Table::Meta, META_BRANCHES, error))
}

/// Checks any row of [`Table::Meta`] that is a record.
///
/// # Errors
/// [`KvError::Row`].
pub fn check_meta(key: &[u8], value: &[u8]) -> Result<(), KvError> {
    match key {
        META_CHECKPOINT => read_checkpoint_value(value).map(drop),
        META_BRANCHES => read_branches(value).map(drop),
        META_FLOORS | META_SWEPT => read_part::<Floors>(key, value).map(drop),
        META_LOST => read_part::<Vec<Lost>>(key, value).map(drop),
        META_LEVEL => read_part::<FeatureLevel>(key, value).map(drop),
        META_BUILDS => read_part::<Vec<MemberBuild>>(key, value).map(drop),
        META_ROOT => read_part::<(u64, [u8; 32])>(key, value).map(drop),
        META_MARKS => read_part::<Vec<Mark>>(key, value).map(drop),
        META_FORMAT => {
            let format = read_format(value).map(drop);
            format.ok_or_else(|| KvError::row(Table::Meta, key, "checksum"))
        }
        _ => Ok(()),
    }
}

/// Value of [`Table::Excised`]: which object's version it was, and whether its row is gone.
///
/// # Errors
/// [`KvError::Row`].
pub fn excised_value(excised: &Excised, done: bool) -> Result<Bytes, KvError> {
    codec::encode(PART_VERSION, &(excised, done))
        .map(Bytes::from)
        .map_err(|error| KvError::row(Table::Excised, &excised.revision.0.to_be_bytes(), error))
}

/// Reads a row of [`Table::Excised`].
///
/// # Errors
/// [`KvError::Row`].
pub fn read_excised(key: &[u8], value: &[u8]) -> Result<(Excised, bool), KvError> {
    let found: (Excised, bool) = codec::decode(PART_VERSION, value)
        .map_err(|error| KvError::row(Table::Excised, key, error))?;
    if read_number(Table::Excised, key)? == found.0.revision.0 {
        return Ok(found);
    }
    Err(KvError::row(Table::Excised, key, "stands in another's place"))
}

#[derive(Serialize)]
struct VersionOut<'a> {
    key: &'a ObjectKey,
    revision: Revision,
    created: Revision,
    version_at: (u32, u8),
    index: &'a ObjectIndex,
    salt: &'a Option<[u8; 16]>,
    content: &'a [u8; 32],
    #[serde(with = "serde_bytes")]
    bytes: &'a [u8],
}

#[derive(Deserialize)]
struct VersionIn {
    key: ObjectKey,
    revision: Revision,
    created: Revision,
    version_at: (u32, u8),
    index: ObjectIndex,
    salt: Option<[u8; 16]>,
    content: [u8; 32],
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

#[derive(Serialize)]
struct BareOut<'a> {
    key: &'a ObjectKey,
    revision: Revision,
    created: Revision,
    version_at: (u32, u8),
    index: &'a ObjectIndex,
    salt: &'a Option<[u8; 16]>,
    #[serde(with = "serde_bytes")]
    bytes: &'a [u8],
}

#[derive(Deserialize)]
struct BareIn {
    key: ObjectKey,
    revision: Revision,
    created: Revision,
    version_at: (u32, u8),
    index: ObjectIndex,
    salt: Option<[u8; 16]>,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

/// A version without its content hash, of which a delta is made.
///
/// # Errors
/// See [`version_value`].
pub fn bare_version_value(object: &StoredObject) -> Result<Bytes, KvError> {
    let out = BareOut {
        key: &object.key,
        revision: object.revision,
        created: object.created,
        version_at: object.version_at,
        index: &object.index,
        salt: &object.salt,
        bytes: &object.bytes,
    };
    codec::encode(OBJECT_VERSION, &out)
        .map(Bytes::from)
        .map_err(|error| KvError::row(Table::Versions, &object.revision.0.to_be_bytes(), error))
}

/// Reads what [`bare_version_value`] wrote, at `revision`.
///
/// # Errors
/// See [`read_version`].
pub fn read_bare_version(revision: Revision, value: &[u8]) -> Result<StoredObject, KvError> {
    let row = |reason: String| KvError::row(Table::Versions, &revision.0.to_be_bytes(), reason);
    let version: BareIn =
        codec::decode(OBJECT_VERSION, value).map_err(|error| row(error.to_string()))?;
    if version.revision != revision {
        return Err(row(format!("holds revision {}", version.revision)));
    }
    let content = content_hash(&version.bytes, version.salt.as_ref());
    Ok(StoredObject {
        key: version.key,
        revision,
        created: version.created,
        bytes: version.bytes.into(),
        version_at: version.version_at,
        index: version.index,
        salt: version.salt,
        content,
    })
}

/// Value of [`Table::Versions`].
///
/// # Errors
/// [`KvError::Row`] when the object passes the limit of a record.
pub fn version_value(object: &StoredObject) -> Result<Bytes, KvError> {
    let out = VersionOut {
        key: &object.key,
        revision: object.revision,
        created: object.created,
        version_at: object.version_at,
        index: &object.index,
        salt: &object.salt,
        content: &object.content,
        bytes: &object.bytes,
    };
    codec::encode(OBJECT_VERSION, &out)
        .map(Bytes::from)
        .map_err(|error| KvError::row(Table::Versions, &object.revision.0.to_be_bytes(), error))
}

/// Reads a whole value of [`Table::Versions`] at `revision`.
///
/// # Errors
/// [`KvError::Row`] for a damaged row, and for one that stands in another's place.
pub fn read_version(revision: Revision, value: &[u8]) -> Result<StoredObject, KvError> {
    let row = |reason: String| KvError::row(Table::Versions, &revision.0.to_be_bytes(), reason);
    let version: VersionIn =
        codec::decode(OBJECT_VERSION, value).map_err(|error| row(error.to_string()))?;
    if version.revision != revision {
        return Err(row(format!("holds revision {}", version.revision)));
    }
    Ok(StoredObject {
        key: version.key,
        revision,
        created: version.created,
        bytes: version.bytes.into(),
        version_at: version.version_at,
        index: version.index,
        salt: version.salt,
        content: version.content,
    })
}
