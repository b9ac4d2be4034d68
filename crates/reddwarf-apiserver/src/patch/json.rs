//! JSON patch (RFC 6902), with upstream's peculiarities: `replace` of a missing key adds it,
//! `test` of a missing key against null succeeds, indexes may be negative.

use crate::schema::type_name;
use reddwarf_core::limits::{BODY_BYTES_MAX, JSON_DEPTH_MAX};
use serde_json::Value;

/// Operations in one patch.
pub(super) const OPERATIONS_MAX: usize = 10_000;
/// Bytes that the `copy` operations of one patch may add, as upstream limits them: each can
/// double the document.
const COPIED_BYTES_MAX: usize = BODY_BYTES_MAX;
/// Bytes that the `move` operations of one patch may take elsewhere.
const MOVED_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;
/// Places that insertions and removals of one patch may shift in lists and maps.
const SHIFTED_MAX: usize = 10_000_000;
/// Places of a list that take as long to shift as one of a map, whose index is renewed as well.
const MAP_PLACE: usize = 4;

/// Why a list is no JSON patch.
pub(super) enum Malformed {
    /// In Go's words.
    Type(String),
    /// Too many operations.
    Count(usize),
}

/// A patch that does not apply; upstream does not tell why.
#[derive(Debug)]
pub(super) struct DoesNotApply;

/// What a patch has done so far.
#[derive(Default)]
struct Effort {
    copied_bytes: usize,
    moved_bytes: usize,
    shifted: usize,
}

impl Effort {
    fn shift(&mut self, places: usize) -> Result<(), DoesNotApply> {
        spend(&mut self.shifted, places, SHIFTED_MAX)
    }
}

fn spend(spent: &mut usize, more: usize, most: usize) -> Result<(), DoesNotApply> {
    *spent = spent.saturating_add(more);
    if *spent > most { Err(DoesNotApply) } else { Ok(()) }
}

/// How large a value is as text, roughly, and how deep.
fn measure(value: &Value) -> (usize, usize) {
    match value {
        Value::Object(map) => of_parts(map.iter().map(|(key, value)| (key.len() + 3, value))),
        Value::Array(items) => of_parts(items.iter().map(|item| (0, item))),
        Value::String(text) => (text.len() + 2, 0),
        _ => (4, 0),
    }
}

/// The measures of a list or map, from its values and the lengths of their keys.
fn of_parts<'v>(parts: impl Iterator<Item = (usize, &'v Value)>) -> (usize, usize) {
    let sizes = parts.map(|(key, value)| (key, measure(value)));
    let (bytes, depth) = sizes.fold((2, 0), |(bytes, depth), (key, (more, under))| {
        (bytes + key + 1 + more, depth.max(under))
    });
    (bytes, depth + 1)
}

/// Whether a value of `depth` fits below `path` without passing the limit of nesting.
fn fits(path: &str, depth: usize) -> Result<(), DoesNotApply> {
    let above = path.bytes().filter(|b| *b == b'/').count();
    if above.saturating_add(depth) > JSON_DEPTH_MAX { Err(DoesNotApply) } else { Ok(()) }
}

/// Checks what decoding the operations checks.
pub(super) fn check(operations: &[Value]) -> Result<(), Malformed> {
    for operation in operations {
        let Value::Object(fields) = operation else {
            return Err(Malformed::Type(format!(
                "json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp",
                type_name(operation)
            )));
        };
        for name in ["op", "path", "from"] {
            match fields.get(name) {
                None | Some(Value::String(_) | Value::Null) => {}
                Some(other) => {
                    return Err(Malformed::Type(format!(
                        "json: cannot unmarshal {} into Go struct field jsonPatchOp.{name} of type string",
                        type_name(other)
                    )));
                }
            }
        }
    }
    match operations.len() {
        count if count > OPERATIONS_MAX => Err(Malformed::Count(count)),
        _ => Ok(()),
    }
}

/// Fields that no operation has, for field validation.
pub(super) fn unknown_fields(operations: &[Value]) -> Vec<String> {
    let fields = |operation: &Value| operation.as_object().cloned().unwrap_or_default();
    operations
        .iter()
        .enumerate()
        .flat_map(|(at, operation)| fields(operation).into_iter().map(move |(name, _)| (at, name)))
        .filter(|(_, name)| !matches!(name.as_str(), "op" | "path" | "from" | "value"))
        .map(|(at, name)| format!("json patch unknown field \"[{at}].{name}\""))
        .collect()
}

/// Applies all operations, in order.
pub(super) fn apply(document: &mut Value, operations: &[Value]) -> Result<(), DoesNotApply> {
    let mut effort = Effort::default();
    operations.iter().try_for_each(|operation| apply_one(document, operation, &mut effort))
}

fn apply_one(
    document: &mut Value,
    operation: &Value,
    effort: &mut Effort,
) -> Result<(), DoesNotApply> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).ok_or(DoesNotApply);
    let given = operation.get("value").unwrap_or(&Value::Null);
    let path = text("path");
    match text("op")? {
        "add" => {
            let path = path?;
            fits(path, measure(given).1)?;
            add(document, path, given.clone(), effort)
        }
        "remove" => remove(document, path?, effort).map(|_| ()),
        "replace" => {
            let path = path?;
            fits(path, measure(given).1)?;
            replace(document, path, given.clone())
        }
        "move" => {
            let moved = remove(document, text("from")?, effort)?;
            let (path, (bytes, depth)) = (path?, measure(&moved));
            spend(&mut effort.moved_bytes, bytes, MOVED_BYTES_MAX)?;
            fits(path, depth)?;
            add(document, path, moved, effort)
        }
        "copy" => {
            let copied = get(document, text("from")?)?.unwrap_or(&Value::Null);
            let (path, (bytes, depth)) = (path?, measure(copied));
            spend(&mut effort.copied_bytes, bytes, COPIED_BYTES_MAX)?;
            fits(path, depth)?;
            let copied = copied.clone();
            add(document, path, copied, effort)
        }
        "test" => {
            let found = get(document, path?)?.unwrap_or(&Value::Null);
            if equal(found, given) { Ok(()) } else { Err(DoesNotApply) }
        }
        _ => Err(DoesNotApply),
    }
}

/// Numbers are compared by value, so that `1` equals `1.0`.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// The container of the value at `path`, and the last token.
fn parent<'d>(
    document: &'d mut Value,
    path: &str,
) -> Result<(&'d mut Value, String), DoesNotApply> {
    let (containers, last) = path
        .strip_prefix('/')
        .map(|p| p.rsplit_once('/').unwrap_or(("", p)))
        .ok_or(DoesNotApply)?;
    let mut at = document;
    if path.matches('/').count() > 1 {
        for token in containers.split('/') {
            at = match at {
                Value::Object(fields) => fields.get_mut(&unescape(token)),
                Value::Array(items) => {
                    let index = index(token, items.len())?;
                    items.get_mut(index)
                }
                _ => None,
            }
            .ok_or(DoesNotApply)?;
        }
    }
    Ok((at, unescape(last)))
}

fn unescape(token: &str) -> String {
    if token.contains('~') { token.replace("~1", "/").replace("~0", "~") } else { token.to_owned() }
}

/// An index into `size` places, counted from the end when negative.
fn index(token: &str, size: usize) -> Result<usize, DoesNotApply> {
    let at: i64 = token.parse().map_err(|_| DoesNotApply)?;
    let size = size as i64;
    let at = if at < 0 { at.checked_add(size).ok_or(DoesNotApply)? } else { at };
    if (0..size).contains(&at) { Ok(at as usize) } else { Err(DoesNotApply) }
}

fn add(
    document: &mut Value,
    path: &str,
    value: Value,
    effort: &mut Effort,
) -> Result<(), DoesNotApply> {
    match parent(document, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(items), last) => {
            let at = if last == "-" { items.len() } else { index(&last, items.len() + 1)? };
            effort.shift(items.len() - at)?;
            items.insert(at, value);
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str, effort: &mut Effort) -> Result<Value, DoesNotApply> {
    match parent(document, path)? {
        (Value::Object(fields), name) => {
            effort.shift(fields.len().saturating_mul(MAP_PLACE))?;
            fields.shift_remove(&name).ok_or(DoesNotApply)
        }
        (Value::Array(items), last) => {
            let at = index(&last, items.len())?;
            effort.shift(items.len() - at)?;
            Ok(items.remove(at))
        }
        _ => Err(DoesNotApply),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), DoesNotApply> {
    if path.is_empty() {
        *document = value;
        return Ok(());
    }
    match parent(document, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(items), last) => {
            let at = index(&last, items.len())?;
            items[at] = value;
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

/// The value at `path`; `None` for a missing key of an object that is there.
fn get<'d>(document: &'d mut Value, path: &str) -> Result<Option<&'d Value>, DoesNotApply> {
    if path.is_empty() {
        return Ok(Some(document));
    }
    match parent(document, path)? {
        (Value::Object(fields), name) => Ok(fields.get(&name)),
        (Value::Array(items), last) => {
            let at = index(&last, items.len())?;
            Ok(items.get(at))
        }
        _ => Err(DoesNotApply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(mut document: Value, operations: Vec<Value>) -> Option<Value> {
        apply(&mut document, &operations).ok().map(|()| document)
    }

    #[test]
    fn copies_that_double_the_document_end_at_the_limit() {
        let copies = |count: usize| {
            let copy = json!({"op": "copy", "from": "/a", "path": "/a/-"});
            patched(json!({"a": ["x".repeat(1_000)]}), vec![copy; count])
        };
        assert!(copies(5).is_some());
        assert!(copies(30).is_none());
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| {
            let add = |n: usize| json!({"op": "add", "path": "/a".repeat(n), "value": {}});
            patched(json!({}), (1..=depth).map(add).collect())
        };
        assert!(nested(JSON_DEPTH_MAX - 1).is_some());
        assert!(nested(JSON_DEPTH_MAX + 1).is_none());
        let copy = json!({"op": "copy", "from": "", "path": "/a"});
        assert!(patched(json!({}), vec![copy; JSON_DEPTH_MAX + 1]).is_none());
    }

    #[test]
    fn shifting_a_long_list_again_and_again_ends_at_the_limit() {
        let first = |count: usize| {
            let add = json!({"op": "add", "path": "/a/0", "value": 1});
            patched(json!({"a": vec![0; 2_000]}), vec![add; count])
        };
        assert!(first(1_000).is_some());
        assert!(first(9_000).is_none());
    }
}
