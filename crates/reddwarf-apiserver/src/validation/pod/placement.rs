//! Where a pod may run: affinity, tolerations, spreading.

use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::Value;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks the affinity of a pod's specification.
pub fn affinity(spec: &Value, path: &FieldPath) -> ErrorList {
    let affinity = &spec["affinity"];
    let path = path.child("affinity");
    let mut errors = node_affinity(&affinity["nodeAffinity"], &path.child("nodeAffinity"));
    for kind in ["podAffinity", "podAntiAffinity"] {
        errors.extend(pod_affinity(&affinity[kind], &path.child(kind)));
    }
    errors
}

fn node_affinity(affinity: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if has(affinity, REQUIRED) {
        errors.extend(node_selector(&affinity[REQUIRED], &path.child(REQUIRED)));
    }
    let list = path.child(PREFERRED);
    for (at, preferred) in items(affinity, PREFERRED).iter().enumerate() {
        let at = list.index(at);
        errors.extend(weight(preferred, &at));
        errors.extend(node_term(&preferred["preference"], &at.child("preference")));
    }
    errors
}

/// Checks a `NodeSelector`.
pub fn node_selector(selector: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("nodeSelectorTerms");
    let terms = items(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        return vec![FieldError::required(list, "must have at least one node selector term")];
    }
    terms.iter().enumerate().flat_map(|(at, term)| node_term(term, &list.index(at))).collect()
}

fn node_term(term: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("matchExpressions");
    let each = items(term, "matchExpressions").iter().enumerate();
    each.flat_map(|(at, requirement)| node_requirement(requirement, &list.index(at))).collect()
}

fn node_requirement(requirement: &Value, path: &FieldPath) -> ErrorList {
    let values = items(requirement, "values").len();
    let at = path.child("values");
    let mut errors = ErrorList::new();
    match text(requirement, "operator") {
        "In" | "NotIn" if values == 0 => errors
            .push(FieldError::required(at, "must be specified when `operator` is 'In' or 'NotIn'")),
        "Exists" | "DoesNotExist" if values > 0 => errors.push(FieldError::forbidden(
            at,
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "Gt" | "Lt" if values != 1 => errors.push(FieldError::required(
            at,
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.push(FieldError::invalid(
            path.child("operator"),
            other,
            "not a valid selector operator",
        )),
    }
    let key = text(requirement, "key");
    errors.extend(check::named(names::qualified_name, key, &path.child("key")));
    errors
}

fn weight(preferred: &Value, path: &FieldPath) -> Option<FieldError> {
    let weight = int(preferred, "weight").unwrap_or_default();
    let path = path.child("weight");
    (!(1..=100).contains(&weight))
        .then(|| FieldError::invalid(path, weight, "must be in the range 1-100"))
}

fn pod_affinity(affinity: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let list = path.child(REQUIRED);
    for (at, term) in items(affinity, REQUIRED).iter().enumerate() {
        errors.extend(pod_term(term, &list.index(at)));
    }
    let list = path.child(PREFERRED);
    for (at, preferred) in items(affinity, PREFERRED).iter().enumerate() {
        let at = list.index(at);
        errors.extend(weight(preferred, &at));
        errors.extend(pod_term(&preferred["podAffinityTerm"], &at.child("podAffinityTerm")));
    }
    errors
}

fn pod_term(term: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = labels::selector(&term["labelSelector"], &path.child("labelSelector"));
    let key = text(term, "topologyKey");
    let at = path.child("topologyKey");
    if key.is_empty() {
        errors.push(FieldError::required(at.clone(), "can not be empty"));
    }
    errors.extend(check::named(names::qualified_name, key, &at));
    errors
}

/// Checks the tolerations of a pod's specification.
pub fn tolerations(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("tolerations");
    let each = items(spec, "tolerations").iter().enumerate();
    each.flat_map(|(at, toleration)| one_toleration(toleration, &list.index(at))).collect()
}

fn one_toleration(toleration: &Value, path: &FieldPath) -> ErrorList {
    let (key, value) = (text(toleration, "key"), text(toleration, "value"));
    let (operator, effect) = (text(toleration, "operator"), text(toleration, "effect"));
    let mut errors = ErrorList::new();
    if !key.is_empty() {
        errors.extend(check::named(names::qualified_name, key, &path.child("key")));
    } else if operator != "Exists" {
        let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(path.child("operator"), operator, detail));
    }
    if has(toleration, "tolerationSeconds") && effect != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(path.child("effect"), effect, detail));
    }
    let at = path.child("operator");
    match operator {
        "" | "Equal" => errors.extend(check::named(names::label_value, value, &at)),
        "Exists" if !value.is_empty() => {
            let detail = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(at, value, detail));
        }
        "Exists" => {}
        other => errors.push(FieldError::not_supported(at, other, &["Equal", "Exists"])),
    }
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !effect.is_empty() {
        errors.extend(check::one_of(toleration, "effect", &effects, path));
    }
    errors
}

/// Checks the topology spread constraints of a pod's specification.
pub fn spreading(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("topologySpreadConstraints");
    let mut errors = ErrorList::new();
    for (at, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let at = list.index(at);
        let skew = int(constraint, "maxSkew").unwrap_or_default();
        if skew <= 0 {
            let detail = "must be greater than zero";
            errors.push(FieldError::invalid(at.child("maxSkew"), skew, detail));
        }
        let key = text(constraint, "topologyKey");
        if key.is_empty() {
            errors.push(FieldError::required(at.child("topologyKey"), "can not be empty"));
        } else {
            errors.extend(check::named(names::qualified_name, key, &at.child("topologyKey")));
        }
        let ways = ["DoNotSchedule", "ScheduleAnyway"];
        errors.extend(check::one_of(constraint, "whenUnsatisfiable", &ways, &at));
        let selector = &constraint["labelSelector"];
        errors.extend(labels::selector(selector, &at.child("labelSelector")));
    }
    errors
}
