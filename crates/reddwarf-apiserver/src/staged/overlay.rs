//! Changes over a state, and what they rely on in it.

use bytes::Bytes;
use reddwarf_core::object::splice_revision;
use reddwarf_core::{
    Change, CommitId, Committed, Expectation, ObjectKey, Precondition, Rejection, Revision,
    StoredObject, View, content_hash,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// A state and the changes that were made to it.
///
/// Revisions of what was changed are provisional: they order the changes, and no two are equal.
pub(crate) struct Overlay {
    base: View,
    view: View,
    /// What was expected of objects of the base before they were changed here.
    conditions: BTreeMap<ObjectKey, Expectation>,
    /// In the order in which keys were first changed; `None` where nothing is left of a change.
    changes: Vec<Option<Change>>,
    /// Where the change of a key stands.
    places: BTreeMap<ObjectKey, usize>,
    /// Bytes of all objects that are to be stored.
    bytes: usize,
}

/// One write that does what many did.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Staged {
    /// By key, each once.
    pub(crate) preconditions: Vec<Precondition>,
    /// In the order in which keys were first changed, each once.
    pub(crate) changes: Vec<Change>,
}

impl Overlay {
    /// Nothing over `base`.
    pub(crate) fn new(base: View) -> Overlay {
        Overlay {
            view: base.clone(),
            base,
            conditions: BTreeMap::new(),
            changes: Vec::new(),
            places: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// The state with the changes.
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    /// The state without them.
    pub(crate) fn base(&self) -> &View {
        &self.base
    }

    /// How many objects change, and how many bytes are to be stored.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.places.len(), self.bytes)
    }

    /// What becomes of a key; `None` when it stays as it is.
    pub(crate) fn change(&self, key: &ObjectKey) -> Option<&Change> {
        self.changes[*self.places.get(key)?].as_ref()
    }

    /// Makes what is said of a key in the base a condition of the whole, unless it was changed.
    pub(crate) fn rely_on(&mut self, key: &ObjectKey) {
        let found = self.base.get(key).map(|object| object.revision);
        self.expect(key, found.map_or(Expectation::Absent, Expectation::At));
    }

    /// Makes conditions of the base those of the whole; nothing was changed yet.
    pub(crate) fn require(&mut self, conditions: &[Precondition]) {
        for condition in conditions {
            self.expect_of_base(&condition.key, condition.expect);
        }
    }

    /// Makes changes if their preconditions hold here, as `apply` does to the state of the group.
    ///
    /// # Errors
    /// The rejection that a group with this state gives; nothing changed then.
    pub(crate) fn write(
        &mut self,
        preconditions: &[Precondition],
        changes: Vec<Change>,
    ) -> Result<Committed, Rejection> {
        for (at, condition) in preconditions.iter().enumerate() {
            self.check(at as u32, condition)?;
        }
        self.check_changes(&changes)?;
        for condition in preconditions {
            self.expect(&condition.key, condition.expect);
        }
        let first = self.view.revision.next();
        changes.into_iter().for_each(|change| self.put(change));
        Ok(Committed { id: CommitId([0; 32]), first, last: self.view.revision })
    }

    /// The write that does it all; empty when nothing is left to do.
    pub(crate) fn staged(&self) -> Staged {
        let conditions = self.conditions.iter();
        let preconditions =
            conditions.map(|(key, expect)| Precondition { key: key.clone(), expect: *expect });
        let changes = self.changes.iter().flatten().cloned().collect();
        Staged { preconditions: preconditions.collect(), changes }
    }

    fn check(&self, at: u32, condition: &Precondition) -> Result<(), Rejection> {
        let found = self.view.get(&condition.key).map(|object| object.revision);
        if holds(condition.expect, found) {
            return Ok(());
        }
        Err(Rejection::Precondition { at, key: condition.key.clone(), found })
    }

    fn check_changes(&self, changes: &[Change]) -> Result<(), Rejection> {
        let mut keys: Vec<&ObjectKey> = changes.iter().map(Change::key).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Rejection::Malformed(format!("{} stands twice", pair[0])));
        }
        let absent = |change: &&Change| matches!(change, Change::Delete { key } if self.view.get(key).is_none());
        match changes.iter().find(absent) {
            Some(change) => {
                let key = change.key();
                Err(Rejection::Malformed(format!("delete of {key}, which is absent")))
            }
            None if changes.is_empty() => Err(Rejection::Malformed("no changes".into())),
            None => Ok(()),
        }
    }

    /// Keeps a condition. What is expected of a key that was changed here was checked here, and
    /// says nothing of the base.
    fn expect(&mut self, key: &ObjectKey, expect: Expectation) {
        if !self.places.contains_key(key) {
            self.expect_of_base(key, expect);
        }
    }

    fn expect_of_base(&mut self, key: &ObjectKey, expect: Expectation) {
        match self.conditions.entry(key.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(expect)),
            // They are about one and the same state, so the narrower one implies the other.
            Entry::Occupied(mut entry) if *entry.get() == Expectation::Present => {
                entry.insert(expect);
            }
            Entry::Occupied(_) => {}
        }
    }

    fn put(&mut self, change: Change) {
        let key = change.key().clone();
        let before = self.view.get(&key).cloned();
        self.view.revision = self.view.revision.next();
        self.bytes += body_bytes(&change);
        self.bytes -= self.change(&key).map_or(0, body_bytes);
        if let Some(object) = stored(&change, self.view.revision, before.as_deref()) {
            self.view.objects.insert(key.clone(), object);
            return self.place(key, change);
        }
        self.view.objects.remove(&key);
        // Without a condition the group could take the deletion of what is gone by then for
        // malformed, or keep what somebody else made meanwhile.
        if self.base.get(&key).is_some() {
            self.expect_of_base(&key, Expectation::Present);
            return self.place(key, change);
        }
        self.expect_of_base(&key, Expectation::Absent);
        if let Some(at) = self.places.remove(&key) {
            self.changes[at] = None;
        }
    }

    fn place(&mut self, key: ObjectKey, change: Change) {
        match self.places.entry(key) {
            Entry::Occupied(place) => self.changes[*place.get()] = Some(change),
            Entry::Vacant(place) => {
                place.insert(self.changes.len());
                self.changes.push(Some(change));
            }
        }
    }
}

/// Whether a key at which `found` is stored is as expected.
pub(crate) fn holds(expect: Expectation, found: Option<Revision>) -> bool {
    match expect {
        Expectation::Absent => found.is_none(),
        Expectation::Present => found.is_some(),
        Expectation::At(revision) => found == Some(revision),
    }
}

fn body_bytes(change: &Change) -> usize {
    match change {
        Change::Put { body, .. } => body.len(),
        Change::Delete { .. } => 0,
    }
}

/// The object that a change stores, as `apply` makes it.
fn stored(
    change: &Change,
    revision: Revision,
    before: Option<&StoredObject>,
) -> Option<Arc<StoredObject>> {
    let Change::Put { key, body, version_offset, index, salt } = change else { return None };
    let bytes: Bytes = splice_revision(body, *version_offset as usize, 0, revision);
    let digits = (bytes.len() - body.len()) as u8;
    let content = content_hash(&bytes, salt.as_ref());
    Some(Arc::new(StoredObject {
        key: key.clone(),
        revision,
        created: before.map_or(revision, |before| before.created),
        bytes,
        version_at: (*version_offset, digits),
        index: index.clone(),
        salt: *salt,
        content,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use reddwarf_core::ObjectIndex;

    const OFFSET: usize = r#"{"metadata":{"resourceVersion":""#.len();

    fn key(n: u8) -> ObjectKey {
        ObjectKey::new("", "configmaps", "shop", &format!("m{n}"))
    }

    fn put(n: u8, data: u8) -> Change {
        let body = format!(r#"{{"metadata":{{"resourceVersion":""}},"data":{data}}}"#);
        let (version_offset, index) = (OFFSET as u32, ObjectIndex::default());
        Change::Put { key: key(n), body: body.into(), version_offset, index, salt: None }
    }

    fn at(n: u8, expect: Expectation) -> Precondition {
        Precondition { key: key(n), expect }
    }

    /// The objects `m0`, `m1` and `m2`, at revisions 1 to 3.
    fn base() -> View {
        let mut overlay = Overlay::new(View::default());
        overlay.write(&[], (0..3).map(|n| put(n, n)).collect()).expect("written");
        overlay.view
    }

    /// What is stored, without revisions.
    fn data(view: &View) -> BTreeMap<ObjectKey, Vec<u8>> {
        let tail = |object: &StoredObject| {
            let end = object.version_at.0 as usize + object.version_at.1 as usize;
            object.bytes[end..].to_vec()
        };
        view.objects.iter().map(|(key, object)| (key.clone(), tail(object))).collect()
    }

    #[test]
    fn later_writes_replace_earlier_ones_in_their_place() {
        let mut overlay = Overlay::new(base());
        let first = overlay.write(&[at(7, Expectation::Absent)], vec![put(7, 1)]).expect("made");
        overlay.write(&[], vec![put(0, 9)]).expect("changed");
        let still = at(7, Expectation::At(first.first));
        overlay.write(std::slice::from_ref(&still), vec![put(7, 2)]).expect("changed again");
        let staged = overlay.staged();
        assert_eq!(staged.changes, [put(7, 2), put(0, 9)]);
        assert_eq!(staged.preconditions, [at(7, Expectation::Absent)]);
        let rejected = overlay.write(&[still], vec![put(7, 3)]).expect_err("it has moved");
        assert!(matches!(rejected, Rejection::Precondition { at: 0, .. }), "{rejected}");
        assert_eq!(overlay.staged(), staged, "a rejected write changes nothing");
    }

    #[test]
    fn nothing_is_left_of_what_comes_and_goes() {
        let mut overlay = Overlay::new(base());
        overlay.write(&[], vec![put(7, 1)]).expect("made");
        overlay.write(&[], vec![Change::Delete { key: key(7) }]).expect("deleted");
        let staged = overlay.staged();
        assert_eq!((staged.changes.len(), overlay.size()), (0, (0, 0)));
        assert_eq!(staged.preconditions, [at(7, Expectation::Absent)]);
    }

    #[test]
    fn a_deletion_needs_something_to_delete() {
        let mut overlay = Overlay::new(base());
        let delete = |n| vec![Change::Delete { key: key(n) }];
        overlay.write(&[], vec![put(1, 5)]).expect("changed blindly");
        overlay.write(&[], delete(1)).expect("deleted");
        assert!(matches!(overlay.write(&[], delete(1)), Err(Rejection::Malformed(_))));
        let staged = overlay.staged();
        assert_eq!(staged.changes, delete(1));
        assert_eq!(staged.preconditions, [at(1, Expectation::Present)]);
    }

    #[test]
    fn the_narrower_condition_stays() {
        let mut overlay = Overlay::new(base());
        let conditions = [at(0, Expectation::Present), at(0, Expectation::At(Revision(1)))];
        overlay.write(&conditions, vec![put(7, 1)]).expect("made");
        overlay.write(&[at(0, Expectation::Present)], vec![put(8, 1)]).expect("made");
        overlay.rely_on(&key(1));
        overlay.rely_on(&key(7));
        let wanted = [at(0, Expectation::At(Revision(1))), at(1, Expectation::At(Revision(2)))];
        assert_eq!(overlay.staged().preconditions, wanted);
    }

    /// A write of the test: a key, what is put there or its deletion, and an expectation of the
    /// same or of another key: true ones and others.
    type Step = (u8, Option<u8>, Option<(u8, u8)>);

    fn step() -> impl Strategy<Value = Step> {
        (0_u8..6, proptest::option::of(0_u8..4), proptest::option::of((0_u8..6, 0_u8..3)))
    }

    fn expectation(view: &View, (n, what): (u8, u8)) -> Precondition {
        let found = view.get(&key(n)).map(|object| object.revision);
        let expect = match (what, found) {
            (0, _) => Expectation::Absent,
            (1, _) => Expectation::Present,
            (_, found) => Expectation::At(found.unwrap_or(Revision(1))),
        };
        at(n, expect)
    }

    proptest! {
        /// The one write does to the base what all writes did one after the other.
        #[test]
        fn one_write_does_what_many_did(steps in proptest::collection::vec(step(), 0..40)) {
            let mut overlay = Overlay::new(base());
            let mut model = base();
            for (n, content, expected) in steps {
                let change = content.map_or(Change::Delete { key: key(n) }, |d| put(n, d));
                let condition = expected.map(|expected| expectation(&model, expected));
                let found = |key: &ObjectKey| model.get(key).map(|object| object.revision);
                let allowed = condition.iter().all(|c| holds(c.expect, found(&c.key)))
                    && (content.is_some() || found(&key(n)).is_some());
                let written = overlay.write(condition.as_slice(), vec![change.clone()]);
                prop_assert_eq!(written.is_ok(), allowed);
                if !allowed {
                    continue;
                }
                model.revision = model.revision.next();
                match stored(&change, model.revision, None) {
                    Some(object) => drop(model.objects.insert(key(n), object)),
                    None => drop(model.objects.remove(&key(n))),
                }
                prop_assert_eq!(data(overlay.view()), data(&model));
            }
            let staged = overlay.staged();
            let mut landed = Overlay::new(base());
            if staged.changes.is_empty() {
                prop_assert_eq!(data(landed.view()), data(&model));
            } else {
                landed.write(&staged.preconditions, staged.changes.clone()).expect("it holds");
                prop_assert_eq!(data(landed.view()), data(&model));
            }
            let bytes: usize = staged.changes.iter().map(body_bytes).sum();
            prop_assert_eq!(overlay.size(), (staged.changes.len(), bytes));
            let mut keys: Vec<_> = staged.changes.iter().map(Change::key).collect();
            keys.sort_unstable();
            keys.dedup();
            prop_assert_eq!(keys.len(), staged.changes.len());
        }
    }
}
