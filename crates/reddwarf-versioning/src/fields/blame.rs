//! Which version last set each field of an object.

use super::diff::{ChangeKind, diff};
use super::items::{Items, text};
use reddwarf_core::{FieldPath, PathSegment, Relation, Revision, Topology};
use serde_json::Value;
use std::collections::BTreeMap;

/// A field of the newest version, and the version that gave it its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlamedField {
    /// The field: a scalar, an atomic or empty list or map, or the item of a set.
    pub path: FieldPath,
    /// Its value.
    pub value: Value,
    /// The revision that last set it.
    pub revision: Revision,
}

/// A place as texts that are equal for equal places only.
type Address = Vec<String>;

/// Goes back from an object's newest version, as far as it takes to know who set every field.
pub struct Blame<'t> {
    topology: &'t dyn Topology,
    /// The oldest version told so far.
    revision: Revision,
    object: Option<Value>,
    /// Fields that have been the same since that version.
    open: BTreeMap<Address, (FieldPath, Value)>,
    blamed: BTreeMap<Address, BlamedField>,
}

/// Which of `versions`, the newest first, last set each field of the newest one; see [`Blame`].
///
/// Takes only as many versions as are needed.
pub fn blame(
    versions: impl IntoIterator<Item = (Revision, Option<Value>)>,
    topology: &dyn Topology,
) -> Vec<BlamedField> {
    let mut versions = versions.into_iter();
    let Some((revision, newest)) = versions.next() else { return Vec::new() };
    let mut blame = Blame::new(revision, newest, topology);
    while !blame.is_settled()
        && let Some((revision, object)) = versions.next()
    {
        blame.older(revision, object);
    }
    blame.finish()
}

impl<'t> Blame<'t> {
    /// Begins with the newest version, which is `None` when the object is deleted.
    pub fn new(revision: Revision, object: Option<Value>, topology: &'t dyn Topology) -> Self {
        let mut open = BTreeMap::new();
        if let Some(object) = &object {
            leaves(object, &mut FieldPath::root(), topology, &mut |path, value| {
                open.insert(address(path), (path.clone(), value.clone()));
            });
        }
        Blame { topology, revision, object, open, blamed: BTreeMap::new() }
    }

    /// Whether every field is settled, so that no older version tells anything.
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Tells the version before the ones told so far; `None` is a deletion.
    pub fn older(&mut self, revision: Revision, object: Option<Value>) {
        for change in diff(object.as_ref(), self.object.as_ref(), self.topology) {
            let place = address(&change.path);
            if change.kind == ChangeKind::Value {
                self.settle_below(&place, object.as_ref());
            }
            // What is taken apart in these versions may be one field of the newest.
            (0..=place.len()).for_each(|length| self.settle(&place[..length], object.as_ref()));
        }
        (self.revision, self.object) = (revision, object);
    }

    /// The fields, sorted by place. Those not settled are told with the oldest version that was
    /// told: who has not come to the object's creation knows that it was this one or an older one.
    pub fn finish(mut self) -> Vec<BlamedField> {
        self.settle_below(&Address::new(), None);
        self.blamed.into_values().collect()
    }

    /// Blames the oldest version for the field at a place, if it is open and not the same in
    /// `older`, the version before.
    fn settle(&mut self, place: &[String], older: Option<&Value>) {
        let differs = |(path, value): &(FieldPath, Value)| {
            older.and_then(|older| path.get(older)) != Some(value)
        };
        if self.open.get(place).is_some_and(differs)
            && let Some((address, (path, value))) = self.open.remove_entry(place)
        {
            let revision = self.revision;
            self.blamed.insert(address, BlamedField { path, value, revision });
        }
    }

    /// Does so for all fields at and below a place.
    fn settle_below(&mut self, place: &Address, older: Option<&Value>) {
        let fields = self.open.range(place.clone()..).map(|(address, _)| address);
        let fields = fields.take_while(|address| address.starts_with(place));
        for address in fields.cloned().collect::<Vec<_>>() {
            self.settle(&address, older);
        }
    }
}

fn address(path: &FieldPath) -> Address {
    path.segments().iter().map(text).collect()
}

/// Visits what is not taken apart further.
fn leaves(
    value: &Value,
    path: &mut FieldPath,
    topology: &dyn Topology,
    visit: &mut dyn FnMut(&FieldPath, &Value),
) {
    let parts = parts(value, path, topology);
    if parts.is_empty() {
        visit(path, value);
    }
    for (segment, part) in parts {
        path.push(segment);
        leaves(part, path, topology, visit);
        path.pop();
    }
}

/// What stands for itself within a value; nothing when the value is one field.
fn parts<'v>(
    value: &'v Value,
    path: &FieldPath,
    topology: &dyn Topology,
) -> Vec<(PathSegment, &'v Value)> {
    match value {
        Value::Object(fields) if topology.relation(path, value) == Relation::Granular => {
            fields.iter().map(|(name, part)| (PathSegment::field(name), part)).collect()
        }
        Value::Array(items) => match Items::of(items, &topology.relation(path, value)) {
            Some(items) => items.iter().map(|(name, part)| (name.clone(), part)).collect(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}
