//! JSON patch (RFC 6902), with upstream's peculiarities: `replace` of a missing key adds it,
//! `test` of a missing key against null succeeds, indexes may be negative.

use crate::schema::type_name;
use serde_json::Value;

/// Operations in one patch.
pub(super) const OPERATIONS_MAX: usize = 10_000;

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
    operations.iter().try_for_each(|operation| apply_one(document, operation))
}

fn apply_one(document: &mut Value, operation: &Value) -> Result<(), DoesNotApply> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).ok_or(DoesNotApply);
    let value = || operation.get("value").cloned().unwrap_or_default();
    let path = text("path");
    match text("op")? {
        "add" => add(document, path?, value()),
        "remove" => remove(document, path?).map(|_| ()),
        "replace" => replace(document, path?, value()),
        "move" => {
            let moved = remove(document, text("from")?)?;
            add(document, path?, moved)
        }
        "copy" => {
            let copied = get(document, text("from")?)?.cloned().unwrap_or_default();
            add(document, path?, copied)
        }
        "test" => {
            let found = get(document, path?)?.cloned().unwrap_or_default();
            if equal(&found, &value()) { Ok(()) } else { Err(DoesNotApply) }
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

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), DoesNotApply> {
    match parent(document, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name, value);
        }
        (Value::Array(items), last) => {
            let at = if last == "-" { items.len() } else { index(&last, items.len() + 1)? };
            items.insert(at, value);
        }
        _ => return Err(DoesNotApply),
    }
    Ok(())
}

fn remove(document: &mut Value, path: &str) -> Result<Value, DoesNotApply> {
    match parent(document, path)? {
        (Value::Object(fields), name) => fields.shift_remove(&name).ok_or(DoesNotApply),
        (Value::Array(items), last) => {
            let at = index(&last, items.len())?;
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
