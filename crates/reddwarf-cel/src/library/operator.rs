//! Operators.

use super::{Call, Function};
use crate::value::{Fault, Outcome, Value};
use std::cmp::Ordering;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "_+_" => add,
        "_-_" => subtract,
        "_*_" => multiply,
        "_/_" => divide,
        "_%_" => remainder,
        "-_" => negate,
        "!_" => not,
        "_<_" => |call| compared(&call, Ordering::is_lt),
        "_<=_" => |call| compared(&call, Ordering::is_le),
        "_>_" => |call| compared(&call, Ordering::is_gt),
        "_>=_" => |call| compared(&call, Ordering::is_ge),
        "@in" => contained,
        "size" => size,
        _ => return None,
    })
}

fn int<'a>(of: Option<i64>) -> Outcome<'a> {
    of.map(Value::Int).ok_or_else(|| Fault::Failed("integer overflow".to_owned()))
}

fn uint<'a>(of: Option<u64>) -> Outcome<'a> {
    of.map(Value::Uint).ok_or_else(|| Fault::Failed("unsigned integer overflow".to_owned()))
}

fn duration<'a>(of: Option<i64>) -> Outcome<'a> {
    of.map(Value::Duration).ok_or_else(|| Fault::Failed("duration overflow".to_owned()))
}

fn timestamp<'a>(of: Option<crate::value::time::Time>) -> Outcome<'a> {
    of.map(Value::Timestamp).ok_or_else(|| Fault::Failed("timestamp overflow".to_owned()))
}

fn add<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match (call.take(0), call.take(1)) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_add(b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_add(b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a + b)),
        (Value::String(a), Value::String(b)) => {
            call.meter.step((a.len() + b.len()) / 8)?;
            Ok(Value::text(format!("{}{}", &*a, &*b)))
        }
        (Value::Bytes(a), Value::Bytes(b)) => {
            call.meter.step((a.len() + b.len()) / 8)?;
            Ok(Value::Bytes([&*a, &*b].concat().into()))
        }
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_add(b)),
        (Value::Duration(a), Value::Timestamp(b)) | (Value::Timestamp(b), Value::Duration(a)) => {
            timestamp(b.plus(a.into()))
        }
        (Value::List(a), Value::List(b)) => joined(a, b, &mut call),
        _ => Err(Fault::no_such_overload()),
    }
}

/// Two lists one after the other; of a list of the object that is a set, or a map by keys, what
/// is already there is replaced.
fn joined<'a>(
    a: crate::value::List<'a>,
    b: crate::value::List<'a>,
    call: &mut Call<'_, 'a>,
) -> Outcome<'a> {
    if let Some(merged) = super::collection::merged(&a, &b, call.meter)? {
        return Ok(merged);
    }
    let mut copied = 0;
    let joined = a.join(b, &mut copied)?;
    call.meter.step(copied)?;
    Ok(Value::List(joined))
}

fn subtract<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match (call.take(0), call.take(1)) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_sub(b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_sub(b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a - b)),
        (Value::Duration(a), Value::Duration(b)) => duration(a.checked_sub(b)),
        (Value::Timestamp(a), Value::Duration(b)) => timestamp(a.plus(-i128::from(b))),
        (Value::Timestamp(a), Value::Timestamp(b)) => duration(a.since(&b)),
        _ => Err(Fault::no_such_overload()),
    }
}

fn multiply<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match (call.take(0), call.take(1)) {
        (Value::Int(a), Value::Int(b)) => int(a.checked_mul(b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_mul(b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a * b)),
        _ => Err(Fault::no_such_overload()),
    }
}

fn divide<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match (call.take(0), call.take(1)) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Fault::failed("division by zero")
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_div(b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_div(b)),
        (Value::Double(a), Value::Double(b)) => Ok(Value::Double(a / b)),
        _ => Err(Fault::no_such_overload()),
    }
}

fn remainder<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match (call.take(0), call.take(1)) {
        (Value::Int(_), Value::Int(0)) | (Value::Uint(_), Value::Uint(0)) => {
            Fault::failed("modulus by zero")
        }
        (Value::Int(a), Value::Int(b)) => int(a.checked_rem(b)),
        (Value::Uint(a), Value::Uint(b)) => uint(a.checked_rem(b)),
        _ => Err(Fault::no_such_overload()),
    }
}

fn negate<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        Value::Int(of) => int(of.checked_neg()),
        Value::Double(of) => Ok(Value::Double(-of)),
        Value::Duration(of) => duration(of.checked_neg()),
        _ => Fault::failed("no such overload: -_"),
    }
}

fn not<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        Value::Bool(of) => Ok(Value::Bool(!of)),
        _ => Err(Fault::no_such_overload()),
    }
}

fn compared<'a>(call: &Call<'_, 'a>, holds: fn(Ordering) -> bool) -> Outcome<'a> {
    match &*call.args {
        [a, b] => Ok(Value::Bool(holds(a.compare(b)?))),
        _ => Err(Fault::no_such_overload()),
    }
}

fn contained<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let item = call.take(0);
    match call.take(1) {
        Value::List(list) => {
            Ok(Value::Bool(super::collection::contains(&list, &item, call.meter)?))
        }
        Value::Map(map) => Ok(Value::Bool(map.get(&item)?.is_some())),
        _ => Err(Fault::no_such_overload()),
    }
}

fn size<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match call.args.first() {
        Some(of @ (Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_))) => {
            Ok(Value::Int(of.size() as i64))
        }
        _ => Fault::failed("no such overload: size"),
    }
}
