//! Which objects differ between two states, from the headers of the commits between them.

use super::{HistoryReader, READ_BYTES_MAX, READ_ROWS_MAX, Reading};
use crate::{KvError, Table, rows};
use reddwarf_core::history::CHANGED_KEYS_MAX;
use reddwarf_core::{
    BranchId, ChangedObject, CommitHeader, Floors, HistoryError, ObjectKey, Revision,
};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

impl HistoryReader {
    /// See [`reddwarf_core::History::changed_between`].
    ///
    /// # Errors
    /// See there.
    pub fn changed_between(
        &self,
        branch: BranchId,
        from: Revision,
        to: Revision,
    ) -> Result<Vec<ChangedObject>, HistoryError> {
        let (older, newer) = (from.min(to), from.max(to));
        let reading = self.begin()?;
        let through = reading.resolve(branch, newer)?;
        let mut after = reading.resolve(branch, older)?;
        drop(reading);
        let mut changed = Changed { branch, objects: BTreeMap::new() };
        while after < through {
            let reading = self.begin()?;
            reading.check_kept(older)?;
            after = changed.read(&reading, after, through)?;
            if changed.objects.len() > CHANGED_KEYS_MAX {
                return Err(HistoryError::TooMany { limit: CHANGED_KEYS_MAX });
            }
        }
        if branch == BranchId::MAIN {
            changed.keep_known(older, &self.begin()?.checkpoint.floors);
        }
        Ok(changed.between(from > to))
    }
}

/// What has changed so far.
struct Changed {
    branch: BranchId,
    objects: BTreeMap<ObjectKey, Changes>,
}

/// The changes of one object.
struct Changes {
    /// Its revision before the first of them.
    before: Option<Revision>,
    /// The revision that the first one took.
    first: Revision,
    /// Its revision after the last one.
    after: Option<Revision>,
}

impl Changed {
    /// Reads commits after `after` within the bounds of one transaction; up to where it came.
    fn read(
        &mut self,
        reading: &Reading,
        after: Revision,
        through: Revision,
    ) -> Result<Revision, KvError> {
        let (mut reached, mut seen, mut bytes) = (through, 0, 0);
        let (from, to) = (rows::number_key(after.0), rows::number_key(through.0));
        let bounds = (Bound::Excluded(&from[..]), Bound::Included(&to[..]));
        reading.read.scan(Table::Commits, bounds, &mut |key, value| {
            let row = reading.row(key, value)?;
            seen += 1;
            bytes += value.len();
            let (branch, last, _) = row.end();
            if let Some(commit) = row.commit().filter(|_| branch == self.branch) {
                self.add(commit.header);
            }
            if seen < READ_ROWS_MAX && bytes < READ_BYTES_MAX {
                return Ok(ControlFlow::Continue(()));
            }
            reached = last;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(reached)
    }

    fn add(&mut self, header: CommitHeader) {
        for change in header.changes {
            let (before, first) = (change.before, change.after);
            let object = self.objects.entry(change.key);
            let object = object.or_insert(Changes { before, first, after: None });
            object.after = (!change.deleted).then_some(change.after);
        }
    }

    /// What is no longer kept as of the older state cannot be compared. Of an object whose floor is
    /// higher, that is all but a version that was still current at the floor: so it stays with what
    /// branches began with, whatever main does later.
    fn keep_known(&mut self, older: Revision, floors: &Floors) {
        self.objects.retain(|key, object| {
            let floor = floors.of_key(key);
            let was_there = object.before.is_some_and(|before| before <= older);
            older >= floor || (object.first > floor && was_there)
        });
    }

    fn between(self, backwards: bool) -> Vec<ChangedObject> {
        let objects = self.objects.into_iter();
        let differing = objects.filter(|(_, object)| object.before != object.after);
        let change = |(key, Changes { before, after, .. })| match backwards {
            false => ChangedObject { key, before, after },
            true => ChangedObject { key, before: after, after: before },
        };
        differing.map(change).collect()
    }
}
