//! The items of a list that are told apart.

use reddwarf_core::{PathSegment, Relation};
use serde_json::Value;
use std::collections::BTreeMap;

/// The items of a list by what tells them apart.
pub(super) struct Items<'v> {
    items: &'v [Value],
    /// The items' names, in the list's order.
    names: Vec<PathSegment>,
    /// Where the item stands whose name has this text.
    places: BTreeMap<String, usize>,
}

impl<'v> Items<'v> {
    /// Takes a list apart; `None` when its items cannot be told apart, as with an item that has
    /// none of the key fields, or two that have the same.
    pub(super) fn of(items: &'v [Value], relation: &Relation) -> Option<Self> {
        let names: Option<Vec<_>> = items.iter().map(|item| name(item, relation)).collect();
        let names = names?;
        let places: BTreeMap<_, _> =
            names.iter().enumerate().map(|(at, name)| (text(name), at)).collect();
        (places.len() == items.len()).then_some(Items { items, names, places })
    }

    /// The items and their names, in the list's order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PathSegment, &'v Value)> + Clone {
        self.names.iter().zip(self.items)
    }

    /// The names, in the list's order.
    pub(super) fn names(&self) -> &[PathSegment] {
        &self.names
    }

    /// The item of that name.
    pub(super) fn get(&self, name: &PathSegment) -> Option<&'v Value> {
        self.places.get(&text(name)).map(|at| &self.items[*at])
    }

    /// The names as a list that says in which order they stand: scalars for a set, maps of the key
    /// fields otherwise.
    pub(super) fn order(&self) -> Value {
        self.names.iter().map(bare).collect()
    }
}

/// An item's name in a list whose items are related like this.
fn name(item: &Value, relation: &Relation) -> Option<PathSegment> {
    match (relation, item) {
        (Relation::Set, Value::Null | Value::Array(_) | Value::Object(_)) => None,
        (Relation::Set, scalar) => Some(PathSegment::Value(scalar.clone())),
        (Relation::Keyed(keys), Value::Object(fields)) => {
            let value = |key: &str| fields.get(key).cloned().unwrap_or_default();
            let keys: Vec<_> = keys.iter().map(|key| (key.clone(), value(key))).collect();
            let scalar = keys.iter().all(|(_, value)| !value.is_array() && !value.is_object());
            let named = keys.iter().any(|(_, value)| !value.is_null());
            (scalar && named).then_some(PathSegment::Key(keys))
        }
        _ => None,
    }
}

/// A text that is the same for equal names only, among those of one list.
pub(super) fn text(name: &PathSegment) -> String {
    match name {
        PathSegment::Field(name) => name.to_string(),
        PathSegment::Value(value) => value.to_string(),
        PathSegment::Key(fields) => {
            fields.iter().map(|(_, value)| format!("{value},")).collect::<String>()
        }
    }
}

fn bare(name: &PathSegment) -> Value {
    match name {
        PathSegment::Field(name) => Value::from(&**name),
        PathSegment::Value(value) => value.clone(),
        PathSegment::Key(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.map(|(name, value)| (name.to_string(), value.clone())).collect())
        }
    }
}
