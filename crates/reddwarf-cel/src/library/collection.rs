//! Functions on lists.

use super::{Call, Function, shown};
use crate::cost::spent::Meter;
use crate::value::{Fault, List, Outcome, Value, same_keys};
use std::cmp::Ordering;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "isSorted" => is_sorted,
        "sum" => sum,
        "max" => |call| extreme(call, Ordering::Less),
        "min" => |call| extreme(call, Ordering::Greater),
        "indexOf" => index_of,
        "lastIndexOf" => last_index_of,
        "sets.contains" => sets_contain,
        "sets.equivalent" => sets_equivalent,
        "sets.intersects" => sets_intersect,
        "slice" => slice,
        "flatten" => flatten,
        "lists.range" => numbers,
        "reverse" => reverse,
        "distinct" => distinct,
        "sort" => sort,
        "@sortByAssociatedKeys" => sort,
        "cel.@mapInsert" => map_insert,
        _ => return None,
    })
}

fn list<'a>(call: &mut Call<'_, 'a>, at: usize) -> Result<List<'a>, Fault> {
    match call.args.get(at) {
        Some(Value::List(list)) => Ok(list.clone()),
        _ => Err(call.no_such_overload()),
    }
}

fn same(a: &Value<'_>, b: &Value<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    match a.equals(b, meter.steps()) {
        Err(Fault::Cancelled) => Err(Fault::Cancelled),
        // What cannot be compared is not the same.
        result => Ok(result.unwrap_or_default()),
    }
}

/// Whether a list has an item.
pub(super) fn contains(
    list: &List<'_>,
    item: &Value<'_>,
    meter: &mut Meter,
) -> Result<bool, Fault> {
    for candidate in list.iter() {
        if same(&candidate?, item, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Two lists together, if the first is one of the object in which items are told apart: items of
/// the second replace those with the same keys, and those that are already there are left out.
pub(super) fn merged<'a>(
    a: &List<'a>,
    b: &List<'a>,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    let Some(schema) = a.declared() else { return Ok(None) };
    let keys = match schema.list_type.as_str() {
        "map" => Some(&schema.list_keys),
        "set" => None,
        _ => return Ok(None),
    };
    let mut items = a.items()?;
    for item in b.iter() {
        let item = item?;
        let mut known = None;
        for (at, candidate) in items.iter().enumerate() {
            let is_same = match keys {
                Some(keys) => same_keys(candidate, &item, keys, meter.steps())?,
                None => same(candidate, &item, meter)?,
            };
            if is_same {
                known = Some(at);
                break;
            }
        }
        match (known, keys) {
            (Some(at), Some(_)) => items[at] = item,
            (Some(_), None) => {}
            (None, _) => items.push(item),
        }
    }
    Ok(Some(Value::List(List::merged(items, schema))))
}

fn is_sorted<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let mut before: Option<Value<'a>> = None;
    for item in list.iter() {
        let item = item?;
        if let Some(before) = &before
            && before.compare(&item)?.is_gt()
        {
            return Ok(Value::Bool(false));
        }
        before = Some(item);
    }
    Ok(Value::Bool(true))
}

fn sum<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let mut sum: Option<Value<'a>> = None;
    for item in list.iter() {
        let item = item?;
        sum = Some(match (sum, item) {
            (None, item) => item,
            (Some(Value::Int(a)), Value::Int(b)) => match a.checked_add(b) {
                Some(sum) => Value::Int(sum),
                None => return Err(Fault::no_such_overload()),
            },
            (Some(Value::Uint(a)), Value::Uint(b)) => match a.checked_add(b) {
                Some(sum) => Value::Uint(sum),
                None => return Err(Fault::no_such_overload()),
            },
            (Some(Value::Double(a)), Value::Double(b)) => Value::Double(a + b),
            (Some(Value::Duration(a)), Value::Duration(b)) => match a.checked_add(b) {
                Some(sum) => Value::Duration(sum),
                None => return Err(Fault::no_such_overload()),
            },
            _ => return Err(Fault::no_such_overload()),
        });
    }
    Ok(sum.unwrap_or(match call.overload {
        "list_uint_sum_uint" => Value::Uint(0),
        "list_double_sum_double" => Value::Double(0.0),
        "list_duration_sum_duration" => Value::Duration(0),
        _ => Value::Int(0),
    }))
}

fn extreme<'a>(mut call: Call<'_, 'a>, replaced_if: Ordering) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let mut best: Option<Value<'a>> = None;
    for item in list.iter() {
        let item = item?;
        let better = match &best {
            Some(best) => best.compare(&item)? == replaced_if,
            None => true,
        };
        if better {
            best = Some(item);
        }
    }
    best.ok_or_else(|| Fault::Failed(format!("{} called on empty list", call.name)))
}

fn index_of<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    if matches!(call.args.first(), Some(Value::String(_))) {
        return super::text::index_of(&call);
    }
    let (list, item) = (list(&mut call, 0)?, call.take(1));
    for (at, candidate) in list.iter().enumerate() {
        if same(&candidate?, &item, call.meter)? {
            return Ok(Value::Int(at as i64));
        }
    }
    Ok(Value::Int(-1))
}

fn last_index_of<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    if matches!(call.args.first(), Some(Value::String(_))) {
        return super::text::last_index_of(&call);
    }
    let (list, item) = (list(&mut call, 0)?, call.take(1));
    for at in (0..list.len()).rev() {
        if let Some(candidate) = list.get(at)
            && same(&candidate?, &item, call.meter)?
        {
            return Ok(Value::Int(at as i64));
        }
    }
    Ok(Value::Int(-1))
}

fn contains_all(list: &List<'_>, items: &List<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    for item in items.iter() {
        if !contains(list, &item?, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sets_contain<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let (a, b) = (list(&mut call, 0)?, list(&mut call, 1)?);
    Ok(Value::Bool(contains_all(&a, &b, call.meter)?))
}

fn sets_equivalent<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let (a, b) = (list(&mut call, 0)?, list(&mut call, 1)?);
    let both = contains_all(&a, &b, call.meter)? && contains_all(&b, &a, call.meter)?;
    Ok(Value::Bool(both))
}

fn sets_intersect<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let (a, b) = (list(&mut call, 0)?, list(&mut call, 1)?);
    for item in a.iter() {
        if contains(&b, &item?, call.meter)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn slice<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let (start, end) = (call.int(1)?, call.int(2)?);
    let refused = |why: String| Fault::failed(format!("cannot slice({start}, {end}), {why}"));
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return refused("negative indexes not supported".to_owned());
    };
    if from > to {
        return refused("start index must be less than or equal to end index".to_owned());
    }
    if list.len() < to {
        return refused(format!("list is length {}", list.len()));
    }
    let items: Result<Vec<_>, _> = (from..to).filter_map(|at| list.get(at)).collect();
    Ok(Value::list(items?))
}

fn flatten<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let depth = if call.args.len() == 2 { call.int(1)? } else { 1 };
    if depth < 0 {
        return Fault::failed("level must be non-negative");
    }
    let mut flat = Vec::new();
    flatten_into(&list, depth, &mut flat, call.meter)?;
    Ok(Value::list(flat))
}

fn flatten_into<'a>(
    list: &List<'a>,
    depth: i64,
    flat: &mut Vec<Value<'a>>,
    meter: &mut Meter,
) -> Result<(), Fault> {
    for item in list.iter() {
        meter.step(1)?;
        match item? {
            Value::List(inner) if depth > 0 => flatten_into(&inner, depth - 1, flat, meter)?,
            item => flat.push(item),
        }
    }
    Ok(())
}

fn numbers<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let end = call.int(0)?;
    call.meter.step(usize::try_from(end).unwrap_or_default())?;
    Ok(Value::list((0..end).map(Value::Int).collect()))
}

fn reverse<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let mut items = list(&mut call, 0)?.items()?;
    items.reverse();
    Ok(Value::list(items))
}

fn distinct<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let list = list(&mut call, 0)?;
    let mut unique: Vec<Value<'a>> = Vec::new();
    for item in list.iter() {
        let item = item?;
        let mut seen = false;
        for other in &unique {
            if same(&item, other, call.meter)? {
                seen = true;
                break;
            }
        }
        if !seen {
            unique.push(item);
        }
    }
    Ok(Value::list(unique))
}

/// Sorts a list, by another list of keys if there is one.
fn sort<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let items = list(&mut call, 0)?.items()?;
    let keys = if call.args.len() == 2 { list(&mut call, 1)?.items()? } else { items.clone() };
    if items.len() != keys.len() {
        return Fault::failed(format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got {} and {} elements respectively",
            items.len(),
            keys.len()
        ));
    }
    let Some(first) = keys.first() else { return Ok(Value::list(items)) };
    if first.compare(first).is_err() {
        return Fault::failed("list elements must be comparable");
    }
    if keys.iter().any(|key| key.type_of() != first.type_of()) {
        return Fault::failed("list elements must have the same type");
    }
    let mut both: Vec<(Value<'a>, Value<'a>)> = keys.into_iter().zip(items).collect();
    both.sort_by(|(a, _), (b, _)| a.compare(b).unwrap_or(Ordering::Equal));
    Ok(Value::list(both.into_iter().map(|(_, item)| item).collect()))
}

/// A map with an entry or with all of another map; no key may be there already.
fn map_insert<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let Value::Map(mut map) = call.take(0) else { return Err(call.no_such_overload()) };
    call.meter.step(map.len())?;
    let entries = match (call.args.len(), call.take(1)) {
        (3, key) => vec![(key, call.take(2))],
        (_, Value::Map(more)) => {
            let mut entries = Vec::new();
            for key in more.keys() {
                if let Some(value) = more.get(&key)? {
                    entries.push((key, value));
                }
            }
            entries
        }
        _ => return Err(call.no_such_overload()),
    };
    for (key, value) in entries {
        let name = shown(&key);
        if map.insert(key, value)?.is_some() {
            return Fault::failed(format!("insert failed: key {name} already exists"));
        }
    }
    Ok(Value::Map(map))
}
