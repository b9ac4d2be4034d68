//! Disruption budgets.

use super::read::{has, int};
use super::{ErrorList, FieldError, FieldPath, check, condition, labels};
use serde_json::{Map, Value};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a disruption budget.
pub fn disruption_budget(object: &Value) -> ErrorList {
    checked(&object["spec"], labels::selector)
}

/// Checks an update of a disruption budget.
pub fn disruption_budget_update(new: &Value, old: &Value) -> ErrorList {
    let before = labels::selector(&old["spec"]["selector"], &path());
    let selector: fn(&Value, &FieldPath) -> ErrorList = match before.is_empty() {
        true => labels::selector,
        false => |selector, at| labels::but_values(labels::selector(selector, at)),
    };
    checked(&new["spec"], selector)
}

fn checked(spec: &Value, selector: fn(&Value, &FieldPath) -> ErrorList) -> ErrorList {
    let mut errors = ErrorList::new();
    if has(spec, "minAvailable") && has(spec, "maxUnavailable") {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid(path(), internal(spec), detail));
    }
    for field in ["minAvailable", "maxUnavailable"] {
        match check::int_or_percent(spec, field, &path()) {
            Some(error) => errors.push(error),
            None => errors.extend(at_most_all(spec, field)),
        }
    }
    errors.extend(selector(&spec["selector"], &path().child("selector")));
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.extend(check::one_of(spec, "unhealthyPodEvictionPolicy", &policies, &path()));
    errors
}

fn at_most_all(spec: &Value, field: &str) -> Option<FieldError> {
    let value = spec.get(field)?;
    check::percentage(value).filter(|percent| *percent > 100)?;
    let detail = "must not be greater than 100%";
    Some(FieldError::invalid(path().child(field), value.clone(), detail))
}

/// The spec as upstream's messages show it: in its internal form.
fn internal(spec: &Value) -> Value {
    let fields = ["minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy"];
    let mut shown = Map::new();
    for field in fields {
        let mut name = field.to_owned();
        name[..1].make_ascii_uppercase();
        shown.insert(name, spec.get(field).cloned().unwrap_or_default());
    }
    Value::Object(shown)
}

/// Checks an update of a disruption budget's status.
pub fn disruption_status(new: &Value, _old: &Value) -> ErrorList {
    const COUNTS: [&str; 4] =
        ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
    let (status, at) = (&new["status"], FieldPath::new("status"));
    let mut errors = condition::all(status, &at);
    // A count that is missing is 0, which is fine.
    let negative = COUNTS.iter().filter(|field| int(status, field).is_some_and(|n| n < 0));
    errors.extend(negative.filter_map(|field| check::not_negative(status, field, &at)));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bad_value_that_was_stored_stays() {
        let budget = |value: &str| {
            json!({"spec": {"selector": {"matchExpressions": [
                {"key": "a", "operator": "In", "values": [value]}]}}})
        };
        let bad = budget("not a value");
        assert_eq!(disruption_budget(&bad).len(), 1);
        assert_eq!(disruption_budget_update(&bad, &budget("ok")).len(), 1);
        assert!(disruption_budget_update(&bad, &bad).is_empty());
    }

    #[test]
    fn statuses() {
        let bad = json!({"status": {"currentHealthy": -1, "conditions": [{"type": "x"}]}});
        let fields: Vec<String> =
            disruption_status(&bad, &bad).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields.last().map(String::as_str), Some("status.currentHealthy"));
        assert_eq!(fields.len(), 4);
    }
}
