//! Finding commits: by revision, by id, by time, and page by page.

use super::{HistoryReader, READ_BYTES_MAX, READ_ROWS_MAX, Reading};
use crate::commit_row::CommitRow;
use crate::{KvError, Table, rows};
use reddwarf_core::history::{CANDIDATES_MAX, COMMITS_PAGE_MAX};
use reddwarf_core::{
    BranchId, Commit, CommitId, CommitPage, CommitPrefix, CommitRef, HistoryError, Revision,
};
use std::ops::{Bound, ControlFlow};

impl HistoryReader {
    /// See [`reddwarf_core::History::commit`].
    ///
    /// # Errors
    /// See there.
    pub fn commit(&self, commit: &CommitRef) -> Result<Option<Commit>, HistoryError> {
        let reading = self.begin()?;
        match commit {
            CommitRef::Revision(Revision::ZERO) => Ok(None),
            CommitRef::Revision(revision) => reading.by_revision(*revision),
            CommitRef::Id(id) => match reading.by_id(id, id)?.pop() {
                Some((last, _)) => reading.commit_at(last),
                None => Ok(None),
            },
            CommitRef::Prefix(prefix) => reading.by_prefix(prefix),
        }
    }

    /// See [`reddwarf_core::History::commits`].
    ///
    /// # Errors
    /// See there.
    pub fn commits(
        &self,
        branch: BranchId,
        after: Revision,
        through: Revision,
        limit: usize,
    ) -> Result<CommitPage, HistoryError> {
        let reading = self.begin()?;
        reading.head(branch)?;
        let limit = limit.clamp(1, COMMITS_PAGE_MAX);
        let (mut page, mut seen, mut bytes) = (CommitPage::default(), 0, 0);
        let after = after.max(reading.floor());
        let (from, to) = (rows::number_key(after.0), rows::number_key(through.0.max(after.0)));
        let bounds = (Bound::Excluded(&from[..]), Bound::Included(&to[..]));
        if after >= through {
            return Ok(page);
        }
        reading.read.scan_back(Table::Commits, bounds, &mut |key, value| {
            let full = page.commits.len() == limit || seen == READ_ROWS_MAX;
            if full || bytes >= READ_BYTES_MAX {
                page.next = Some(Revision(rows::read_number(Table::Commits, key)?));
                return Ok(ControlFlow::Break(()));
            }
            seen += 1;
            bytes += value.len();
            let commit = reading.row(key, value)?.commit();
            page.commits.extend(commit.filter(|commit| commit.header.branch == branch));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(page)
    }

    /// See [`reddwarf_core::History::resolve_time`].
    ///
    /// # Errors
    /// See there.
    pub fn resolve_time(&self, time_ms: u64) -> Result<Revision, HistoryError> {
        let reading = self.begin()?;
        let head = reading.head(BranchId::MAIN)?;
        if head.time_ms <= time_ms {
            return Ok(head.revision);
        }
        let first = reading.first_of_main(reading.floor().next())?;
        let first = first.unwrap_or((head.revision, head.time_ms));
        match first {
            (first, first_ms) if first_ms > time_ms => {
                Err(HistoryError::BeforeFirst { asked_ms: time_ms, first, first_ms })
            }
            (first, _) => Ok(reading.last_until(time_ms, first, head.revision)?),
        }
    }
}

impl Reading {
    /// The first commit, of whatever branch, that ends at `revision` or after it.
    pub(super) fn first_from(&self, revision: Revision) -> Result<Option<CommitRow>, KvError> {
        let from = rows::number_key(revision.0);
        let mut found = None;
        let bounds = (Bound::Included(&from[..]), Bound::Unbounded);
        self.read.scan(Table::Commits, bounds, &mut |key, value| {
            found = Some(self.row(key, value)?);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// What a row of [`Table::Commits`] says.
    pub(super) fn row(&self, key: &[u8], value: &[u8]) -> Result<CommitRow, KvError> {
        self.rows.read(self.read.as_ref(), key, value)
    }

    /// The commit that ends at `last`, which another row names.
    fn commit_at(&self, last: Revision) -> Result<Option<Commit>, HistoryError> {
        let floor = self.floor();
        match self.row_at(last)?.commit() {
            Some(commit) if last > floor => Ok(Some(commit)),
            _ => Err(HistoryError::Gone { asked: last, floor: floor.max(last) }),
        }
    }

    fn row_at(&self, last: Revision) -> Result<CommitRow, KvError> {
        let key = rows::number_key(last.0);
        let missing = || KvError::row(Table::Commits, &key, "missing, though its id is there");
        let record = self.read.get(Table::Commits, &key)?.ok_or_else(missing)?;
        self.row(&key, &record)
    }

    fn by_revision(&self, revision: Revision) -> Result<Option<Commit>, HistoryError> {
        self.check_kept(revision)?;
        let floor = self.floor();
        // The state at the floor is kept, the commit that led to it is not.
        if revision == floor {
            return Err(HistoryError::Gone { asked: revision, floor });
        }
        match self.first_from(revision)? {
            Some(CommitRow::Squashed(run)) => {
                Err(HistoryError::Gone { asked: revision, floor: run.last })
            }
            found => Ok(found.and_then(CommitRow::commit)),
        }
    }

    fn by_prefix(&self, prefix: &CommitPrefix) -> Result<Option<Commit>, HistoryError> {
        let found = self.by_id(&prefix.first(), &prefix.last())?;
        match found.as_slice() {
            [] => Ok(None),
            [(last, _)] => self.commit_at(*last),
            several => {
                let candidates = several.iter().map(|(_, id)| *id).collect();
                Err(HistoryError::Ambiguous { prefix: prefix.clone(), candidates })
            }
        }
    }

    /// Commits whose ids lie within `[from, to]`, at most [`CANDIDATES_MAX`]: last revision and
    /// id, sorted by id.
    pub(super) fn by_id(
        &self,
        from: &CommitId,
        to: &CommitId,
    ) -> Result<Vec<(Revision, CommitId)>, KvError> {
        let bounds =
            (rows::commit_id_key(from, Revision::ZERO), rows::commit_id_key(to, Revision::MAX));
        let bounds = (Bound::Included(&bounds.0[..]), Bound::Included(&bounds.1[..]));
        let mut found = Vec::new();
        self.read.scan(Table::CommitIds, bounds, &mut |key, _| {
            let last = rows::read_commit_id_key(key)?;
            // The row has the id's first bytes only.
            let id = self.row_at(last)?.id();
            found.extend((*from <= id && id <= *to).then_some((last, id)));
            let full = found.len() == CANDIDATES_MAX;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        found.sort_unstable_by_key(|(_, id)| *id);
        Ok(found)
    }

    /// Where, and when, the first of main's commits ends that ends at `revision` or after it.
    fn first_of_main(&self, revision: Revision) -> Result<Option<(Revision, u64)>, KvError> {
        let mut from = revision;
        while let Some(row) = self.first_from(from)? {
            let (branch, last, time_ms) = row.end();
            if branch == BranchId::MAIN {
                return Ok(Some((last, time_ms)));
            }
            from = last.next();
        }
        Ok(None)
    }

    /// The end of main's last commit with a time up to `time_ms`; the one that ends at `first` has
    /// such a time, the one that ends at `head` has a later one.
    fn last_until(
        &self,
        time_ms: u64,
        first: Revision,
        head: Revision,
    ) -> Result<Revision, KvError> {
        let (mut found, mut later) = (first, head);
        while later.0 - found.0 > 1 {
            let middle = Revision(found.0 + (later.0 - found.0) / 2);
            match self.first_of_main(middle)? {
                Some((last, at_ms)) if at_ms <= time_ms => found = last,
                _ => later = middle,
            }
        }
        Ok(found)
    }
}
