//! Turns what `apply` did into the rows of one transaction.

use crate::commit_row::{BASE_BYTES_MAX, BASE_SPAN};
use crate::{KvError, PersistBatch, Table, WriteBatch, delta, rows, version_row};
use bytes::Bytes;
use reddwarf_core::{BranchId, ChangeEvent, FeatureLevel, Floors, Lost, MemberBuild, Revision};
use reddwarf_versioning::{
    Applied, BranchTable, Checkpoint, LandedCommit, Mark, REQUEST_BLOCK_ENTRIES, oldest_kept,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lines of similar commits whose headers are bases.
const BASES_MAX: usize = 32;
/// Headers that are deltas against one base.
const BASE_USES_MAX: u32 = 64;

/// What earlier transactions have written, as far as later ones build on it. Empty, it makes them
/// write more than they had to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    branches: Option<Arc<BranchTable>>,
    floors: Option<Arc<Floors>>,
    marks: Option<Arc<Vec<Mark>>>,
    lost: Option<Arc<Vec<Lost>>>,
    level: FeatureLevel,
    builds: Option<Arc<Vec<MemberBuild>>>,
    /// By what makes headers similar.
    bases: BTreeMap<String, Base>,
}

/// A header against which others are stored as deltas.
#[derive(Clone, Debug)]
struct Base {
    at: Revision,
    record: Bytes,
    uses: u32,
}

/// The rows of batches that follow each other; the last one's checkpoint holds for all.
///
/// `durable` is the index that the file holds already, from which follows what can be forgotten.
/// What is written is noted in `written`, which holds once the transaction is durable.
pub(crate) fn transaction_of(
    batches: &[PersistBatch],
    durable: u64,
    written: &mut Written,
) -> Result<WriteBatch, KvError> {
    let mut rows = Rows { out: WriteBatch::default(), versions: BTreeMap::new(), written };
    for applied in batches.iter().flat_map(|batch| &batch.applied) {
        rows.entry(applied)?;
    }
    if let Some(last) = batches.last() {
        rows.checkpoint(&last.checkpoint)?;
        rows.forget(durable, last.checkpoint.applied.index);
    }
    for (revision, value) in rows.versions {
        rows.out.put(Table::Versions, rows::number_key(revision.0), value);
    }
    Ok(rows.out)
}

struct Rows<'w> {
    out: WriteBatch,
    /// One that is superseded within the transaction is written once.
    versions: BTreeMap<Revision, Bytes>,
    written: &'w mut Written,
}

impl Rows<'_> {
    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), KvError> {
        let out = &mut self.out;
        let value = rows::checkpoint_value(checkpoint)?;
        out.put(Table::Meta, rows::META_CHECKPOINT.to_vec(), value);
        if let Some(root) = checkpoint.root {
            let value = rows::part_value(rows::META_ROOT, &(checkpoint.applied.index, root.0))?;
            out.put(Table::Meta, rows::META_ROOT.to_vec(), value);
        }
        let Written { branches, floors, marks, lost, level, builds, .. } = &mut *self.written;
        // With the first row that a build of an earlier level would overlook, the format rises
        // beyond what such a build opens.
        if checkpoint.level > *level {
            let format = rows::format_row(rows::format_of(checkpoint.level));
            out.put(Table::Meta, rows::META_FORMAT.to_vec(), format.to_vec());
            let value = rows::part_value(rows::META_LEVEL, &checkpoint.level)?;
            out.put(Table::Meta, rows::META_LEVEL.to_vec(), value);
            *level = checkpoint.level;
        }
        if !checkpoint.builds.is_empty() {
            changed(out, rows::META_BUILDS, builds, &checkpoint.builds, |row, part| {
                rows::part_value(row, part)
            })?;
        }
        changed(out, rows::META_BRANCHES, branches, &checkpoint.branches, |_, branches| {
            rows::branches_value(branches)
        })?;
        changed(out, rows::META_FLOORS, floors, &checkpoint.floors, |row, part| {
            rows::part_value(row, part)
        })?;
        changed(out, rows::META_MARKS, marks, &checkpoint.marks, |row, part| {
            rows::part_value(row, part)
        })?;
        match checkpoint.lost.is_empty() {
            true => Ok(()),
            false => changed(out, rows::META_LOST, lost, &checkpoint.lost, |row, part| {
                rows::part_value(row, part)
            }),
        }
    }

    /// Removes request rows block by block, as the memory forgets them.
    fn forget(&mut self, durable: u64, applied: u64) {
        let oldest = oldest_kept(applied);
        if oldest >= REQUEST_BLOCK_ENTRIES && oldest > oldest_kept(durable) {
            self.out.delete_before(Table::Requests, rows::number_key(oldest));
        }
    }

    fn entry(&mut self, applied: &Applied) -> Result<(), KvError> {
        if let Some(remembered) = &applied.remembered {
            let key = rows::number_key(remembered.index);
            self.out.put(Table::Requests, key, remembered.record.clone());
        }
        for (branch, key) in &applied.collected {
            self.out.delete(Table::Current, rows::current_key(*branch, key));
        }
        for excised in &applied.excised {
            let key = rows::number_key(excised.revision.0);
            self.out.put(Table::Excised, key, rows::excised_value(excised, false)?);
        }
        match &applied.commit {
            Some(commit) => self.commit(commit),
            None => Ok(()),
        }
    }

    fn commit(&mut self, commit: &LandedCommit) -> Result<(), KvError> {
        let last = commit.committed.last;
        let header = self.written.header(commit);
        self.out.put(Table::Commits, rows::number_key(last.0), header);
        self.out.put(Table::CommitIds, rows::commit_id_key(&commit.committed.id, last), &b""[..]);
        commit.events.iter().try_for_each(|event| self.change(commit, event))
    }

    fn change(&mut self, commit: &LandedCommit, event: &ChangeEvent) -> Result<(), KvError> {
        let current = rows::current_key(commit.branch, &event.key);
        let history = rows::history_key(commit.branch, &event.key, event.revision);
        let value = rows::history_value(&history, event.after.is_none());
        self.out.put(Table::History, history, value);
        let Some(object) = &event.after else {
            // A branch goes on hiding what its base has there.
            match commit.branch {
                BranchId::MAIN => self.out.delete(Table::Current, current),
                _ => {
                    let value = rows::current_value(&current, event.revision);
                    self.out.put(Table::Current, current, value);
                }
            }
            return Ok(());
        };
        let record = rows::version_value(object)?;
        if let Some(before) = &event.before
            && let Some(row) = version_row::superseded(before, object)?
        {
            self.versions.insert(before.revision, row);
        }
        self.versions.insert(event.revision, record);
        let value = rows::current_value(&current, event.revision);
        self.out.put(Table::Current, current, value);
        Ok(())
    }
}

/// Writes a part of the checkpoint when it is another than the one that was written last.
fn changed<T>(
    out: &mut WriteBatch,
    row: &'static [u8],
    known: &mut Option<Arc<T>>,
    now: &Arc<T>,
    value: impl Fn(&[u8], &T) -> Result<Bytes, KvError>,
) -> Result<(), KvError> {
    if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, now)) {
        return Ok(());
    }
    out.put(Table::Meta, row.to_vec(), value(row, now)?);
    *known = Some(now.clone());
    Ok(())
}

impl Written {
    /// The row of a commit's header: a delta against that of an earlier, similar one if there is
    /// one, and if not, the base of later ones.
    fn header(&mut self, commit: &LandedCommit) -> Bytes {
        let (record, last) = (&commit.header, commit.committed.last);
        let Some(event) = commit.events.first().filter(|_| record.len() <= BASE_BYTES_MAX) else {
            return record.clone();
        };
        let similar = format!("{}@{}", commit.branch.0, event.key.collection());
        let near = |base: &&mut Base| base.uses < BASE_USES_MAX && last.0 - base.at.0 <= BASE_SPAN;
        if let Some(base) = self.bases.get_mut(&similar).filter(near)
            && let Some(row) = delta::encode(base.at, &base.record, record)
        {
            base.uses += 1;
            return row;
        }
        if self.bases.len() >= BASES_MAX && !self.bases.contains_key(&similar) {
            self.bases.clear();
        }
        self.bases.insert(similar, Base { at: last, record: record.clone(), uses: 0 });
        record.clone()
    }
}
