//! Turns what `apply` did into the rows of one transaction.

use crate::rows;
use crate::{KvError, PersistBatch, Table, WriteBatch};
use reddwarf_core::{BranchId, ChangeEvent};
use reddwarf_versioning::{Applied, LandedCommit, REQUEST_BLOCK_ENTRIES, oldest_kept};

/// The rows of batches that follow each other; the last one's checkpoint holds for all.
///
/// `durable` is the index that the file holds already, from which follows what can be forgotten.
pub(crate) fn transaction_of(
    batches: &[PersistBatch],
    durable: u64,
) -> Result<WriteBatch, KvError> {
    let mut out = WriteBatch::default();
    for applied in batches.iter().flat_map(|batch| &batch.applied) {
        entry(&mut out, applied)?;
    }
    if let Some(last) = batches.last() {
        let value = rows::checkpoint_value(&last.checkpoint)?;
        out.put(Table::Meta, rows::META_CHECKPOINT.to_vec(), value);
        forget(&mut out, durable, last.checkpoint.applied.index);
    }
    Ok(out)
}

/// Removes request rows block by block, as the memory forgets them.
fn forget(out: &mut WriteBatch, durable: u64, applied: u64) {
    let oldest = oldest_kept(applied);
    if oldest >= REQUEST_BLOCK_ENTRIES && oldest > oldest_kept(durable) {
        out.delete_before(Table::Requests, rows::number_key(oldest));
    }
}

fn entry(out: &mut WriteBatch, applied: &Applied) -> Result<(), KvError> {
    if let Some(remembered) = &applied.remembered {
        let key = rows::number_key(remembered.index);
        out.put(Table::Requests, key, remembered.record.clone());
    }
    for (branch, key) in &applied.collected {
        out.delete(Table::Current, rows::current_key(*branch, key));
    }
    match &applied.commit {
        Some(commit) => commit_rows(out, commit),
        None => Ok(()),
    }
}

fn commit_rows(out: &mut WriteBatch, commit: &LandedCommit) -> Result<(), KvError> {
    let last = commit.committed.last;
    out.put(Table::Commits, rows::number_key(last.0), commit.header.clone());
    out.put(Table::CommitIds, rows::commit_id_key(&commit.committed.id, last), &b""[..]);
    commit.events.iter().try_for_each(|event| change_rows(out, commit, event))
}

fn change_rows(
    out: &mut WriteBatch,
    commit: &LandedCommit,
    event: &ChangeEvent,
) -> Result<(), KvError> {
    let current = rows::current_key(commit.branch, &event.key);
    let history = rows::history_key(commit.branch, &event.key, event.revision);
    let value = rows::history_value(&history, event.after.is_none());
    out.put(Table::History, history, value);
    match &event.after {
        Some(object) => {
            out.put(
                Table::Versions,
                rows::number_key(event.revision.0),
                rows::version_value(object)?,
            );
            let value = rows::current_value(&current, event.revision);
            out.put(Table::Current, current, value);
        }
        // A branch goes on hiding what its base has there.
        None if commit.branch != BranchId::MAIN => {
            let value = rows::current_value(&current, event.revision);
            out.put(Table::Current, current, value);
        }
        None => out.delete(Table::Current, current),
    }
    Ok(())
}
