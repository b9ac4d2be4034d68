//! Makes the changes of a diff to an object.

use super::diff::{ChangeKind, FieldChange};
use reddwarf_core::{FieldPath, PathSegment};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A change that cannot be made, because what it stands in is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing at {0} takes this change")]
pub struct PatchError(pub FieldPath);

/// The object with `changes` made to it in their order; `None` is its absence.
///
/// The order of a map's fields may change. What the changes say of before is not looked at: an object that differs from it elsewhere keeps
/// its differences, and what is removed may be gone already.
///
/// # Errors
/// See [`PatchError`].
pub fn patch(object: Option<Value>, changes: &[FieldChange]) -> Result<Option<Value>, PatchError> {
    changes.iter().try_fold(object, patched)
}

fn patched(object: Option<Value>, change: &FieldChange) -> Result<Option<Value>, PatchError> {
    let Some((last, above)) = change.path.segments().split_last() else {
        return replaced(object, change);
    };
    let wrong = || PatchError(change.path.clone());
    let mut root = object.ok_or_else(wrong)?;
    match change.kind {
        ChangeKind::Order => order(change.path.get_mut(&mut root).ok_or_else(wrong)?, change)?,
        ChangeKind::Value => match FieldPath::from(above.to_vec()).get_mut(&mut root) {
            Some(parent) => set(parent, last, change)?,
            None if change.after.is_none() => {}
            None => return Err(wrong()),
        },
    }
    Ok(Some(root))
}

/// Changes the object as a whole.
fn replaced(object: Option<Value>, change: &FieldChange) -> Result<Option<Value>, PatchError> {
    match (change.kind, object) {
        (ChangeKind::Value, _) => Ok(change.after.clone()),
        (ChangeKind::Order, Some(mut list)) => order(&mut list, change).map(|()| Some(list)),
        (ChangeKind::Order, None) => Err(PatchError(change.path.clone())),
    }
}

/// Sets or removes what `segment` selects.
fn set(parent: &mut Value, segment: &PathSegment, change: &FieldChange) -> Result<(), PatchError> {
    match (parent, segment) {
        (Value::Object(fields), PathSegment::Field(name)) => {
            match &change.after {
                Some(value) => fields.insert(name.to_string(), value.clone()),
                // Not in order: that would move all later fields each time.
                None => fields.swap_remove(&**name),
            };
        }
        (Value::Array(items), item) => match (item.index_in(items), &change.after) {
            (Some(at), Some(value)) => items[at] = value.clone(),
            (Some(at), None) => drop(items.remove(at)),
            (None, Some(value)) => items.push(value.clone()),
            (None, None) => {}
        },
        _ => return Err(PatchError(change.path.clone())),
    }
    Ok(())
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
