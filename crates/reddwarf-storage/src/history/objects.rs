//! Reading objects as they were, and their logs, by the `history` table.

use super::{HistoryReader, READ_BYTES_MAX, READ_ROWS_MAX, Reading};
use crate::commit_row::CommitRow;
use crate::{KvError, Table, rows, version_row};
use reddwarf_core::history::OBJECT_LOG_MAX;
use reddwarf_core::{
    BranchId, Collection, HistoryError, ObjectKey, ObjectLogEntry, Revision, StoredObject, View,
};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

impl HistoryReader {
    /// See [`reddwarf_core::History::object_log`].
    ///
    /// # Errors
    /// See there.
    pub fn object_log(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        before: Option<Revision>,
        limit: usize,
    ) -> Result<Vec<ObjectLogEntry>, HistoryError> {
        let reading = self.begin()?;
        reading.head(branch)?;
        let mut log = Vec::new();
        let limit = limit.clamp(1, OBJECT_LOG_MAX);
        let newest = match before {
            Some(Revision::ZERO) => return Ok(log),
            Some(before) => Revision(before.0 - 1),
            None => Revision::MAX,
        };
        reading.log_back(branch, key, newest, &mut |entry| {
            log.push(entry);
            log.len() < limit
        })?;
        Ok(log)
    }

    /// See [`reddwarf_core::History::version`].
    ///
    /// # Errors
    /// See there.
    pub fn version(&self, revision: Revision) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        let reading = self.begin()?;
        match reading.stored(revision)? {
            Some((object, _)) => Ok(Some(object)),
            None => {
                reading.check_kept(revision)?;
                match reading.lost(revision)? {
                    Some(floor) => Err(HistoryError::Gone { asked: revision, floor }),
                    None => Ok(None),
                }
            }
        }
    }

    /// See [`reddwarf_core::History::object_at`].
    ///
    /// # Errors
    /// See there.
    pub fn object_at(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<Arc<StoredObject>>, HistoryError> {
        let reading = self.begin()?;
        let revision = reading.resolve(branch, revision)?;
        reading.check_key(branch, key, revision)?;
        match reading.newest(branch, key, revision)? {
            Some(entry) if !entry.deleted => Ok(Some(reading.named(entry.revision)?.0)),
            _ => Ok(None),
        }
    }

    /// See [`reddwarf_core::History::collection_at`].
    ///
    /// Versions that `known`, some view of the same state, holds too are shared with it and not
    /// read again.
    ///
    /// # Errors
    /// See there.
    pub fn collection_at(
        &self,
        branch: BranchId,
        collection: &Collection,
        namespace: Option<&str>,
        revision: Revision,
        known: &View,
    ) -> Result<View, HistoryError> {
        let prefix = match namespace {
            Some(namespace) => collection.namespace_prefix(namespace),
            None => collection.prefix(),
        };
        let mut walk = Walk::new(branch, &prefix, self.begin()?.resolve(branch, revision)?, known);
        loop {
            let reading = self.begin()?;
            reading.check_kept(revision)?;
            reading.check_collection(branch, collection, namespace, revision)?;
            if walk.go_on(&reading)? {
                walk.view.clock_ms = reading.checkpoint.clock_ms;
                return Ok(walk.view);
            }
        }
    }
}

impl HistoryReader {
    /// See [`reddwarf_core::History::state_at`]. `present` is the state at some commit's end that
    /// the file holds, whose versions are shared.
    ///
    /// # Errors
    /// See there.
    pub fn state_at(&self, revision: Revision, present: &View) -> Result<View, HistoryError> {
        let revision = self.begin()?.resolve(BranchId::MAIN, revision)?;
        let changed = self.changed_between(BranchId::MAIN, revision, present.revision)?;
        let mut view = View {
            revision,
            objects: present.objects.clone(),
            clock_ms: present.clock_ms,
            ..View::default()
        };
        for some in changed.chunks(READ_ROWS_MAX) {
            let reading = self.begin()?;
            reading.check_kept(revision)?;
            for object in some {
                match object.before {
                    Some(before) => match reading.named(before) {
                        Ok((before, _)) => drop(view.objects.insert(before.key.clone(), before)),
                        Err(HistoryError::Excised(_)) => drop(view.objects.remove(&object.key)),
                        Err(error) => return Err(error),
                    },
                    None => drop(view.objects.remove(&object.key)),
                }
            }
        }
        // What is no longer kept as of then is not there, rather than as it is now.
        let floors = self.begin()?.checkpoint.floors;
        if revision < floors.highest() {
            let lost = |(key, object): &(&ObjectKey, &Arc<StoredObject>)| {
                object.revision > revision && revision < floors.of_key(key)
            };
            let lost: Vec<ObjectKey> =
                view.objects.iter().filter(lost).map(|(key, _)| key.clone()).collect();
            lost.iter().for_each(|key| drop(view.objects.remove(key)));
        }
        Ok(view)
    }
}

impl Reading {
    /// Tells the changes of an object up to `newest`, the last one first, while `visit` wants more.
    fn log_back(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        newest: Revision,
        visit: &mut dyn FnMut(ObjectLogEntry) -> bool,
    ) -> Result<(), KvError> {
        let from = rows::history_key(branch, key, Revision::ZERO);
        let to = rows::history_key(branch, key, newest);
        let bounds = (Bound::Included(&from[..]), Bound::Included(&to[..]));
        self.read.scan_back(Table::History, bounds, &mut |key, value| {
            let (revision, deleted) = rows::read_history(key, value)?;
            let more = visit(ObjectLogEntry { revision, deleted });
            Ok(if more { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    }

    /// The newest change of an object up to `revision`.
    fn newest(
        &self,
        branch: BranchId,
        key: &ObjectKey,
        revision: Revision,
    ) -> Result<Option<ObjectLogEntry>, KvError> {
        let mut found = None;
        self.log_back(branch, key, revision, &mut |entry| {
            found = Some(entry);
            false
        })?;
        Ok(found)
    }

    /// The version that took `revision`, and the length of its record.
    fn stored(
        &self,
        revision: Revision,
    ) -> Result<Option<(Arc<StoredObject>, usize)>, HistoryError> {
        if self.read.get(Table::Excised, &rows::number_key(revision.0))?.is_some() {
            return Err(HistoryError::Excised(revision));
        }
        Ok(match version_row::record(self.read.as_ref(), revision)? {
            Some(value) => {
                let object = rows::read_version(revision, &value)?;
                Some((Arc::new(object), value.len()))
            }
            None => None,
        })
    }

    /// Like [`Reading::stored`] for a revision that a row names.
    fn named(&self, revision: Revision) -> Result<(Arc<StoredObject>, usize), HistoryError> {
        self.stored(revision)?.ok_or_else(|| {
            let key = rows::number_key(revision.0);
            let text = "missing, though the object's history names it";
            KvError::row(Table::Versions, &key, text).into()
        })
    }

    /// For a revision without a version: from where on it is kept, when it is not.
    fn lost(&self, revision: Revision) -> Result<Option<Revision>, KvError> {
        Ok(match self.first_from(revision)? {
            Some(CommitRow::Squashed(run)) => Some(run.last),
            Some(CommitRow::Commit(commit)) => {
                let mut changes = commit.header.changes.iter();
                let change = changes.find(|change| change.after == revision && !change.deleted);
                let floor = change.map(|change| self.checkpoint.floors.of_key(&change.key));
                floor.filter(|floor| *floor > revision)
            }
            None => None,
        })
    }
}

/// Goes over the keys of a collection, over any number of read transactions.
struct Walk<'a> {
    branch: BranchId,
    revision: Revision,
    known: &'a View,
    view: View,
    /// With what the rows of the collection begin.
    prefix: Vec<u8>,
    /// No row of an object before this one is wanted any more.
    from: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(branch: BranchId, prefix: &str, revision: Revision, known: &'a View) -> Self {
        let prefix = rows::history_prefix(branch, prefix);
        let view = View { revision, ..View::default() };
        Walk { branch, revision, known, view, from: prefix.clone(), prefix }
    }

    /// Adds objects within the bounds of one transaction; `true` when there are no more.
    fn go_on(&mut self, reading: &Reading) -> Result<bool, HistoryError> {
        let mut bytes = 0;
        for _ in 0..READ_ROWS_MAX {
            let Some(first) = self.next_row(reading)? else { return Ok(true) };
            self.from = rows::history_after(&first);
            let key = rows::history_object(&first)?;
            bytes += self.add(reading, key)?;
            if bytes >= READ_BYTES_MAX {
                break;
            }
        }
        Ok(false)
    }

    /// Key of the first row of the next object.
    fn next_row(&self, reading: &Reading) -> Result<Option<Vec<u8>>, KvError> {
        let mut found = None;
        let bounds = (Bound::Included(&self.from[..]), Bound::Unbounded);
        reading.read.scan(Table::History, bounds, &mut |key, _| {
            found = key.starts_with(&self.prefix).then(|| key.to_vec());
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Adds the object at `key` if it was there; the bytes that were read for it.
    fn add(&mut self, reading: &Reading, key: ObjectKey) -> Result<usize, HistoryError> {
        let Some(entry) = reading.newest(self.branch, &key, self.revision)? else { return Ok(0) };
        if entry.deleted {
            return Ok(0);
        }
        let current = self.known.get(&key).filter(|known| known.revision == entry.revision);
        let (object, bytes) = match current {
            Some(known) => (known.clone(), 0),
            None => reading.named(entry.revision)?,
        };
        self.view.objects.insert(object.key.clone(), object);
        Ok(bytes)
    }
}
