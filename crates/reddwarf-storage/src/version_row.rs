//! Rows of the `versions` table: an object's version, whole or as a delta against the version that
//! followed it on its line.
//!
//! The current version of an object is always whole. Most superseded ones are deltas; one in
//! [`WHOLE_IN`] stays whole, so that an old one is found in a bounded number of steps.

use crate::{KvError, KvRead, Table, delta, rows};
use bytes::Bytes;
use reddwarf_core::{Revision, StoredObject};

/// One superseded version in so many stays whole.
const WHOLE_IN: u64 = 256;
/// Record version of a whole version.
const WHOLE_VERSION: u8 = 1;

/// Whether the version that took `revision` stays whole. It follows from the number alone, scattered
/// so that no pattern of writes makes a long chain.
pub(crate) fn stays_whole(revision: Revision) -> bool {
    revision.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & (WHOLE_IN - 1) == 0
}

/// The row of a version that `next` superseded; `None` when it stays whole.
///
/// Both are compared without their content hashes, which follow from the rest, and would be most of
/// what a small change leaves.
///
/// # Errors
/// [`KvError::Row`].
pub(crate) fn superseded(
    before: &StoredObject,
    next: &StoredObject,
) -> Result<Option<Bytes>, KvError> {
    if stays_whole(before.revision) {
        return Ok(None);
    }
    let (record, base) = (rows::bare_version_value(before)?, rows::bare_version_value(next)?);
    Ok(delta::encode_as(delta::BARE_VERSION, next.revision, &base, &record))
}

/// Whether the row of a version is a delta.
pub(crate) fn is_delta(row: &[u8]) -> bool {
    delta::is(row) || delta::is_bare(row)
}

/// The whole record of the version that took `revision`; `None` when there is no such row.
///
/// # Errors
/// [`KvError::Row`].
pub(crate) fn record(read: &dyn KvRead, revision: Revision) -> Result<Option<Bytes>, KvError> {
    let mut deltas: Vec<(Revision, Bytes)> = Vec::new();
    let mut at = revision;
    let mut found = loop {
        let key = rows::number_key(at.0);
        let row = match (read.get(Table::Versions, &key)?, deltas.last()) {
            (Some(row), _) => row,
            (None, None) => return Ok(None),
            (None, Some((needs, _))) => return Err(missing(*needs, at)),
        };
        if !is_delta(&row) {
            break row;
        }
        let base = delta::base_of(Table::Versions, &key, &row)?;
        if base <= at {
            return Err(KvError::row(Table::Versions, &key, "its base does not follow it"));
        }
        deltas.push((at, row));
        at = base;
    };
    // The way is gone in the form in which the deltas were made.
    let mut bare = false;
    while let Some((next, row)) = deltas.pop() {
        let key = rows::number_key(next.0);
        found = match (delta::is_bare(&row), bare) {
            (true, false) => rows::bare_version_value(&rows::read_version(at, &found)?)?,
            (false, true) => rows::version_value(&rows::read_bare_version(at, &found)?)?,
            _ => found,
        };
        bare = delta::is_bare(&row);
        found = delta::resolve(Table::Versions, &key, &row, WHOLE_VERSION, &found)?;
        at = next;
    }
    if bare {
        found = rows::version_value(&rows::read_bare_version(at, &found)?)?;
    }
    Ok(Some(found))
}

fn missing(revision: Revision, base: Revision) -> KvError {
    let key = rows::number_key(revision.0);
    KvError::row(Table::Versions, &key, format!("its base at {base} is missing"))
}

/// The version that took `revision`; `None` when there is no such row.
///
/// # Errors
/// [`KvError::Row`].
pub(crate) fn read(read: &dyn KvRead, revision: Revision) -> Result<Option<StoredObject>, KvError> {
    record(read, revision)?.map(|record| rows::read_version(revision, &record)).transpose()
}
