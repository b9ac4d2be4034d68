//! Makes the changes of a diff to an object.

use super::diff::{ChangeKind, FieldChange};
use super::items::text;
use super::places::Places;
use reddwarf_core::{FieldPath, PathSegment};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A change that cannot be made, because what it stands in is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing at {0} takes this change")]
pub struct PatchError(pub FieldPath);

/// The object with `changes` made to it in their order; `None` is its absence.
///
/// The order of a map's fields may change. What the changes say of before is not looked at: an
/// object that differs from it elsewhere keeps its differences, and what is removed may be gone
/// already. Changes in the order of [`super::diff`] take time in proportion to the lists they are
/// in and not to the square of it: a list is indexed once for a row of changes to its items.
///
/// # Errors
/// See [`PatchError`].
pub fn patch(object: Option<Value>, changes: &[FieldChange]) -> Result<Option<Value>, PatchError> {
    let mut object = object;
    apply(&mut object, changes, 0)?;
    Ok(object)
}

/// Makes changes to what is at `place`, `depth` steps from the object, or to what is below.
pub(super) fn apply(
    place: &mut Option<Value>,
    changes: &[FieldChange],
    depth: usize,
) -> Result<(), PatchError> {
    let here = |change: &FieldChange| change.path.segments().len() == depth;
    for row in changes.chunk_by(|change, next| !here(change) && !here(next)) {
        match (row, place.as_mut()) {
            ([change], _) if here(change) => whole(place, change)?,
            (below, Some(Value::Object(fields))) => in_fields(fields, below, depth)?,
            (below, Some(Value::Array(items))) => in_items(items, below, depth)?,
            (below, _) => in_nothing(below)?,
        }
    }
    Ok(())
}

/// Changes to the same part of the value that is `depth` steps from the object, a row each.
pub(super) fn by_part(
    changes: &[FieldChange],
    depth: usize,
) -> impl Iterator<Item = (&PathSegment, &[FieldChange])> {
    let rows = changes.chunk_by(move |change, next| {
        change.path.segments().get(depth) == next.path.segments().get(depth)
    });
    rows.filter_map(move |row| Some((row[0].path.segments().get(depth)?, row)))
}

fn whole(place: &mut Option<Value>, change: &FieldChange) -> Result<(), PatchError> {
    match (change.kind, place) {
        (ChangeKind::Value, place) => place.clone_from(&change.after),
        (ChangeKind::Order, Some(list)) => order(list, change)?,
        (ChangeKind::Order, None) => return Err(PatchError(change.path.clone())),
    }
    Ok(())
}

fn in_fields(
    fields: &mut Map<String, Value>,
    changes: &[FieldChange],
    depth: usize,
) -> Result<(), PatchError> {
    for (segment, row) in by_part(changes, depth) {
        let PathSegment::Field(name) = segment else {
            in_nothing(row)?;
            continue;
        };
        let mut part = fields.get_mut(&**name).map(Value::take);
        apply(&mut part, row, depth + 1)?;
        match part {
            Some(part) => drop(fields.insert(name.to_string(), part)),
            // Not in order: that would move all later fields each time.
            None => drop(fields.swap_remove(&**name)),
        }
    }
    Ok(())
}

fn in_items(
    items: &mut Vec<Value>,
    changes: &[FieldChange],
    depth: usize,
) -> Result<(), PatchError> {
    // Those that go leave a gap until the end, so that the others keep their places.
    let mut slots: Vec<Option<Value>> = std::mem::take(items).into_iter().map(Some).collect();
    let mut index: Option<Places> = None;
    for (segment, row) in by_part(changes, depth) {
        let places = match index.take().filter(|places| places.serves(segment)) {
            Some(places) => Some(places),
            None => Places::of(standing(&slots), segment),
        };
        let Some(mut places) = places else {
            in_nothing(row)?;
            continue;
        };
        let name = text(segment);
        let at = places.find(&name).unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        apply(&mut slots[at], row, depth + 1)?;
        index = places.follow(name, at, slots[at].as_ref()).then_some(places);
    }
    *items = slots.into_iter().flatten().collect();
    Ok(())
}

fn standing(slots: &[Option<Value>]) -> impl Iterator<Item = (usize, &Value)> {
    slots.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.as_ref()?)))
}

/// Changes what has no such parts, from which only can be removed.
fn in_nothing(changes: &[FieldChange]) -> Result<(), PatchError> {
    let removal =
        |change: &&FieldChange| change.kind == ChangeKind::Value && change.after.is_none();
    match changes.iter().find(|change| !removal(change)) {
        Some(change) => Err(PatchError(change.path.clone())),
        None => Ok(()),
    }
}

/// Brings items into the order that the change says; those that it does not name stay last.
fn order(list: &mut Value, change: &FieldChange) -> Result<(), PatchError> {
    let (Value::Array(items), Some(Value::Array(order))) = (list, &change.after) else {
        return Err(PatchError(change.path.clone()));
    };
    let keys: BTreeSet<&String> =
        order.iter().flat_map(Value::as_object).flat_map(Map::keys).collect();
    let ranks: BTreeMap<String, usize> =
        order.iter().enumerate().map(|(rank, item)| (name(item, &keys), rank)).collect();
    items.sort_by_cached_key(|item| ranks.get(&name(item, &keys)).copied().unwrap_or(usize::MAX));
    Ok(())
}

/// A text that names an item of a set by its value, and any other by its fields among `keys`.
fn name(item: &Value, keys: &BTreeSet<&String>) -> String {
    let Value::Object(fields) = item else { return item.to_string() };
    let named = keys.iter().filter_map(|key| fields.get_key_value(key.as_str()));
    let named = named.filter(|(_, value)| !value.is_null());
    named.map(|(key, value)| format!("{key:?}:{value},")).collect()
}
