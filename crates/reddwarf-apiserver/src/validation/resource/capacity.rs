//! How much of a device there is, and in what portions it is given away.

use super::super::read::{has, items};
use super::super::{ErrorList, FieldError, FieldPath};
use super::each_once;
use reddwarf_core::quantity::Quantity;
use serde_json::Value;

const OPTIONS_MAX: usize = 10;

/// Checks a capacity; only one of a device that several may share has a policy.
pub fn capacity(capacity: &Value, shared: bool, path: &FieldPath) -> ErrorList {
    let at = path.child("requestPolicy");
    match (has(capacity, "requestPolicy"), shared) {
        (false, _) => ErrorList::new(),
        (true, false) => {
            vec![FieldError::forbidden(at, "allowMultipleAllocations must be true")]
        }
        (true, true) => policy(&capacity["requestPolicy"], &capacity["value"], &at),
    }
}

fn policy(policy: &Value, most: &Value, path: &FieldPath) -> ErrorList {
    let (values, range) = (items(policy, "validValues"), has(policy, "validRange"));
    let given = if values.is_empty() { "validRange" } else { "validValues" };
    if !values.is_empty() && range {
        let detail = "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time";
        return vec![FieldError::forbidden(path.clone(), detail)];
    }
    if values.is_empty() && !range {
        return ErrorList::new();
    }
    let default = &policy["default"];
    if default.is_null() {
        let detail = format!("required when {given} is defined");
        return vec![FieldError::required(path.child("default"), detail)];
    }
    let at = path.child(given);
    if range {
        valid_range(&policy["validRange"], default, most, &at)
    } else {
        valid_values(values, default, most, &at)
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}

/// Whether both are quantities and the first is the greater one.
fn exceeds(one: &Value, other: &Value) -> bool {
    quantity(one).zip(quantity(other)).is_some_and(|(one, other)| one > other)
}

fn shown(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn valid_values(values: &[Value], default: &Value, most: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for (at, pair) in values.windows(2).enumerate().filter(|(_, p)| exceeds(&p[0], &p[1])) {
        let detail = "values must be sorted in ascending order";
        errors.push(FieldError::invalid(path.index(at + 1), pair[1].clone(), detail));
    }
    let key = |value: &Value| quantity(value).map_or(0, |quantity| quantity.value()).into();
    errors.extend(each_once(values, OPTIONS_MAX, path, key, |value, at| {
        let detail = format!("option is larger than capacity value: {}", shown(most));
        let large = exceeds(value, most);
        let error = large.then(|| FieldError::invalid(at.clone(), value.clone(), detail));
        error.into_iter().collect()
    }));
    if !values.iter().any(|value| quantity(value) == quantity(default)) {
        let detail = "default value is not valid according to the requestPolicy";
        errors.push(FieldError::invalid(path.clone(), default.clone(), detail));
    }
    errors
}

fn valid_range(range: &Value, default: &Value, most: &Value, path: &FieldPath) -> ErrorList {
    let (min, max) = (&range["min"], &range["max"]);
    if min.is_null() {
        return vec![FieldError::required(
            path.child("min"),
            "required when validRange is defined",
        )];
    }
    let mut errors = ErrorList::new();
    let mut refuse = |wrong: bool, field: &str, value: &Value, why: &str, bound: &Value| {
        if wrong {
            let detail = format!("{why}: {}", shown(bound));
            errors.push(FieldError::invalid(path.child(field), value.clone(), detail));
        }
    };
    refuse(exceeds(min, most), "min", min, "min is larger than capacity value", most);
    refuse(exceeds(min, default), "default", default, "default is less than min", min);
    refuse(exceeds(min, max), "max", min, "min is larger than max", max);
    refuse(exceeds(max, most), "max", max, "max is larger than capacity value", most);
    refuse(exceeds(default, max), "default", default, "default is more than max", max);
    errors.extend(step(range, default, &path.child("step")));
    errors
}

/// The default and the maximum must be a number of steps above the minimum.
fn step(range: &Value, default: &Value, path: &FieldPath) -> ErrorList {
    let Some(step) = quantity(&range["step"]) else { return ErrorList::new() };
    if step.is_zero() || step.is_negative() {
        let value = range["step"].clone();
        return vec![FieldError::invalid(path.clone(), value, "must be greater than zero")];
    }
    let whole = |value: &Value| quantity(value).map(|quantity| quantity.value());
    let (Some(step), Some(min)) = (whole(&range["step"]), whole(&range["min"])) else {
        return ErrorList::new();
    };
    let off = [default, &range["max"]].into_iter().filter(|value| {
        let over = whole(value).and_then(|value| value.checked_sub(min));
        over.is_some_and(|over| over.checked_rem(step).unwrap_or_default() != 0)
    });
    off.map(|value| {
        let detail = format!(
            "value is not a multiple of a given step ({}) from ({})",
            shown(&range["step"]),
            shown(&range["min"])
        );
        FieldError::invalid(path.clone(), value.clone(), detail)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(policy: Value) -> Vec<String> {
        let value = json!({"value": "10", "requestPolicy": policy});
        capacity(&value, true, &FieldPath::new("c")).iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn portions_from_a_list() {
        assert!(fields(json!({"default": "1", "validValues": ["1", "2"]})).is_empty());
        assert_eq!(
            fields(json!({"default": "3", "validValues": ["2", "1", "1", "11"]})),
            [
                "c.requestPolicy.validValues[1]",
                "c.requestPolicy.validValues[3]",
                "c.requestPolicy.validValues[2]",
                "c.requestPolicy.validValues",
            ]
        );
        assert_eq!(fields(json!({"validValues": ["1"]})), ["c.requestPolicy.default"]);
    }

    #[test]
    fn portions_in_a_range() {
        let range = |default: &str| {
            fields(json!({"default": default, "validRange": {"min": "2", "max": "8", "step": "2"}}))
        };
        assert!(range("4").is_empty());
        assert_eq!(range("5"), ["c.requestPolicy.validRange.step"]);
        assert_eq!(range("1").len(), 2);
        let alone = json!({"value": "1", "requestPolicy": {}});
        assert_eq!(capacity(&alone, false, &FieldPath::new("c")).len(), 1);
    }
}
