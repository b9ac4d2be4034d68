//! What two versions of an object become together.

use super::items::Items;
use super::sequence::{Order, sequence};
use reddwarf_core::{FieldPath, PathSegment, Relation, Topology};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An object merged from two versions of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The object; `None` is its absence. Where there is a conflict it has what ours has.
    pub value: Option<Value>,
    /// What both changed in different ways: fields sorted by name, items in the order of ours and
    /// then those that only theirs has.
    pub conflicts: Vec<Conflict>,
}

/// A part that both versions changed in different ways; `None` where it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The part, as deep as says it precisely: what one version removed and the other changed is
    /// one conflict with all that is below it.
    pub path: FieldPath,
    /// How it was before both.
    pub base: Option<Value>,
    /// How our version has it.
    pub ours: Option<Value>,
    /// How their version has it.
    pub theirs: Option<Value>,
}

/// One of two versions that are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The version that is merged into.
    Ours,
    /// The version that is merged.
    Theirs,
}

/// Merges two versions of an object that both come from `base`, where `None` is its absence.
///
/// What only one version changed is taken from it, and what both changed alike is taken once.
/// Fields and items that `topology` lets stand for themselves are merged each for itself, also
/// where `base` has no such map or list, as with an object that both versions created. What else
/// both changed is a conflict, unless `prefer` names a side for its path or for one above it; the
/// nearest path decides.
///
/// A map has the fields of ours in their order, then the new ones of theirs. A list whose items
/// are told apart has the order of ours, or that of theirs where only they reordered `base`'s
/// items, or where both did and theirs are preferred; an item that only the other has follows the
/// same neighbour as there, after what else is new in that place. Order is never a conflict.
///
/// Takes time in proportion to the objects' size, but for the logarithm of the length of lists.
pub fn merge(
    base: Option<&Value>,
    ours: Option<&Value>,
    theirs: Option<&Value>,
    topology: &dyn Topology,
    prefer: &dyn Fn(&FieldPath) -> Option<Side>,
) -> Merged {
    let (path, conflicts) = (FieldPath::root(), Vec::new());
    let mut walk = Walk { topology, prefer, path, conflicts, undecided: false };
    let value = walk.merge(Versions { base, ours, theirs });
    Merged { value, conflicts: walk.conflicts }
}

/// What stands in the answer of [`common`] for a part in which the versions are at odds. No object
/// has it.
pub const UNDECIDED: &str = "\0the merge bases differ";

/// What two versions of an object that both come from `base` have become together, to be the base of
/// a merge itself, where lines have several merge bases.
///
/// A part that both changed in different ways becomes [`UNDECIDED`], which neither side of that merge
/// has: unless they agree on it, it is a conflict there.
pub fn common(
    base: Option<&Value>,
    one: Option<&Value>,
    other: Option<&Value>,
    topology: &dyn Topology,
) -> Option<Value> {
    let (path, conflicts) = (FieldPath::root(), Vec::new());
    let mut walk = Walk { topology, prefer: &|_| None, path, conflicts, undecided: true };
    walk.merge(Versions { base, ours: one, theirs: other })
}

/// One part in the three versions.
#[derive(Clone, Copy)]
struct Versions<'v> {
    base: Option<&'v Value>,
    ours: Option<&'v Value>,
    theirs: Option<&'v Value>,
}

/// The same in maps whose fields stand for themselves, or lists whose items are told apart.
enum Parts<'v> {
    Fields { base: Option<&'v Fields>, ours: &'v Fields, theirs: &'v Fields },
    Items { base: Items<'v>, ours: Items<'v>, theirs: Items<'v> },
}

type Fields = Map<String, Value>;

/// A walk through three versions at the same time.
struct Walk<'m> {
    topology: &'m dyn Topology,
    prefer: &'m dyn Fn(&FieldPath) -> Option<Side>,
    path: FieldPath,
    conflicts: Vec<Conflict>,
    /// Whether what is at odds is to say so, rather than be what ours is.
    undecided: bool,
}

impl Walk<'_> {
    fn merge(&mut self, versions: Versions<'_>) -> Option<Value> {
        let Versions { base, ours, theirs } = versions;
        if ours == theirs || theirs == base {
            return ours.cloned();
        }
        if ours == base {
            return theirs.cloned();
        }
        match self.parts(versions) {
            Some(Parts::Fields { base, ours, theirs }) => Some(self.fields(base, ours, theirs)),
            Some(Parts::Items { base, ours, theirs }) => Some(self.items(&base, &ours, &theirs)),
            None => self.whole(versions),
        }
    }

    /// Takes the versions apart; `None` when one of them is not to be taken apart.
    fn parts<'v>(&self, versions: Versions<'v>) -> Option<Parts<'v>> {
        let Versions { ours, theirs, .. } = versions;
        let base = versions.base.filter(|base| !base.is_null());
        let relation = |value: &Value| self.topology.relation(&self.path, value);
        let items = |value: &'v Value| Items::of(value.as_array()?, &relation(value));
        let fields =
            |value: &'v Value| value.as_object().filter(|_| relation(value) == Relation::Granular);
        let (ours, theirs) = (ours?, theirs?);
        if ours.is_array() {
            let none = || Items::of(&[], &Relation::Set);
            let base = base.map_or_else(none, items)?;
            return Some(Parts::Items { base, ours: items(ours)?, theirs: items(theirs)? });
        }
        let base = match base {
            Some(base) => Some(fields(base)?),
            None => None,
        };
        Some(Parts::Fields { base, ours: fields(ours)?, theirs: fields(theirs)? })
    }

    /// Merges what both changed, and what is not taken apart.
    fn whole(&mut self, versions: Versions<'_>) -> Option<Value> {
        let Versions { base, ours, theirs } = versions;
        if self.undecided {
            return Some(UNDECIDED.into());
        }
        match self.preferred() {
            Some(Side::Theirs) => return theirs.cloned(),
            Some(Side::Ours) => {}
            None => self.conflicts.push(Conflict {
                path: self.path.clone(),
                base: base.cloned(),
                ours: ours.cloned(),
                theirs: theirs.cloned(),
            }),
        }
        ours.cloned()
    }

    /// The side that is preferred for where the walk is.
    fn preferred(&self) -> Option<Side> {
        let mut path = self.path.clone();
        loop {
            let side = (self.prefer)(&path);
            if side.is_some() || path.pop().is_none() {
                return side;
            }
        }
    }

    fn below(&mut self, segment: PathSegment, versions: Versions<'_>) -> Option<Value> {
        self.path.push(segment);
        let merged = self.merge(versions);
        self.path.pop();
        merged
    }

    fn fields(&mut self, base: Option<&Fields>, ours: &Fields, theirs: &Fields) -> Value {
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let mut merged = BTreeMap::new();
        for name in names {
            let base = base.and_then(|base| base.get(name));
            let versions = Versions { base, ours: ours.get(name), theirs: theirs.get(name) };
            merged.insert(name, self.below(PathSegment::field(name), versions));
        }
        let ordered = ours.keys().chain(theirs.keys());
        let taken = ordered.filter_map(|name| Some((name.clone(), merged.remove(name)??)));
        Value::Object(taken.collect())
    }

    fn items(&mut self, base: &Items<'_>, ours: &Items<'_>, theirs: &Items<'_>) -> Value {
        // Items by number: those of ours, then those that only theirs has.
        let mut names: Vec<&PathSegment> = ours.names().iter().collect();
        let mut numbers_of_theirs = Vec::with_capacity(theirs.names().len());
        for name in theirs.names() {
            let number = ours.place(name).unwrap_or(names.len());
            if number == names.len() {
                names.push(name);
            }
            numbers_of_theirs.push(number);
        }
        let mut merged = Vec::with_capacity(names.len());
        let mut places_in_base = Vec::with_capacity(names.len());
        for name in names {
            let place = base.place(name);
            let was = place.map(|place| base.at(place));
            let versions = Versions { base: was, ours: ours.get(name), theirs: theirs.get(name) };
            merged.push(self.below(name.clone(), versions));
            places_in_base.push(place);
        }
        let order = Order {
            ours: &(0..ours.names().len()).collect::<Vec<_>>(),
            theirs: &numbers_of_theirs,
            places_in_base: &places_in_base,
        };
        let sequence = sequence(&order, |item| merged[item].is_some(), || self.preferred());
        sequence.into_iter().filter_map(|item| merged[item].take()).collect()
    }
}
