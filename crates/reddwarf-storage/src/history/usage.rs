//! What the past takes of the disk, by kind.

use super::{HistoryReader, READ_ROWS_MAX, Reading};
use crate::{KvError, Table, rows};
use reddwarf_core::{BranchId, HistoryError, ObjectKey, Revision};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// Rows and their bytes, keys included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsUsage {
    /// How many.
    pub rows: u64,
    /// Their bytes together.
    pub bytes: u64,
}

impl RowsUsage {
    fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as u64;
    }
}

/// What the objects of one collection take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindUsage {
    /// Those that are there now, on main and on branches.
    pub current: RowsUsage,
    /// Superseded versions, and removals.
    pub past: RowsUsage,
}

/// What a data file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// By collection, `group/resource`.
    pub kinds: BTreeMap<String, KindUsage>,
    /// Headers of commits, with what finds them.
    pub commits: RowsUsage,
}

impl HistoryReader {
    /// Reads through the file's index of the past. Takes some microseconds a version.
    ///
    /// # Errors
    /// [`HistoryError::Unreadable`].
    pub fn usage(&self) -> Result<Usage, HistoryError> {
        let mut walk = Walk::default();
        while walk.versions(&self.begin()?)? {}
        walk.end();
        for table in [Table::Commits, Table::CommitIds] {
            walk.after = None;
            while walk.table(&self.begin()?, table)? {}
        }
        Ok(walk.usage)
    }
}

/// The newest row so far of an object: it is current unless another of the same object follows.
struct Newest {
    branch: BranchId,
    key: ObjectKey,
    bytes: usize,
    deleted: bool,
}

/// What is done with a row: its key and value.
type VisitRow<'a> = dyn FnMut(&mut Walk, &[u8], &[u8]) -> Result<(), KvError> + 'a;

#[derive(Default)]
struct Walk {
    usage: Usage,
    after: Option<Vec<u8>>,
    newest: Option<Newest>,
}

impl Walk {
    /// Reads some rows of the objects' history; `false` after the last.
    fn versions(&mut self, reading: &Reading) -> Result<bool, KvError> {
        self.page(reading, Table::History, &mut |walk, key, value| {
            let (revision, deleted) = rows::read_history(key, value)?;
            let object = rows::history_object(key)?;
            let branch = key.first_chunk::<4>().map_or(0, |number| u32::from_be_bytes(*number));
            let bytes = key.len() + value.len() + version_bytes(reading, revision)?;
            walk.version(Newest { branch: BranchId(branch), key: object, bytes, deleted });
            Ok(())
        })
    }

    fn version(&mut self, next: Newest) {
        if let Some(before) = self.newest.take() {
            let same = before.branch == next.branch && before.key == next.key;
            self.count(&before, !same);
        }
        self.newest = Some(next);
    }

    fn end(&mut self) {
        if let Some(last) = self.newest.take() {
            self.count(&last, true);
        }
    }

    fn count(&mut self, version: &Newest, is_last: bool) {
        let kind = self.usage.kinds.entry(version.key.collection().to_owned()).or_default();
        let current = is_last && !version.deleted;
        let part = if current { &mut kind.current } else { &mut kind.past };
        part.add(version.bytes);
    }

    fn table(&mut self, reading: &Reading, table: Table) -> Result<bool, KvError> {
        self.page(reading, table, &mut |walk, key, value| {
            let bytes = (key.len() + value.len()) as u64;
            walk.usage.commits.rows += u64::from(table == Table::Commits);
            walk.usage.commits.bytes += bytes;
            Ok(())
        })
    }

    fn page(
        &mut self,
        reading: &Reading,
        table: Table,
        visit: &mut VisitRow<'_>,
    ) -> Result<bool, KvError> {
        let after = self.after.take();
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut seen = 0;
        reading.read.scan(table, (from, Bound::Unbounded), &mut |key, value| {
            visit(self, key, value)?;
            seen += 1;
            if seen < READ_ROWS_MAX {
                return Ok(ControlFlow::Continue(()));
            }
            self.after = Some(key.to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(self.after.is_some())
    }
}

fn version_bytes(reading: &Reading, revision: Revision) -> Result<usize, KvError> {
    let key = rows::number_key(revision.0);
    Ok(reading.read.get(Table::Versions, &key)?.map_or(0, |value| key.len() + value.len()))
}

impl HistoryReader {
    /// See [`reddwarf_core::History::room`].
    ///
    /// # Errors
    /// [`HistoryError::Unreadable`].
    pub fn room(
        &self,
        scope: &str,
        versions_max: Option<u64>,
        bytes_max: Option<u64>,
    ) -> Result<Revision, HistoryError> {
        let mut room = Room { scope, versions_max, bytes_max, used: RowsUsage::default() };
        let mut before = None;
        loop {
            let reading = self.begin()?;
            match room.page(&reading, &mut before)? {
                Some(floor) => return Ok(floor),
                None if before.is_none() => return Ok(Revision::ZERO),
                None => {}
            }
        }
    }
}

/// Looks how far back so many versions, or bytes of them, reach.
struct Room<'a> {
    scope: &'a str,
    versions_max: Option<u64>,
    bytes_max: Option<u64>,
    used: RowsUsage,
}

impl Room<'_> {
    /// Reads some commits back; the revision at which it is too much.
    fn page(
        &mut self,
        reading: &Reading,
        before: &mut Option<Revision>,
    ) -> Result<Option<Revision>, KvError> {
        let to = before.take().map(|before| rows::number_key(before.0));
        let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let from = rows::number_key(reading.floor().0);
        let (mut seen, mut found, mut next) = (0, None, None);
        reading.read.scan_back(
            Table::Commits,
            (Bound::Excluded(&from), to),
            &mut |key, value| {
                let Some(commit) = reading.row(key, value)?.commit() else {
                    return Ok(ControlFlow::Continue(()));
                };
                let header = commit.header;
                if header.branch == BranchId::MAIN {
                    let changes = header.changes.iter();
                    for change in
                        changes.filter(|change| change.key.as_str().starts_with(self.scope))
                    {
                        let kept = change.after > reading.checkpoint.floors.of_key(&change.key);
                        let Some(superseded) = change.before.filter(|_| kept) else { continue };
                        self.used.add(version_bytes(reading, superseded)?);
                    }
                }
                if self.is_passed() {
                    found = Some(header.last);
                    return Ok(ControlFlow::Break(()));
                }
                seen += 1;
                if seen < READ_ROWS_MAX {
                    return Ok(ControlFlow::Continue(()));
                }
                next = Some(header.last);
                Ok(ControlFlow::Break(()))
            },
        )?;
        *before = next;
        Ok(found)
    }

    fn is_passed(&self) -> bool {
        self.versions_max.is_some_and(|most| self.used.rows > most)
            || self.bytes_max.is_some_and(|most| self.used.bytes > most)
    }
}
