//! Strategic merge patch: merge patch that knows the lists' merge keys and obeys directives.
//!
//! Directives: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<list>` and
//! `$deleteFromPrimitiveList/<list>`. Errors carry upstream's texts and codes.

use super::go_print;
use super::identities::{Identities, identity};
use super::merge::remove_nulls;
use crate::schema::model::{Graph, PatchStrategy, Shape, TypeId};
use reddwarf_core::{Reason, Status};
use serde_json::{Map, Value};
use std::collections::HashSet;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_LIST: &str = "$deleteFromPrimitiveList";
const ELEMENT_ORDER: &str = "$setElementOrder";

const BAD_PRIMITIVE_LIST: &str = "invalid patch format of primitive list";
const BAD_RETAIN_KEYS: &str = "invalid patch format of retainKeys";
const BAD_ELEMENT_ORDER: &str = "invalid patch format of setElementOrder list";
const LISTS_OF_LISTS: &str = "lists of lists are not supported";

type Object = Map<String, Value>;

/// Merges `patch` into `object` of type `ty`.
///
/// # Errors
/// 400 for directives of the wrong form, else upstream's bare 500.
pub(super) fn apply(
    graph: &Graph,
    ty: TypeId,
    object: Value,
    patch: Value,
) -> Result<Value, Box<Status>> {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return Err(status("expected objects".to_owned()));
    };
    merge_map(graph, ty, object, patch).map(Value::Object).map_err(status)
}

fn status(message: String) -> Box<Status> {
    let bad = [BAD_PRIMITIVE_LIST, BAD_RETAIN_KEYS, BAD_ELEMENT_ORDER].contains(&message.as_str());
    let mut status =
        Status::failure(if bad { Reason::BadRequest } else { Reason::InternalError }, message);
    if !bad {
        status.reason = None;
    }
    Box::new(status)
}

/// The words of upstream's converter for a result that does not fit its type.
pub(super) fn conversion_error(message: String) -> String {
    let Some((found, wanted)) = message
        .strip_prefix("json: cannot unmarshal ")
        .and_then(|rest| rest.split_once(" of type "))
    else {
        return message;
    };
    let found = match found.split(' ').next().unwrap_or_default() {
        "object" => "map",
        "array" => "slice",
        "number" => "int64",
        other => other,
    };
    if wanted.starts_with("[]") {
        format!("cannot restore slice from {found}")
    } else if wanted.starts_with("map[") {
        format!("cannot restore map from {found}")
    } else if wanted.starts_with("v1.") {
        format!("cannot restore struct from: {found}")
    } else {
        format!("cannot convert {found} to {wanted}")
    }
}

/// The type and strategy of a field of a struct.
fn field(graph: &Graph, ty: TypeId, name: &str) -> Result<(TypeId, PatchStrategy), String> {
    let found = graph.get(ty);
    match &found.shape {
        Shape::Struct(s) => match s.field(name) {
            Some(field) => Ok((field.ty, field.patch)),
            None => Err(format!(
                "unable to find api field in struct {} for the json field {name:?}",
                s.name
            )),
        },
        Shape::PropsOr(props, _) => field(graph, *props, name),
        Shape::Any => Err(format!(
            "unable to find api field in struct {} for the json field {name:?}",
            found.go.rsplit('.').next().unwrap_or_default()
        )),
        shape => Err(format!(
            "merging an object in json but data type is not struct, instead is: {}",
            match shape {
                Shape::Map(_) => "map",
                Shape::List(_) => "slice",
                _ => "string",
            }
        )),
    }
}

/// The item type and strategy of a list field.
fn list_field(graph: &Graph, ty: TypeId, name: &str) -> Result<(TypeId, PatchStrategy), String> {
    let (list, strategy) = field(graph, ty, name)?;
    match graph.get(list).shape {
        Shape::List(item) => Ok((item, strategy)),
        _ => Err("expected slice or array type, but got: struct".to_owned()),
    }
}

fn merge_map(
    graph: &Graph,
    ty: TypeId,
    mut original: Object,
    mut patch: Object,
) -> Result<Object, String> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.shift_remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Object::new()),
            _ => Err(unknown_directive(directive, &patch)),
        };
    }
    retain_keys(&mut original, &mut patch)?;
    merge_ordered_lists(graph, ty, &mut original, &mut patch)?;
    remove_nulls(&mut original, &patch);
    for (name, change) in patch {
        match name.starts_with(DELETE_LIST) {
            true => {
                let name = target(&name, DELETE_LIST, BAD_PRIMITIVE_LIST)?;
                merge_field(graph, ty, &mut original, name, change, true)?;
            }
            false => merge_field(graph, ty, &mut original, &name, change, false)?,
        }
    }
    Ok(original)
}

fn merge_field(
    graph: &Graph,
    ty: TypeId,
    original: &mut Object,
    name: &str,
    mut change: Value,
    deletes: bool,
) -> Result<(), String> {
    if change.is_null() {
        // Gone already, unless a directive named it.
        if deletes {
            original.shift_remove(name);
        }
        return Ok(());
    }
    let merged = match (original.get_mut(name), change) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let (sub, strategy) = field(graph, ty, name)?;
            if strategy.replace {
                Value::Object(new)
            } else {
                Value::Object(merge_map(graph, sub, std::mem::take(old), new)?)
            }
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let (item, strategy) = list_field(graph, ty, name)?;
            let old = std::mem::take(old);
            Value::Array(merge_list_field(graph, item, strategy, old, new, deletes)?)
        }
        (_, _) if deletes => return Ok(()),
        (_, new) => {
            change = new;
            drop_nulls(&mut change);
            match without_directives(change) {
                Some(value) => value,
                None => {
                    original.shift_remove(name);
                    return Ok(());
                }
            }
        }
    };
    original.insert(name.to_owned(), merged);
    Ok(())
}

fn unknown_directive(directive: &Value, map: &Object) -> String {
    format!(
        "unknown patch type: {} in map: {}",
        go_print::value(directive),
        go_print::value(&Value::Object(map.clone()))
    )
}

/// `$prefix/name` → `name`.
fn target<'n>(directive: &'n str, prefix: &str, error: &str) -> Result<&'n str, String> {
    directive
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| error.to_owned())
}

/// `$retainKeys`: everything else leaves the original.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), String> {
    let Some(keys) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(keys) = keys else { return Err(BAD_RETAIN_KEYS.to_owned()) };
    let keys: HashSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let listed = |name: &str| keys.contains(name);
    let complete = patch.iter().all(|(name, value)| {
        value.is_null()
            || name.starts_with(DELETE_LIST)
            || name.starts_with(ELEMENT_ORDER)
            || listed(name)
    });
    if !complete {
        return Err(BAD_RETAIN_KEYS.to_owned());
    }
    original.retain(|name, _| listed(name));
    Ok(())
}

/// `$setElementOrder/<list>`, together with the list's own changes.
fn merge_ordered_lists(
    graph: &Graph,
    ty: TypeId,
    original: &mut Object,
    patch: &mut Object,
) -> Result<(), String> {
    let directives: Vec<String> =
        patch.keys().filter(|name| name.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let Some(Value::Array(order)) = patch.shift_remove(&directive) else {
            return Err(BAD_ELEMENT_ORDER.to_owned());
        };
        let name = target(&directive, ELEMENT_ORDER, BAD_ELEMENT_ORDER)?;
        let old = take_list(original.get(name))?;
        let new = take_list(patch.get(name))?;
        let (item, strategy) = list_field(graph, ty, name)?;
        let key = strategy.key;
        check_order(new.as_deref().unwrap_or_default(), &order, key)?;
        let merged = match (&old, new) {
            (None, None) => continue,
            (Some(old), None) => old.clone(),
            (None, Some(new)) => new.into_iter().filter_map(without_directives).collect(),
            (Some(old), Some(new)) => {
                merge_list_field(graph, item, strategy, old.clone(), new, false)?
            }
        };
        let ordered = in_order(merged, &order, old.as_deref().unwrap_or_default(), key)?;
        original.insert(name.to_owned(), Value::Array(ordered));
        patch.shift_remove(name);
    }
    Ok(())
}

fn take_list(value: Option<&Value>) -> Result<Option<Vec<Value>>, String> {
    match value {
        None => Ok(None),
        Some(Value::Array(items)) => Ok(Some(items.clone())),
        Some(Value::Null) => Ok(Some(Vec::new())),
        Some(other) => Err(format!(
            "expected a []interface {{}}, but received a {}",
            match other {
                Value::Object(_) => "map[string]interface {}",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "int64",
            }
        )),
    }
}

/// The changed items must stand in the order's sequence.
fn check_order(changes: &[Value], order: &[Value], key: Option<&str>) -> Result<(), String> {
    if changes.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut wanted = order.iter();
    for change in changes.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        let id = identity(change, key)?;
        loop {
            let Some(next) = wanted.next() else {
                return Err(format!(
                    "The order in patch list:\n{}\n doesn't match {ELEMENT_ORDER} list:\n{}\n",
                    go_print::value(&Value::Array(changes.to_vec())),
                    go_print::value(&Value::Array(order.to_vec()))
                ));
            };
            if identity(next, key)? == id {
                break;
            }
        }
    }
    Ok(())
}

fn merge_list_field(
    graph: &Graph,
    item: TypeId,
    strategy: PatchStrategy,
    old: Vec<Value>,
    new: Vec<Value>,
    deletes: bool,
) -> Result<Vec<Value>, String> {
    if strategy.merge || deletes {
        merge_list(graph, item, strategy.key, old, new, deletes)
    } else {
        Ok(new)
    }
}

fn merge_list(
    graph: &Graph,
    item: TypeId,
    key: Option<&str>,
    old: Vec<Value>,
    new: Vec<Value>,
    deletes: bool,
) -> Result<Vec<Value>, String> {
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    if old.iter().chain(&new).any(Value::is_array) {
        return Err(LISTS_OF_LISTS.to_owned());
    }
    let maps = old.iter().chain(&new).filter(|item| item.is_object()).count();
    if maps == 0 {
        if deletes {
            let gone = Identities::of(&new, None);
            return Ok(old.into_iter().filter(|value| gone.place(value).is_none()).collect());
        }
        let mut seen = Identities::default();
        let all = old.iter().chain(&new).filter(|value| seen.insert(value));
        let merged: Vec<Value> = all.cloned().collect();
        return in_order(merged, &new, &old, None);
    }
    if maps != old.len() + new.len() {
        return Err("list element types are not identical".to_owned());
    }
    let Some(key) = key else {
        let kind = match graph.get(item).shape {
            Shape::Map(_) => "map",
            _ => "struct",
        };
        return Err(format!("cannot merge lists without merge key for {kind}"));
    };
    let (mut merged, new) = apply_item_directives(old, new, key)?;
    let old = merged.clone();
    let mut known = Identities::of(&old, Some(key));
    for change in &new {
        let id = identity(change, Some(key))?;
        match known.place(id) {
            Some(at) => {
                if let (Value::Object(known), Value::Object(change)) =
                    (std::mem::take(&mut merged[at]), change.clone())
                {
                    merged[at] = Value::Object(merge_map(graph, item, known, change)?);
                }
            }
            None => {
                known.insert_at(id, merged.len());
                merged.push(change.clone());
            }
        }
    }
    in_order(merged, &new, &old, Some(key))
}

/// Handles `$patch` in items: the original without the deleted ones (or, for `replace`, the
/// patch's items), and the items still to be merged.
fn apply_item_directives(
    mut old: Vec<Value>,
    new: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), String> {
    let (mut rest, mut replaces) = (Vec::with_capacity(new.len()), false);
    let mut deleted = Identities::default();
    for item in new {
        let Some(directive) = item.get(DIRECTIVE) else {
            rest.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                deleted.insert(identity(&item, Some(key))?);
            }
            Some("replace") => replaces = true,
            Some("merge") => {
                return Err("merging lists cannot yet be specified in the patch".to_owned());
            }
            _ => {
                return Err(match &item {
                    Value::Object(map) => unknown_directive(directive, map),
                    _ => LISTS_OF_LISTS.to_owned(),
                });
            }
        }
    }
    if !deleted.is_empty() {
        let gone = |known: &Value| known.get(key).is_some_and(|id| deleted.place(id).is_some());
        old.retain(|known| !gone(known));
    }
    Ok(if replaces { (rest, Vec::new()) } else { (old, rest) })
}

/// Items that `order` names in its order, interleaved with the others, which keep theirs.
fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, String> {
    let (server, order) = (Identities::of(server, key), Identities::of(order, key));
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let id = identity(&item, key)?;
        let on_server = server.place(id);
        match order.place(id) {
            Some(at) => named.push((at, on_server, item)),
            None => others.push((on_server, item)),
        }
    }
    named.sort_by_key(|(at, ..)| *at);
    others.sort_by_key(|(at, _)| at.unwrap_or(usize::MAX));
    let mut all = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return Ok(all),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some((Some(other), _)), Some((_, Some(named), _))) => other < named,
            _ => false,
        };
        let next = if other_first {
            others.next().map(|(_, item)| item)
        } else {
            named.next().map(|(_, _, item)| item)
        };
        all.extend(next);
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// A patch's value as the value of something that was not there.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) if map.contains_key(DIRECTIVE) => None,
        Value::Object(map) => Some(Value::Object(
            map.into_iter()
                .filter_map(|(name, value)| Some((name, without_directives(value)?)))
                .collect(),
        )),
        Value::Array(items) => {
            Some(Value::Array(items.into_iter().filter_map(without_directives).collect()))
        }
        value => Some(value),
    }
}
