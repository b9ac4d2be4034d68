//! Topology spread constraints of a pod.

use super::placement::label_keys;
use super::ratchet::Ratchet;
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::Value;

const ACTIONS: [&str; 2] = ["DoNotSchedule", "ScheduleAnyway"];
const NODE_POLICIES: [&str; 2] = ["Honor", "Ignore"];
const POSITIVE: &str = "must be greater than zero";

/// Checks the constraints of a pod's specification.
pub fn all(spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let list = path.child("topologySpreadConstraints");
    let constraints = items(spec, "topologySpreadConstraints");
    let mut errors = ErrorList::new();
    for (at, constraint) in constraints.iter().enumerate() {
        let path = list.index(at);
        errors.extend(one(constraint, &constraints[at + 1..], &path));
        errors.extend(match ratchet.spread_keys {
            true => legacy_keys(constraint, &path.child("matchLabelKeys")),
            false => label_keys(constraint, &path),
        });
        if !ratchet.spread_selectors {
            let selector = &constraint["labelSelector"];
            errors.extend(labels::selector(selector, &path.child("labelSelector")));
        }
    }
    errors
}

fn one(constraint: &Value, rest: &[Value], path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let skew = int(constraint, "maxSkew").unwrap_or_default();
    if skew <= 0 {
        errors.push(FieldError::invalid(path.child("maxSkew"), skew, POSITIVE));
    }
    let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
    if key.is_empty() {
        errors.push(FieldError::required(path.child("topologyKey"), "can not be empty"));
    }
    if !ACTIONS.contains(&action) {
        let at = path.child("whenUnsatisfiable");
        errors.push(FieldError::not_supported(at, action, &ACTIONS));
    }
    let repeats =
        |c: &Value| text(c, "topologyKey") == key && text(c, "whenUnsatisfiable") == action;
    if rest.iter().any(repeats) {
        let at = path.child("{topologyKey, whenUnsatisfiable}");
        errors.push(FieldError::duplicate(at, format!("{{{key}, {action}}}")));
    }
    errors.extend(domains(constraint, action, &path.child("minDomains")));
    for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        errors.extend(check::one_of(constraint, field, &NODE_POLICIES, path));
    }
    errors
}

fn domains(constraint: &Value, action: &str, path: &FieldPath) -> ErrorList {
    let Some(count) = int(constraint, "minDomains") else { return ErrorList::new() };
    let mut errors = ErrorList::new();
    if count <= 0 {
        errors.push(FieldError::invalid(path.clone(), count, POSITIVE));
    }
    if action != "DoNotSchedule" {
        let detail =
            format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        errors.push(FieldError::invalid(path.clone(), count, detail));
    }
    errors
}

/// The rule for keys that upstream had before it put them into the selector.
fn legacy_keys(constraint: &Value, path: &FieldPath) -> ErrorList {
    let keys = items(constraint, "matchLabelKeys");
    let selector = &constraint["labelSelector"];
    let mut errors = ErrorList::new();
    if !keys.is_empty() && !has(constraint, "labelSelector") {
        let detail = "must not be specified when labelSelector is not set";
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    for (at, key) in keys.iter().enumerate() {
        let key = key.as_str().unwrap_or_default();
        errors.extend(check::named(names::qualified_name, key, &path.index(at)));
        let named = has(&selector["matchLabels"], key)
            || items(selector, "matchExpressions").iter().any(|e| text(e, "key") == key);
        if named {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(path.index(at), key, detail));
        }
    }
    errors
}

/// What is wrong with the keys of the constraints of a stored specification.
pub fn keys(spec: &Value, path: &FieldPath) -> ErrorList {
    items(spec, "topologySpreadConstraints").iter().flat_map(|c| label_keys(c, path)).collect()
}

/// What is wrong with the selectors of the constraints of a stored specification.
pub fn selectors(spec: &Value, path: &FieldPath) -> ErrorList {
    let constraints = items(spec, "topologySpreadConstraints").iter();
    constraints.flat_map(|c| labels::selector(&c["labelSelector"], path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn constraints() {
        let spec = json!({"topologySpreadConstraints": [
            {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "minDomains": 1},
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
                "nodeTaintsPolicy": "Odd", "matchLabelKeys": ["a"]},
        ]});
        let errors = all(&spec, &Ratchet::NONE, &FieldPath::new("spec"));
        let fields: Vec<String> = errors
            .iter()
            .map(|e| e.field.to_string().replace("spec.topologySpreadConstraints", ""))
            .collect();
        assert_eq!(
            fields,
            [
                "[0].maxSkew",
                "[0].{topologyKey, whenUnsatisfiable}",
                "[0].minDomains",
                "[1].nodeTaintsPolicy",
                "[1].matchLabelKeys",
            ]
        );
    }

    #[test]
    fn an_update_keeps_the_older_rule() {
        let spec = json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z",
            "whenUnsatisfiable": "DoNotSchedule", "matchLabelKeys": ["a"],
            "labelSelector": {"matchLabels": {"b": "c"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}}]});
        assert!(all(&spec, &Ratchet::NONE, &FieldPath::new("spec")).is_empty());
        let legacy = Ratchet { spread_keys: true, ..Ratchet::NONE };
        assert_eq!(all(&spec, &legacy, &FieldPath::new("spec")).len(), 1);
    }
}
