//! Functions on times and durations.

use super::{Call, Function};
use crate::value::{Fault, Outcome, Value};
use jiff::civil::DateTime;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "getFullYear" => |call| part(&call, |at| at.year().into(), None),
        "getMonth" => |call| part(&call, |at| i64::from(at.month()) - 1, None),
        "getDayOfYear" => |call| part(&call, |at| i64::from(at.day_of_year()) - 1, None),
        "getDayOfMonth" => |call| part(&call, |at| i64::from(at.day()) - 1, None),
        "getDate" => |call| part(&call, |at| at.day().into(), None),
        "getDayOfWeek" => {
            |call| part(&call, |at| at.weekday().to_sunday_zero_offset().into(), None)
        }
        "getHours" => |call| part(&call, |at| at.hour().into(), Some(3_600_000_000_000)),
        "getMinutes" => |call| part(&call, |at| at.minute().into(), Some(60_000_000_000)),
        "getSeconds" => |call| part(&call, |at| at.second().into(), Some(1_000_000_000)),
        "getMilliseconds" => {
            |call| part(&call, |at| i64::from(at.subsec_nanosecond()) / 1_000_000, Some(1_000_000))
        }
        _ => return None,
    })
}

/// A part of a time, or a duration in a unit.
fn part<'a>(call: &Call<'_, 'a>, of: fn(DateTime) -> i64, unit: Option<i64>) -> Outcome<'a> {
    match (&*call.args, unit) {
        ([Value::Timestamp(at)], _) => at.civil("").map(of).map(Value::Int).map_err(Fault::Failed),
        ([Value::Timestamp(at), Value::String(zone)], _) => {
            at.civil(zone).map(of).map(Value::Int).map_err(Fault::Failed)
        }
        ([Value::Duration(nanos)], Some(unit)) => Ok(Value::Int(nanos / unit)),
        _ => Err(call.no_such_overload()),
    }
}
