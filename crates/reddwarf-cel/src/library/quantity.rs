//! Functions on amounts; those that versions have too are told apart by what they get.

use super::{Call, Function};
use crate::value::{Fault, Opaque, Outcome, Value};
use reddwarf_core::quantity::{Format, Quantity};
use std::cmp::Ordering;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "quantity" => parse,
        "isQuantity" => |call| Ok(Value::Bool(Quantity::parse(call.text(0)?).is_ok())),
        "sign" => sign,
        "isGreaterThan" => |call| Ok(Value::Bool(compare(&call)?.is_gt())),
        "isLessThan" => |call| Ok(Value::Bool(compare(&call)?.is_lt())),
        "compareTo" => |call| Ok(Value::Int(compare(&call)? as i64)),
        "asApproximateFloat" => as_float,
        "asInteger" => as_int,
        "isInteger" => |call| Ok(Value::Bool(whole(&amount(&call, 0)?).is_some())),
        "add" => |call| Ok(made(amount(&call, 0)?.plus(amount(&call, 1)?))),
        "sub" => |call| Ok(made(amount(&call, 0)?.minus(amount(&call, 1)?))),
        _ => return None,
    })
}

fn made<'a>(quantity: Quantity) -> Value<'a> {
    Value::opaque(Opaque::Quantity(quantity))
}

fn amount(call: &Call<'_, '_>, at: usize) -> Result<Quantity, Fault> {
    match call.args.get(at) {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Quantity(quantity) => Ok(*quantity),
            _ => Err(call.no_such_overload()),
        },
        Some(Value::Int(of)) if at > 0 => Ok(Quantity::new(*of, Format::DecimalExponent)),
        _ => Err(call.no_such_overload()),
    }
}

fn parse<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    Quantity::parse(call.text(0)?).map(made).map_err(|error| Fault::Failed(error.to_string()))
}

fn sign<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let amount = amount(&call, 0)?;
    let sign = match (amount.is_zero(), amount.is_negative()) {
        (true, _) => 0,
        (_, true) => -1,
        _ => 1,
    };
    Ok(Value::Int(sign))
}

fn compare(call: &Call<'_, '_>) -> Result<Ordering, Fault> {
    match &*call.args {
        [Value::Opaque(a), Value::Opaque(b)] => match (&**a, &**b) {
            (Opaque::Quantity(a), Opaque::Quantity(b)) => Ok(a.cmp(b)),
            (Opaque::Version(a), Opaque::Version(b)) => Ok(a.compare(b)),
            _ => Err(call.no_such_overload()),
        },
        _ => Err(call.no_such_overload()),
    }
}

/// The amount as a whole number, if it is one and not too large.
fn whole(amount: &Quantity) -> Option<i64> {
    let value = amount.value();
    (*amount == Quantity::new(value, amount.format())).then_some(value)
}

fn as_int<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match whole(&amount(&call, 0)?) {
        Some(value) => Ok(Value::Int(value)),
        None => Fault::failed("cannot convert value to integer"),
    }
}

fn as_float<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let amount = amount(&call, 0)?;
    if let Some(whole) = whole(&amount) {
        return Ok(Value::Double(whole as f64));
    }
    let nanos = amount.scaled_value(-9);
    let large = nanos == i64::MAX || nanos == i64::MIN;
    Ok(Value::Double(if large { amount.value() as f64 } else { nanos as f64 / 1e9 }))
}
