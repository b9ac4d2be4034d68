//! Conversions between types.

use super::{Call, Function};
use crate::types::Type;
use crate::value::time::{Time, parse_duration};
use crate::value::{Fault, Opaque, Outcome, Value};

/// Larger doubles are no whole numbers.
const INT_BOUND: f64 = 9_223_372_036_854_775_807.0;
const UINT_BOUND: f64 = 18_446_744_073_709_551_615.0;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "bool" => to_bool,
        "bytes" => to_bytes,
        "double" => to_double,
        "duration" => to_duration,
        "dyn" => |mut call| Ok(call.take(0)),
        "int" => to_int,
        "string" => to_string,
        "timestamp" => to_timestamp,
        "type" => |mut call| Ok(Value::Type(call.take(0).type_of())),
        "uint" => to_uint,
        _ => return None,
    })
}

fn failed<'a>(from: &str, to: &str) -> Outcome<'a> {
    Fault::failed(format!("type conversion error from '{from}' to '{to}'"))
}

fn overflow<'a>(unsigned: bool) -> Outcome<'a> {
    Fault::failed(if unsigned { "unsigned integer overflow" } else { "integer overflow" })
}

fn to_bool<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Bool(_) => Ok(of),
        Value::String(text) => match &*text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => failed("string", "bool"),
        },
        other => wrong(call, other),
    }
}

fn wrong<'a>(call: Call<'_, 'a>, arg: Value<'a>) -> Outcome<'a> {
    call.args[0] = arg;
    Err(call.no_such_overload())
}

fn to_bytes<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Bytes(_) => Ok(of),
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        other => wrong(call, other),
    }
}

fn to_double<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Double(_) => Ok(of),
        Value::Int(of) => Ok(Value::Double(of as f64)),
        Value::Uint(of) => Ok(Value::Double(of as f64)),
        Value::String(text) => match text.parse::<f64>() {
            Ok(double) if double.is_finite() || !text.bytes().any(|b| b.is_ascii_digit()) => {
                Ok(Value::Double(double))
            }
            _ => failed("string", "double"),
        },
        other => wrong(call, other),
    }
}

fn to_duration<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Duration(_) => Ok(of),
        Value::String(text) => match parse_duration(&text) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => failed("string", "google.protobuf.Duration"),
        },
        other => wrong(call, other),
    }
}

fn to_int<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Int(_) => Ok(of),
        Value::Uint(of) => {
            i64::try_from(of).map_or_else(|_| overflow(false), |of| Ok(Value::Int(of)))
        }
        Value::Double(of) if of.abs() < INT_BOUND => Ok(Value::Int(of as i64)),
        Value::Double(_) => overflow(false),
        Value::Duration(of) => Ok(Value::Int(of)),
        Value::Timestamp(at) => Ok(Value::Int(at.seconds())),
        Value::String(text) => match text.parse() {
            Ok(int) => Ok(Value::Int(int)),
            Err(_) => failed("string", "int"),
        },
        other => wrong(call, other),
    }
}

fn to_uint<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    match call.take(0) {
        of @ Value::Uint(_) => Ok(of),
        Value::Int(of) => {
            u64::try_from(of).map_or_else(|_| overflow(true), |of| Ok(Value::Uint(of)))
        }
        Value::Double(of) if (0.0..UINT_BOUND).contains(&of) => Ok(Value::Uint(of as u64)),
        Value::Double(_) => overflow(true),
        Value::String(text) => match text.parse() {
            Ok(uint) if !text.starts_with('+') => Ok(Value::Uint(uint)),
            _ => failed("string", "uint"),
        },
        other => wrong(call, other),
    }
}

fn to_string<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let value = call.take(0);
    if let Value::Bytes(bytes) = &value {
        return match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::text(text)),
            Err(_) => Fault::failed("invalid UTF-8 in bytes, cannot convert to string"),
        };
    }
    match text_of(&value) {
        Some(_) if matches!(value, Value::String(_)) => Ok(value),
        Some(text) => Ok(Value::text(text)),
        None => wrong(call, value),
    }
}

/// A value as a text, if it can be one.
pub(super) fn text_of(value: &Value<'_>) -> Option<String> {
    Some(match value {
        Value::String(text) => text.to_string(),
        Value::Bool(of) => of.to_string(),
        Value::Int(of) => of.to_string(),
        Value::Uint(of) => of.to_string(),
        Value::Double(of) => double_text(*of),
        Value::Duration(of) => duration_text(*of),
        Value::Timestamp(at) => at.text(),
        Value::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok()?,
        Value::Type(of) => of.name().to_owned(),
        Value::Opaque(of) => match &**of {
            Opaque::Ip(ip) => ip.to_string(),
            Opaque::Cidr(ip, bits) => format!("{ip}/{bits}"),
            _ => return None,
        },
        _ => return None,
    })
}

fn to_timestamp<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let overflow = || Fault::Failed("timestamp overflow".to_owned());
    match call.take(0) {
        of @ Value::Timestamp(_) => Ok(of),
        Value::Int(seconds) => {
            Time::from_seconds(seconds).map(Value::Timestamp).ok_or_else(overflow)
        }
        Value::String(text) => match Time::parse(&text) {
            Some(at) if at.is_known() => Ok(Value::Timestamp(at)),
            Some(_) => Err(overflow()),
            None => failed("string", Type::Timestamp.name()),
        },
        other => wrong(call, other),
    }
}

/// A duration in seconds.
pub(super) fn duration_text(nanos: i64) -> String {
    let seconds = (nanos / 1_000_000_000) as f64 + (nanos % 1_000_000_000) as f64 / 1e9;
    format!("{seconds}s")
}

/// A double with as few digits as tell it from others, and with an exponent if it is very large
/// or small.
pub(super) fn double_text(of: f64) -> String {
    if of.is_nan() {
        return "NaN".to_owned();
    }
    if of.is_infinite() {
        return if of > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{of:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if of != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{of}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_text() {
        for (of, text) in [
            (1.0, "1"),
            (-12300.0, "-12300"),
            (1e21, "1e+21"),
            (100000.0, "100000"),
            (1000000.0, "1e+06"),
            (1.5e-7, "1.5e-07"),
            (0.1, "0.1"),
            (0.0, "0"),
            (123456789.0, "1.23456789e+08"),
        ] {
            assert_eq!(double_text(of), text);
        }
        assert_eq!(duration_text(5_400_000_000_000), "5400s");
        assert_eq!(duration_text(-1_500_000_000), "-1.5s");
    }
}
