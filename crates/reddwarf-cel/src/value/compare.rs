//! The order of values.

use super::{Fault, Value};
use std::cmp::Ordering;

impl Value<'_> {
    /// How two values stand to each other.
    ///
    /// # Errors
    /// There is no order between them.
    pub fn compare(&self, other: &Value<'_>) -> Result<Ordering, Fault> {
        use Value::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
        let order = match (self, other) {
            (Bool(a), Bool(b)) => a.cmp(b),
            (String(a), String(b)) => (**a).cmp(&**b),
            (Bytes(a), Bytes(b)) => a.cmp(b),
            (Duration(a), Duration(b)) => a.cmp(b),
            (Timestamp(a), Timestamp(b)) => a.cmp(b),
            (Int(_) | Uint(_) | Double(_), Int(_) | Uint(_) | Double(_)) => {
                return match numbers(self, other) {
                    Some(order) => Ok(order),
                    None => Fault::failed("NaN values cannot be ordered"),
                };
            }
            _ => return Err(Fault::no_such_overload()),
        };
        Ok(order)
    }
}

/// The order of two numbers, unless one of them is none.
pub(super) fn numbers(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), b) => double_and_whole(*a, whole(b)?),
        (a, Value::Double(b)) => double_and_whole(*b, whole(a)?).map(Ordering::reverse),
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

fn whole(value: &Value<'_>) -> Option<i128> {
    match value {
        Value::Int(of) => Some((*of).into()),
        Value::Uint(of) => Some((*of).into()),
        _ => None,
    }
}

fn double_and_whole(double: f64, whole: i128) -> Option<Ordering> {
    double.partial_cmp(&(whole as f64))
}
