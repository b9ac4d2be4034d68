//! Functions on values that may be missing.

use super::{Call, Function, shown};
use crate::value::{Fault, Outcome, Value};

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "optional.of" => |mut call| Ok(Value::some(call.take(0))),
        "optional.ofNonZeroValue" => of_non_zero,
        "optional.none" => |_| Ok(Value::Optional(None)),
        "value" => value,
        "hasValue" => has_value,
        "first" => |call| end(call, false),
        "last" => |call| end(call, true),
        "optional.unwrap" | "unwrapOpt" => unwrap,
        _ => return None,
    })
}

fn of_non_zero<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let value = call.take(0);
    Ok(if value.is_zero() { Value::Optional(None) } else { Value::some(value) })
}

fn value<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        Value::Optional(Some(of)) => Ok((*of).clone()),
        Value::Optional(None) => Fault::failed("optional.none() dereference"),
        other => {
            call.args[0] = other;
            Err(call.no_such_overload())
        }
    }
}

fn has_value<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match call.args.first() {
        Some(Value::Optional(of)) => Ok(Value::Bool(of.is_some())),
        _ => Err(call.no_such_overload()),
    }
}

fn end<'a>(call: Call<'_, 'a>, last: bool) -> Outcome<'a> {
    let Some(Value::List(list)) = call.args.first() else {
        return Err(call.no_such_overload());
    };
    let at = if last { list.len().saturating_sub(1) } else { 0 };
    Ok(match list.get(at).transpose()? {
        Some(item) => Value::some(item),
        None => Value::Optional(None),
    })
}

fn unwrap<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let Value::List(list) = call.take(0) else { return Err(call.no_such_overload()) };
    let mut items = Vec::new();
    for item in list.iter() {
        match item? {
            Value::Optional(of) => items.extend(of.map(|of| (*of).clone())),
            other => return Fault::failed(format!("value {} is not optional", shown(&other))),
        }
    }
    Ok(Value::list(items))
}
