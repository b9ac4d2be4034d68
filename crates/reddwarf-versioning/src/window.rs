//! The bounded memory of recent changes, from which watches and recent reads are served.
//!
//! Changes are kept by collection, so that a quiet collection's watchers can resume from long
//! ago while a busy one turns over. Each collection has a *floor*: every change of it after
//! that revision is here. A floor is a commit's end: a commit is dropped whole or not at all.

use reddwarf_core::{BranchId, ChangeEvent, Collection, ReadError, Revision, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

/// How much a [`ChangeWindow`] holds.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimits {
    /// Changes of one collection.
    pub collection_events_max: usize,
    /// Bytes of all changes: a fixed cost for each, its version, and the frame that watchers
    /// share.
    pub bytes_max: usize,
}

impl Default for WindowLimits {
    fn default() -> Self {
        WindowLimits { collection_events_max: 16_384, bytes_max: 64 * 1024 * 1024 }
    }
}

/// What a change costs beside its object's bytes.
const EVENT_OVERHEAD_BYTES: usize = 384;

/// See the module's text.
#[derive(Debug)]
pub struct ChangeWindow {
    limits: WindowLimits,
    /// The floor of a collection that has not changed since.
    base: Revision,
    /// The end of the newest commit.
    end: Revision,
    /// Looked up by name only, never iterated where the order could matter.
    collections: HashMap<Collection, Changes>,
    /// The oldest change of each collection that has any, for dropping the oldest of all.
    oldest: BTreeMap<Revision, Collection>,
    bytes: usize,
}

#[derive(Debug)]
struct Changes {
    floor: Revision,
    events: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    event: Arc<ChangeEvent>,
    /// First revision of the commit, which may lie in another collection.
    commit_first: Revision,
}

impl Changes {
    /// Place of the first change after `revision`.
    fn after(&self, revision: Revision) -> usize {
        self.events.partition_point(|kept| kept.event.revision <= revision)
    }

    /// Drops the oldest commit; returns the bytes that it cost.
    fn drop_oldest(&mut self) -> usize {
        let Some(end) = self.events.front().map(|kept| kept.event.commit_end) else { return 0 };
        let mut bytes = 0;
        while self.events.front().is_some_and(|kept| kept.event.commit_end == end) {
            bytes += self.events.pop_front().map_or(0, |kept| cost(&kept.event));
        }
        self.floor = end;
        bytes
    }

    /// The end of the commit to which `revision` belongs, as far as this collection can tell;
    /// between commits, and in those of other collections, `revision` itself.
    fn commit_end(&self, revision: Revision) -> Revision {
        let at = self.after(revision);
        let earlier = at.checked_sub(1).and_then(|at| self.events.get(at));
        let covers =
            |kept: &&Kept| kept.commit_first <= revision && revision <= kept.event.commit_end;
        earlier
            .filter(covers)
            .or(self.events.get(at).filter(covers))
            .map_or(revision, |kept| kept.event.commit_end)
    }
}

fn cost(event: &ChangeEvent) -> usize {
    let object = event.after.as_ref().or(event.before.as_ref());
    EVENT_OVERHEAD_BYTES + object.map_or(0, |object| 2 * object.bytes.len())
}

impl ChangeWindow {
    /// An empty window that begins after `base`, a commit's end.
    pub fn new(base: Revision, limits: WindowLimits) -> Self {
        ChangeWindow {
            limits,
            base,
            end: base,
            collections: HashMap::new(),
            oldest: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The end of the newest commit.
    pub fn end(&self) -> Revision {
        self.end
    }

    /// Bytes held, as [`WindowLimits::bytes_max`] counts them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many changes are held.
    #[expect(clippy::disallowed_methods, reason = "a sum is the same in every order")]
    pub fn len(&self) -> usize {
        self.collections.values().map(|changes| changes.events.len()).sum()
    }

    /// Whether no change is held.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The oldest revision from which the changes of `collection` are complete.
    pub fn floor(&self, collection: &Collection) -> Revision {
        self.collections.get(collection).map_or(self.base, |changes| changes.floor)
    }

    /// Takes the changes of one whole commit, and drops the oldest ones beyond the limits.
    ///
    /// Calls `touched` once for each collection that the commit changed. The collections of a
    /// branch are kept under the names that [`Collection::on`] gives them.
    pub fn push(
        &mut self,
        branch: BranchId,
        events: &[Arc<ChangeEvent>],
        mut touched: impl FnMut(&Collection),
    ) {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return };
        let (first, end) = (first.revision, last.commit_end);
        let mut fresh: Vec<Collection> = Vec::new();
        for event in events {
            let collection = self.keep(branch, event, first);
            if let Some(collection) = collection.filter(|one| !fresh.contains(one)) {
                touched(&collection);
                fresh.push(collection);
            }
        }
        self.end = end;
        fresh.iter().for_each(|collection| self.drop_beyond_count(collection));
        self.drop_beyond_bytes();
    }

    /// Keeps one change; names its collection when the change is the first of its commit there.
    fn keep(
        &mut self,
        branch: BranchId,
        event: &Arc<ChangeEvent>,
        commit_first: Revision,
    ) -> Option<Collection> {
        self.bytes += cost(event);
        let kept = Kept { event: event.clone(), commit_first };
        let name = match branch {
            BranchId::MAIN => Cow::Borrowed(event.key.collection()),
            _ => Cow::Owned(collection_of(branch, event).as_str().to_owned()),
        };
        if let Some(changes) = self.collections.get_mut(name.as_ref()) {
            let newest = changes.events.back().map(|kept| kept.event.commit_end);
            changes.events.push_back(kept);
            if newest.is_none() {
                self.oldest.insert(event.revision, collection_of(branch, event));
            }
            return (newest != Some(event.commit_end)).then(|| collection_of(branch, event));
        }
        let collection = collection_of(branch, event);
        self.oldest.insert(event.revision, collection.clone());
        let changes = Changes { floor: self.base, events: VecDeque::from([kept]) };
        self.collections.insert(collection.clone(), changes);
        Some(collection)
    }

    fn drop_beyond_count(&mut self, collection: &Collection) {
        let limit = self.limits.collection_events_max;
        while self.collections.get(collection).is_some_and(|held| held.events.len() > limit) {
            self.drop_oldest(collection);
        }
    }

    fn drop_beyond_bytes(&mut self) {
        while self.bytes > self.limits.bytes_max {
            let Some((_, collection)) = self.oldest.first_key_value() else { return };
            let collection = collection.clone();
            self.drop_oldest(&collection);
        }
    }

    fn drop_oldest(&mut self, collection: &Collection) {
        let Some(changes) = self.collections.get_mut(collection) else { return };
        if let Some(oldest) = changes.events.front() {
            self.oldest.remove(&oldest.event.revision);
        }
        self.bytes -= changes.drop_oldest();
        if let Some(oldest) = changes.events.front() {
            self.oldest.insert(oldest.event.revision, collection.clone());
        }
    }

    /// The changes of `collection` after `from`, whole commits, at least `at_least` changes
    /// where there are as many; and the revision that they reach.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the floor. A `from` ahead of the window has no changes.
    pub fn changes(
        &self,
        collection: &Collection,
        from: Revision,
        at_least: usize,
    ) -> Result<(Vec<Arc<ChangeEvent>>, Revision), ReadError> {
        let reached = self.end.max(from);
        let Some(changes) = self.collections.get(collection) else {
            return if from < self.base {
                Err(self.gone(collection, from))
            } else {
                Ok((vec![], reached))
            };
        };
        if from < changes.floor {
            return Err(self.gone(collection, from));
        }
        let places = changes.after(from)..changes.events.len();
        let cut = whole_commits(&changes.events, places.clone(), at_least);
        let reached =
            if cut == places.end { reached } else { changes.events[cut - 1].event.commit_end };
        let events = changes.events.range(places.start..cut).map(|k| k.event.clone()).collect();
        Ok((events, reached))
    }

    /// Whether `collection` changed after `from`.
    pub fn changed_after(&self, collection: &Collection, from: Revision) -> bool {
        self.collections
            .get(collection)
            .and_then(|changes| changes.events.back())
            .is_some_and(|newest| newest.event.revision > from)
    }

    /// What separates `newest`, the view at this window's end, from `collection` as it was at
    /// `revision`. Cheap: [`Undo::view`] does the work, after any lock on the window is freed.
    ///
    /// # Errors
    /// [`ReadError::Gone`] below the floor, [`ReadError::Future`] beyond the newest commit.
    pub fn undo(
        &self,
        newest: View,
        collection: &Collection,
        revision: Revision,
    ) -> Result<Undo, ReadError> {
        if revision > newest.revision {
            return Err(ReadError::Future { asked: revision, current: newest.revision });
        }
        if revision < self.floor(collection) {
            return Err(self.gone(collection, revision));
        }
        let Some(changes) = self.collections.get(collection) else {
            return Ok(Undo { newest, revision, events: Vec::new() });
        };
        let revision = changes.commit_end(revision);
        let events = changes.events.range(changes.after(revision)..);
        let events = events.map(|kept| kept.event.clone()).collect();
        Ok(Undo { newest, revision, events })
    }

    fn gone(&self, collection: &Collection, asked: Revision) -> ReadError {
        ReadError::Gone { asked, floor: self.floor(collection) }
    }
}

/// A view and the changes to be taken back from it.
#[derive(Debug)]
pub struct Undo {
    newest: View,
    revision: Revision,
    events: Vec<Arc<ChangeEvent>>,
}

impl Undo {
    /// The collection as it was. Its revision is the one asked for, rounded up to the end of
    /// its commit; other collections are as they are now and may not be read.
    pub fn view(self) -> View {
        self.view_over(&View::default())
    }

    /// [`Undo::view`] on a branch, whose first changes of the objects of its `base` are taken back
    /// to what stands there.
    pub fn view_over(self, base: &View) -> View {
        let mut view = self.newest;
        view.revision = self.revision;
        for event in self.events.iter().rev() {
            let before = match event.changes_base {
                true => base.get(&event.key),
                false => event.before.as_ref(),
            };
            match before {
                Some(before) => view.objects.insert(event.key.clone(), before.clone()),
                None => view.objects.remove(&event.key),
            };
        }
        view
    }
}

fn collection_of(branch: BranchId, event: &ChangeEvent) -> Collection {
    Collection::new(event.key.group(), event.key.resource()).on(branch)
}

/// The end of the shortest run of whole commits in `places` with `at_least` changes, or of all.
fn whole_commits(events: &VecDeque<Kept>, places: Range<usize>, at_least: usize) -> usize {
    let Some(mut cut) = places.start.checked_add(at_least).filter(|cut| *cut < places.end) else {
        return places.end;
    };
    let Some(last) = cut.checked_sub(1).and_then(|at| events.get(at)) else { return cut };
    let end = last.event.commit_end;
    while cut < places.end && events[cut].event.commit_end == end {
        cut += 1;
    }
    cut
}
