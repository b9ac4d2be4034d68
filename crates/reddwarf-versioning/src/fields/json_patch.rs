//! The changes of a diff as a JSON patch.

use super::diff::{ChangeKind, FieldChange};
use super::items::text;
use super::patch::{PatchError, apply, by_part};
use super::places::Places;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, PatchOperation, RemoveOperation, ReplaceOperation};
use reddwarf_core::PathSegment;
use serde_json::{Map, Value};

/// The changes of [`super::diff`] from `before` to another version as a JSON patch (RFC 6902) that
/// makes that version of it.
///
/// Items of lists have their indexes as they are while the patch is applied: first the items that
/// stay are changed, then some are removed from the last one on, and others are added at the end.
/// A list in another order is replaced as a whole. [`json_patch::diff`] would compare items by
/// their indexes instead: without its first container a pod would have all others rewritten, and
/// an atomic list would be taken apart.
///
/// # Errors
/// See [`PatchError`]. A JSON patch cannot remove the object itself.
pub fn json_patch(
    changes: &[FieldChange],
    before: &Value,
) -> Result<Vec<PatchOperation>, PatchError> {
    let mut walk = Walk { path: PointerBuf::new(), operations: Vec::new() };
    if let Some(removal) = changes.iter().find(|change| is_removal_of(change, 0)) {
        return Err(PatchError(removal.path.clone()));
    }
    walk.convert(Some(before), changes, 0)?;
    Ok(walk.operations)
}

struct Walk {
    path: PointerBuf,
    operations: Vec<PatchOperation>,
}

impl Walk {
    /// Converts changes to `value`, `depth` steps from the object, or to what is below.
    fn convert(
        &mut self,
        value: Option<&Value>,
        changes: &[FieldChange],
        depth: usize,
    ) -> Result<(), PatchError> {
        match (changes, value) {
            ([], _) => Ok(()),
            ([change], _) if is_of(change, depth, ChangeKind::Value) => {
                self.set(value.is_some(), change.after.as_ref());
                Ok(())
            }
            ([.., last], Some(list)) if is_of(last, depth, ChangeKind::Order) => {
                let mut list = Some(list.clone());
                apply(&mut list, changes, depth)?;
                self.set(true, list.as_ref());
                Ok(())
            }
            (_, Some(Value::Object(fields))) => self.fields(fields, changes, depth),
            (_, Some(Value::Array(items))) => self.items(items, changes, depth),
            ([change, ..], _) => Err(PatchError(change.path.clone())),
        }
    }

    fn set(&mut self, exists: bool, after: Option<&Value>) {
        let path = self.path.clone();
        self.operations.push(match after {
            Some(value) if exists => {
                PatchOperation::Replace(ReplaceOperation { path, value: value.clone() })
            }
            Some(value) => PatchOperation::Add(AddOperation { path, value: value.clone() }),
            None if exists => PatchOperation::Remove(RemoveOperation { path }),
            None => return,
        });
    }

    /// Sets what one more step leads to.
    fn set_part(&mut self, step: &str, exists: bool, after: Option<&Value>) {
        self.path.push_back(step);
        self.set(exists, after);
        self.path.pop_back();
    }

    fn fields(
        &mut self,
        fields: &Map<String, Value>,
        changes: &[FieldChange],
        depth: usize,
    ) -> Result<(), PatchError> {
        for (segment, row) in by_part(changes, depth) {
            let PathSegment::Field(name) = segment else {
                return Err(PatchError(row[0].path.clone()));
            };
            self.path.push_back(&**name);
            self.convert(fields.get(&**name), row, depth + 1)?;
            self.path.pop_back();
        }
        Ok(())
    }

    fn items(
        &mut self,
        items: &[Value],
        changes: &[FieldChange],
        depth: usize,
    ) -> Result<(), PatchError> {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut index: Option<Places> = None;
        for (segment, row) in by_part(changes, depth) {
            let misplaced = || PatchError(row[0].path.clone());
            if !index.as_ref().is_some_and(|places| places.serves(segment)) {
                index = Places::of(items.iter().enumerate(), segment);
            }
            let places = index.as_ref().ok_or_else(misplaced)?;
            match (places.find(&text(segment)), row) {
                (Some(at), [change]) if is_removal_of(change, depth + 1) => removed.push(at),
                (Some(at), row) => {
                    self.path.push_back(at);
                    self.convert(items.get(at), row, depth + 1)?;
                    self.path.pop_back();
                }
                (None, [change]) if is_of(change, depth + 1, ChangeKind::Value) => {
                    added.extend(&change.after);
                }
                (None, _) => return Err(misplaced()),
            }
        }
        removed.sort_unstable();
        removed.iter().rev().for_each(|at| self.set_part(&at.to_string(), true, None));
        added.into_iter().for_each(|item| self.set_part("-", false, Some(item)));
        Ok(())
    }
}

/// Whether the change is one of this kind to what is `depth` steps from the object.
fn is_of(change: &FieldChange, depth: usize, kind: ChangeKind) -> bool {
    change.kind == kind && change.path.segments().len() == depth
}

fn is_removal_of(change: &FieldChange, depth: usize) -> bool {
    is_of(change, depth, ChangeKind::Value) && change.after.is_none()
}
