//! Kinds of the cluster itself: leases and priority classes.

use super::read::{flag, int};
use super::{ErrorList, FieldError, FieldPath, check};
use crate::object;
use serde_json::Value;

const USER_PRIORITY_MAX: i64 = 1_000_000_000;
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Checks a priority class.
pub fn priority_class(object: &Value) -> ErrorList {
    let name = object::name(object);
    let value = int(object, "value").unwrap_or_default();
    let mut errors = ErrorList::new();
    let known = SYSTEM_CLASSES.iter().find(|(system, _)| *system == name);
    if name.starts_with("system-") {
        let default = flag(object, "globalDefault");
        if known.is_none_or(|(_, expected)| *expected != value || default) {
            let why = match known {
                None => format!("{name} is not a known system priority class"),
                Some((_, expected)) if *expected != value => {
                    format!("value of {name} PriorityClass must be {expected}")
                }
                Some(_) => format!("globalDefault of {name} PriorityClass must be false"),
            };
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {why}"
            );
            let at = FieldPath::new("metadata").child("name");
            errors.push(FieldError::forbidden(at, detail));
        }
    } else if value > USER_PRIORITY_MAX {
        let detail =
            format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}");
        errors.push(FieldError::forbidden(FieldPath::new("value"), detail));
    }
    let policies = ["PreemptLowerPriority", "Never"];
    errors.extend(check::one_of(object, "preemptionPolicy", &policies, &FieldPath::new("")));
    errors
}

/// Checks an update of a priority class.
pub fn priority_class_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if int(new, "value").unwrap_or_default() != int(old, "value").unwrap_or_default() {
        let detail = "may not be changed in an update.";
        errors.push(FieldError::forbidden(FieldPath::new("value"), detail));
    }
    let at = FieldPath::new("preemptionPolicy");
    errors.extend(check::immutable(new, old, "preemptionPolicy", at));
    errors
}

/// Checks a lease.
pub fn lease(object: &Value) -> ErrorList {
    let (spec, path) = (&object["spec"], FieldPath::new("spec"));
    let mut errors = ErrorList::new();
    if let Some(seconds) = int(spec, "leaseDurationSeconds").filter(|n| *n <= 0) {
        let at = path.child("leaseDurationSeconds");
        errors.push(FieldError::invalid(at, seconds, "must be greater than 0"));
    }
    errors.extend(check::not_negative(spec, "leaseTransitions", &path));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn system_classes_are_the_systems() {
        let class = |name: &str, value: i64| json!({"metadata": {"name": name}, "value": value});
        assert!(priority_class(&class("system-node-critical", 2_000_001_000)).is_empty());
        assert!(priority_class(&class("mine", USER_PRIORITY_MAX)).is_empty());
        assert_eq!(
            priority_class(&class("mine", USER_PRIORITY_MAX + 1))[0].to_string(),
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
        );
        assert_eq!(
            priority_class(&class("system-x", 1))[0].detail,
            "priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class"
        );
    }
}
