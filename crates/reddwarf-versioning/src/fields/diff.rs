//! What differs between two versions of an object, field by field.

use super::items::Items;
use reddwarf_core::{FieldPath, PathSegment, Relation, Topology};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One difference between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// What differs.
    pub path: FieldPath,
    /// In what.
    pub kind: ChangeKind,
    /// How it was; `None` when it was not there.
    pub before: Option<Value>,
    /// How it is; `None` when it is not there.
    pub after: Option<Value>,
}

/// In what something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// In its value, or in whether it is there.
    Value,
    /// A list whose items are told apart, in their order alone; `before` and `after` list what
    /// tells them apart: the scalars of a set, otherwise maps of the key fields.
    Order,
}

/// The differences between two versions of an object, where `None` is its absence.
///
/// Each change is as deep as `topology` lets one go: what is there in one version only is one
/// change with all that is below it, and so are an atomic list or map and a list whose items cannot
/// be told apart. Fields come sorted by name, items in the order of `before` and then those that
/// were added; a change of their order follows, unless the new items at the end are all of it.
///
/// [`super::patch`] makes `after` of `before` with them.
pub fn diff(
    before: Option<&Value>,
    after: Option<&Value>,
    topology: &dyn Topology,
) -> Vec<FieldChange> {
    let mut walk = Walk { topology, path: FieldPath::root(), changes: Vec::new() };
    walk.compare(before, after);
    walk.changes
}

/// A walk through two versions at the same time.
struct Walk<'t> {
    topology: &'t dyn Topology,
    path: FieldPath,
    changes: Vec<FieldChange>,
}

impl Walk<'_> {
    fn compare(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (Some(Value::Object(old)), Some(new @ Value::Object(fields)))
                if self.topology.relation(&self.path, new) == Relation::Granular =>
            {
                self.fields(old, fields);
            }
            (Some(Value::Array(old)), Some(new @ Value::Array(items))) => {
                let relation = self.topology.relation(&self.path, new);
                match (Items::of(old, &relation), Items::of(items, &relation)) {
                    (Some(old), Some(new)) => self.items(&old, &new),
                    _ => self.whole(before, after),
                }
            }
            _ => self.whole(before, after),
        }
    }

    /// Compares what is not taken apart.
    fn whole(&mut self, before: Option<&Value>, after: Option<&Value>) {
        if before != after {
            self.add(ChangeKind::Value, before.cloned(), after.cloned());
        }
    }

    fn add(&mut self, kind: ChangeKind, before: Option<Value>, after: Option<Value>) {
        let path = self.path.clone();
        self.changes.push(FieldChange { path, kind, before, after });
    }

    fn below(&mut self, segment: PathSegment, before: Option<&Value>, after: Option<&Value>) {
        self.path.push(segment);
        self.compare(before, after);
        self.path.pop();
    }

    fn fields(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            self.below(PathSegment::field(name), before.get(name), after.get(name));
        }
    }

    fn items(&mut self, before: &Items<'_>, after: &Items<'_>) {
        for (name, item) in before.iter() {
            self.below(name.clone(), Some(item), after.get(name));
        }
        let added = after.iter().filter(|(name, _)| before.get(name).is_none());
        for (name, item) in added.clone() {
            self.below(name.clone(), None, Some(item));
        }
        let kept = before.names().iter().filter(|name| after.get(name).is_some());
        if !kept.chain(added.map(|(name, _)| name)).eq(after.names()) {
            self.add(ChangeKind::Order, Some(before.order()), Some(after.order()));
        }
    }
}
