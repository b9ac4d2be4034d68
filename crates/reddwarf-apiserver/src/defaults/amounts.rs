//! Amounts of resources.

use super::fill::at_mut;
use reddwarf_core::Quantity;
use serde_json::Value;

/// Rounds the amounts of the map at `path` up to thousandths, below which nothing is counted.
pub(super) fn round(object: &mut Value, path: &str) {
    let Some(Value::Object(amounts)) = at_mut(object, path) else { return };
    for amount in amounts.values_mut() {
        let Some(given) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) else {
            continue;
        };
        let rounded = Quantity::from_milli(given.milli_value());
        // The largest amounts do not fit into thousandths, and are whole.
        if given != rounded && given.milli_value() != i64::MAX {
            *amount = rounded.to_string().into();
        }
    }
}

/// Rounds what is asked for and what limits it.
pub(super) fn round_resources(object: &mut Value) {
    round(object, "resources.limits");
    round(object, "resources.requests");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn thousandths_are_the_least() {
        let mut object =
            json!({"a": {"cpu": "100u", "memory": "1Gi", "x": "9223372036854775807", "y": 1}});
        round(&mut object, "a");
        assert_eq!(
            object,
            json!({"a": {"cpu": "1m", "memory": "1Gi", "x": "9223372036854775807", "y": 1}})
        );
    }
}
