//! Removes from the file what the floors say is no longer kept.
//!
//! Floors rise by committed entries; what lies below them each member removes on its own, a page at
//! a time. The commits between the old floors and the new ones name what they superseded: those rows
//! of `versions` and `history` go. A commit with nothing left above the floors becomes part of a
//! *run*, one row for many; at or below the floor of all, runs go as well.
//!
//! Nothing is removed while the file is held by whoever copies it.

use crate::commit_row::{BASE_SPAN, CommitRow, CommitRows, Squashed};
use crate::load::{branches_of, part, standing_of};
use crate::{KvError, KvRead, KvStore, Table, WriteBatch, rows, version_row};
use reddwarf_core::{BranchId, Commit, CommitChange, Excised, Floors, ObjectKey, Revision};
use std::ops::{Bound, ControlFlow};

/// Commits that one page reads.
const PAGE_COMMITS: usize = if cfg!(test) { 7 } else { 500 };
/// Rows that one page removes or writes, at about most.
const PAGE_ROWS: usize = 2_000;

/// What one page of the sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepPage {
    /// Rows that were removed or made smaller.
    pub removed: usize,
    /// Whether nothing is left to be done now.
    pub done: bool,
}

/// A sweep; it goes on where its last page ended, and begins anew with the next floors.
#[derive(Debug, Default)]
pub struct Sweep {
    walk: Option<Walk>,
    /// See [`KvStore::generation`].
    generation: u64,
}

/// Going over the commits between two sets of floors.
#[derive(Debug)]
struct Walk {
    /// What the file was swept up to.
    from: Floors,
    /// What it is swept up to now.
    to: Floors,
    /// The commits up to this revision are done.
    after: Revision,
}

impl Sweep {
    /// Does a bounded piece of the work. Blocks on the disk.
    ///
    /// # Errors
    /// See [`KvError`]; the next page tries again.
    pub fn page(&mut self, store: &dyn KvStore) -> Result<SweepPage, KvError> {
        let nothing = SweepPage { removed: 0, done: true };
        if store.is_held() {
            return Ok(nothing);
        }
        let generation = store.generation();
        if generation != self.generation {
            // Another file may not be swept as far.
            (self.walk, self.generation) = (None, generation);
        }
        let read = store.read()?;
        let mut page = Page::default();
        if page.excise(read.as_ref())? || page.forget_branch(read.as_ref())? {
            return page.write(store, false);
        }
        if self.walk.is_none() {
            self.walk = Walk::begin(read.as_ref())?;
        }
        let Some(walk) = &mut self.walk else { return Ok(nothing) };
        let more = walk.page(read.as_ref(), &mut page)?;
        if !more {
            let value = rows::part_value(rows::META_SWEPT, &walk.to)?;
            page.out.put(Table::Meta, rows::META_SWEPT.to_vec(), value);
            self.walk = None;
        }
        page.write(store, !more)
    }
}

impl Walk {
    fn begin(read: &dyn KvRead) -> Result<Option<Walk>, KvError> {
        let to = (*standing_of(read)?.floors).clone();
        let from: Floors = part(read, rows::META_SWEPT)?.unwrap_or_default();
        let rose = to.scopes.iter().filter_map(|(prefix, floor)| {
            let before = from.of_scope(prefix).unwrap_or_default().max(from.all);
            (before < *floor).then_some(before)
        });
        // Runs against which others are stored are left at and below the old floor of all.
        let all = (from.all < to.all).then_some(Revision::ZERO);
        let after = rose.chain(all).min();
        Ok(after.map(|after| Walk { from, to, after }))
    }

    /// Reads some commits; `false` after the last.
    fn page(&mut self, read: &dyn KvRead, page: &mut Page) -> Result<bool, KvError> {
        let end = self.to.highest();
        let (from, to) = (rows::number_key(self.after.0), rows::number_key(end.0));
        let bounds = (Bound::Excluded(&from[..]), Bound::Included(&to[..]));
        let (commits, mut seen, mut reached) = (CommitRows::default(), 0, None);
        let mut run = last_run(read, self.after)?;
        read.scan(Table::Commits, bounds, &mut |key, value| {
            let row = commits.read(read, key, value)?;
            let last = row.end().1;
            run = self.commit(page, row, value, run.take())?;
            seen += 1;
            if seen < PAGE_COMMITS && page.rows < PAGE_ROWS {
                return Ok(ControlFlow::Continue(()));
            }
            reached = Some(last);
            Ok(ControlFlow::Break(()))
        })?;
        if let Some(reached) = reached {
            self.after = reached;
        }
        Ok(reached.is_some())
    }

    /// Removes what a commit superseded, and the commit itself where nothing of it is kept; the
    /// run at whose end the walk is now.
    fn commit(
        &self,
        page: &mut Page,
        row: CommitRow,
        value: &[u8],
        run: Option<Squashed>,
    ) -> Result<Option<Squashed>, KvError> {
        let (branch, last, _) = row.end();
        let gone = last <= self.to.all;
        let own = match row {
            CommitRow::Squashed(own) => own,
            CommitRow::Commit(commit) => {
                let kept =
                    if branch == BranchId::MAIN { self.changes(page, &commit) } else { !gone };
                if kept {
                    return Ok(None);
                }
                page.delete(Table::CommitIds, rows::commit_id_key(&commit.id, last));
                Squashed::of(&commit, value)
            }
        };
        // Below the floor of all, a run is of use only as the base of headers that are still there:
        // this walk reads them after it, perhaps in another transaction.
        if gone && (own.base.is_empty() || last.0 + BASE_SPAN <= self.from.all.0) {
            page.delete(Table::Commits, rows::number_key(last.0));
            return Ok(None);
        }
        let before = run.filter(|_| branch == BranchId::MAIN);
        let joined = before.as_ref().and_then(|before| before.followed_by(&own));
        if let (Some(before), Some(_)) = (&before, &joined) {
            page.delete(Table::Commits, rows::number_key(before.last.0));
        }
        let run = joined.unwrap_or(own);
        page.put(Table::Commits, rows::number_key(last.0), run.encode()?);
        Ok((branch == BranchId::MAIN).then_some(run))
    }

    /// Removes what the changes of main's commit superseded; whether any of them is kept.
    fn changes(&self, page: &mut Page, commit: &Commit) -> bool {
        let mut kept = false;
        // A floor may lie within a commit, which is walked when one has reached its end.
        let walked = commit.header.last <= self.from.highest();
        for change in &commit.header.changes {
            let below = change.after <= self.to.of_key(&change.key);
            kept |= !below;
            // What the old floors reached is gone already.
            let reached = walked && change.after <= self.from.of_key(&change.key);
            if below && !reached {
                page.superseded(change);
            }
        }
        kept
    }
}

/// The run at whose end a page begins.
fn last_run(read: &dyn KvRead, after: Revision) -> Result<Option<Squashed>, KvError> {
    let key = rows::number_key(after.0);
    let Some(value) = read.get(Table::Commits, &key)? else { return Ok(None) };
    Ok(match CommitRows::default().read(read, &key, &value)? {
        CommitRow::Squashed(run) => Some(run),
        CommitRow::Commit(_) => None,
    })
}

/// The changes of one transaction.
#[derive(Default)]
struct Page {
    out: WriteBatch,
    rows: usize,
}

impl Page {
    fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.rows += 1;
        self.out.delete(table, key);
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: bytes::Bytes) {
        self.rows += 1;
        self.out.put(table, key, value);
    }

    fn write(self, store: &dyn KvStore, done: bool) -> Result<SweepPage, KvError> {
        let removed = self.rows;
        store.commit(self.out)?;
        Ok(SweepPage { removed, done })
    }

    /// The version before a change, and the change itself if it removed the object.
    fn superseded(&mut self, change: &CommitChange) {
        let history = |key: &ObjectKey, at| rows::history_key(BranchId::MAIN, key, at);
        if let Some(before) = change.before {
            self.delete(Table::Versions, rows::number_key(before.0));
            self.delete(Table::History, history(&change.key, before));
        }
        if change.deleted {
            self.delete(Table::History, history(&change.key, change.after));
        }
    }

    /// Takes versions away whose content is to go; whether there were any.
    fn excise(&mut self, read: &dyn KvRead) -> Result<bool, KvError> {
        let mut wanted: Vec<Excised> = Vec::new();
        read.scan(Table::Excised, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
            let (excised, done) = rows::read_excised(key, value)?;
            wanted.extend((!done).then_some(excised));
            let enough = wanted.len() >= PAGE_COMMITS;
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        for excised in &wanted {
            self.keep_older(read, excised, &wanted)?;
        }
        for excised in &wanted {
            let key = rows::number_key(excised.revision.0);
            self.delete(Table::Versions, key.clone());
            self.put(Table::Excised, key, rows::excised_value(excised, true)?);
        }
        Ok(!wanted.is_empty())
    }

    /// Writes the version before one that goes in full, since it may be a delta against it.
    fn keep_older(
        &mut self,
        read: &dyn KvRead,
        excised: &Excised,
        all: &[Excised],
    ) -> Result<(), KvError> {
        let mut older = None;
        // On whatever line it was: a version is a delta against the next one of its own line.
        for branch in lines_of(read, &excised.key, excised.revision)? {
            let from = rows::history_key(branch, &excised.key, Revision::ZERO);
            let to = rows::history_key(branch, &excised.key, excised.revision);
            let bounds = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
            read.scan_back(Table::History, bounds, &mut |key, value| {
                older = Some(rows::read_history(key, value)?.0);
                Ok(ControlFlow::Break(()))
            })?;
        }
        let Some(older) = older else { return Ok(()) };
        if all.iter().any(|other| other.revision == older) {
            return Ok(());
        }
        if let Some(record) = version_row::record(read, older)? {
            self.put(Table::Versions, rows::number_key(older.0), record);
        }
        Ok(())
    }

    /// Removes some of what a branch held that there is no more; whether there was any.
    fn forget_branch(&mut self, read: &dyn KvRead) -> Result<bool, KvError> {
        let Some(removed) = removed_branch(read)? else { return Ok(false) };
        let prefix = rows::history_prefix(removed, "");
        read.scan_prefix(Table::History, &prefix, &mut |key, value| {
            let (revision, deleted) = rows::read_history(key, value)?;
            self.delete(Table::History, key.to_vec());
            if !deleted {
                self.delete(Table::Versions, rows::number_key(revision.0));
            }
            let more = self.rows < PAGE_ROWS;
            Ok(if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(self.rows > 0)
    }
}

/// The lines in whose history an object's revision stands.
fn lines_of(
    read: &dyn KvRead,
    key: &ObjectKey,
    revision: Revision,
) -> Result<Vec<BranchId>, KvError> {
    let branches = branches_of(read)?.unwrap_or_default();
    let mut lines = vec![BranchId::MAIN];
    lines.extend(branches.refs.iter().map(|(_, at)| at.id));
    lines.extend(branches.held.iter().map(|at| at.id));
    let mut found = Vec::new();
    for line in lines {
        if read.get(Table::History, &rows::history_key(line, key, revision))?.is_some() {
            found.push(line);
        }
    }
    Ok(found)
}

/// A branch of which history is left although there is no such branch, nor one whose changes are
/// still being forgotten.
fn removed_branch(read: &dyn KvRead) -> Result<Option<BranchId>, KvError> {
    let Some(branches) = branches_of(read)?.filter(|table| table.made > 0) else { return Ok(None) };
    let mut from = BranchId(1);
    loop {
        let mut found = None;
        let prefix = rows::history_prefix(from, "");
        read.scan(Table::History, (Bound::Included(&prefix), Bound::Unbounded), &mut |key, _| {
            found = key.first_chunk::<4>().map(|number| BranchId(u32::from_be_bytes(*number)));
            Ok(ControlFlow::Break(()))
        })?;
        let Some(branch) = found else { return Ok(None) };
        if branches.find(branch).is_none() && !branches.removed.contains(&branch) {
            return Ok(Some(branch));
        }
        from = BranchId(branch.0 + 1);
    }
}

#[cfg(test)]
mod tests;
