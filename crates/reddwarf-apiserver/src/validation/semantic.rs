//! Equality as upstream's validation understands it: what is absent equals what is empty, and
//! amounts are compared as numbers.

use super::resource_name::amount;
use serde_json::{Map, Value};

/// Fields that hold amounts of resources.
const AMOUNTS: [&str; 6] = ["limits", "requests", "overhead", "capacity", "hard", "used"];
/// Fields that are one amount.
const AMOUNT: [&str; 2] = ["sizeLimit", "divisor"];

/// Whether two values mean the same.
pub fn same(a: &Value, b: &Value) -> bool {
    compare(a, b, false)
}

/// Whether a field of two objects means the same.
pub fn same_field(a: &Value, b: &Value, field: &str) -> bool {
    let of = |object: &Value| object.get(field).cloned().unwrap_or_default();
    let (a, b) = (&of(a), &of(b));
    compare(a, b, AMOUNTS.contains(&field) || AMOUNT.contains(&field))
}

fn compare<'a>(a: &'a Value, b: &'a Value, amounts: bool) -> bool {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let keys = x.keys().chain(y.keys().filter(|key| !x.contains_key(*key)));
            let of = |map: &'a Map<String, Value>, key: &str| map.get(key).unwrap_or(&Value::Null);
            keys.into_iter().all(|key| {
                let inside = amounts || AMOUNTS.contains(&&**key) || AMOUNT.contains(&&**key);
                compare(of(x, key), of(y, key), inside)
            })
        }
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(a, b)| compare(a, b, amounts))
        }
        _ if is_nothing(a) && is_nothing(b) => true,
        _ if amounts => match (amount(a), amount(b)) {
            (Some(x), Some(y)) => x == y,
            _ => a == b,
        },
        _ => a == b,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_is_nothing() {
        assert!(same(&json!({"a": []}), &json!({"b": null})));
        assert!(!same(&json!({"a": [1]}), &json!({})));
        assert!(same_field(&json!({"a": {}}), &json!({}), "a"));
    }

    #[test]
    fn amounts_are_numbers() {
        let of = |amount: &str| json!({"resources": {"limits": {"memory": amount}}});
        assert!(same(&of("1Gi"), &of("1073741824")));
        assert!(!same(&of("1Gi"), &of("1G")));
        assert!(!same(&json!({"value": "1k"}), &json!({"value": "1000"})));
        assert!(same_field(&of("1k")["resources"], &of("1000")["resources"], "limits"));
    }
}
