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

/// The row of a version that `next`, which has the record `next_record`, superseded; `None` when it
/// stays whole.
///
/// # Errors
/// [`KvError::Row`].
pub(crate) fn superseded(
    before: &StoredObject,
    next: Revision,
    next_record: &[u8],
) -> Result<Option<Bytes>, KvError> {
    if stays_whole(before.revision) {
        return Ok(None);
    }
    // Its hash follows from the rest, and would be most of what a small change leaves.
    let record = rows::bare_version_value(before)?;
    Ok(delta::encode_as(delta::BARE_VERSION, next, next_record, &record))
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
    let mut whole = loop {
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
    while let Some((at, row)) = deltas.pop() {
        let key = rows::number_key(at.0);
        whole = delta::resolve(Table::Versions, &key, &row, WHOLE_VERSION, &whole)?;
        if delta::is_bare(&row) {
            whole = rows::version_value(&rows::read_bare_version(at, &whole)?)?;
        }
    }
    Ok(Some(whole))
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
