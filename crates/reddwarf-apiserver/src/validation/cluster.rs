//! Kinds of the cluster itself: nodes, leases, priority and runtime classes, events, quotas.

use super::read::{differs, flag, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, NEGATIVE, check, names};
use crate::object;
use reddwarf_core::quantity::Quantity;
use serde_json::{Value, json};
use std::collections::HashSet;

const USER_PRIORITY_MAX: i64 = 1_000_000_000;
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

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

/// Checks a node.
pub fn node(object: &Value) -> ErrorList {
    let mut errors = taints(&object["spec"], &FieldPath::new("metadata").child("taints"));
    for list in ["capacity", "allocatable"] {
        let path = FieldPath::new("status").child(list);
        for (name, value) in object["status"][list].as_object().into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            if Quantity::parse(text).is_ok_and(|q| q.is_negative()) {
                errors.push(FieldError::invalid(path.child(name), text, NEGATIVE));
            }
        }
    }
    errors
}

fn taints(spec: &Value, path: &FieldPath) -> ErrorList {
    let taints = items(spec, "taints");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    for (at, taint) in taints.iter().enumerate() {
        let at_path = path.index(at);
        let (key, value) = (text(taint, "key"), text(taint, "value"));
        errors.extend(check::named(names::qualified_name, key, &at_path.child("key")));
        errors.extend(check::named(names::label_value, value, &at_path.child("value")));
        match text(taint, "effect") {
            "" => errors.push(FieldError::required(at_path.child("effect"), "")),
            _ => errors.extend(check::one_of(taint, "effect", &TAINT_EFFECTS, &at_path)),
        }
        if !seen.insert((key, text(taint, "effect"))) {
            let shown =
                json!({"Key": key, "Value": value, "Effect": taint["effect"], "TimeAdded": null});
            let mut error = FieldError::duplicate(at_path, shown);
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
    errors
}

/// Checks an update of a node.
pub fn node_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = node(new);
    let path = FieldPath::new("spec");
    let (new, old) = (&new["spec"], &old["spec"]);
    for (field, shown) in [("podCIDRs", "podCIDR"), ("providerID", "providerID")] {
        if has(old, field) && differs(new, old, field) {
            let detail = format!("node updates may not change {shown} except from \"\" to valid");
            errors.push(FieldError::forbidden(path.child(field), detail));
        }
    }
    errors
}

/// Checks an event of the core group: it lives where the object lives that it is about.
pub fn event(object: &Value) -> ErrorList {
    let about = text(&object["involvedObject"], "namespace");
    let namespace = object::namespace(object);
    let fits = about == namespace || (about.is_empty() && namespace == "default");
    if !fits {
        let at = FieldPath::new("involvedObject").child("namespace");
        return vec![FieldError::invalid(at, about, "does not match event.namespace")];
    }
    if has(object, "eventTime") { reported(object, "reportingComponent") } else { ErrorList::new() }
}

/// What an event with `eventTime` must say of who reports it.
fn reported(object: &Value, reporter: &str) -> ErrorList {
    let at = |field: &str| FieldPath::new(field);
    let mut errors = ErrorList::new();
    let who = text(object, reporter);
    errors.extend(check::required(who, at(reporter)));
    errors.extend(check::named(names::qualified_name, who, &at(reporter)));
    for field in ["reportingInstance", "action", "reason"] {
        errors.extend(check::required(text(object, field), at(field)));
    }
    errors
}

/// Checks a resource quota.
pub fn quota(object: &Value) -> ErrorList {
    let path = FieldPath::new("spec").child("hard");
    let mut errors = ErrorList::new();
    for (name, value) in object["spec"]["hard"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if Quantity::parse(text).is_ok_and(|q| q.is_negative()) {
            errors.push(FieldError::invalid(path.key(name), text, NEGATIVE));
        }
        errors.extend(check::named(names::qualified_name, name, &path.key(name)));
    }
    errors
}

/// Checks an update of a resource quota.
pub fn quota_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = quota(new);
    let at = FieldPath::new("spec").child("scopes");
    errors.extend(check::immutable(&new["spec"], &old["spec"], "scopes", at));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_event_lives_with_its_object() {
        let about = |namespace: &str| json!({"metadata": {"namespace": "n"}, "involvedObject": {"namespace": namespace}});
        assert!(event(&about("n")).is_empty());
        assert_eq!(
            event(&about("other"))[0].to_string(),
            "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"
        );
    }
}
