//! Where a pod may run: affinity and tolerations.

use super::ratchet::Ratchet;
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::Value;

pub use super::spread::{all as spreading, keys as spread_keys, selectors as spread_selectors};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const POD_AFFINITIES: [&str; 2] = ["podAffinity", "podAntiAffinity"];
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks the affinity of a pod's specification.
pub fn affinity(spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let affinity = &spec["affinity"];
    let path = path.child("affinity");
    let nodes = &affinity["nodeAffinity"];
    let mut errors = node_affinity(nodes, ratchet, &path.child("nodeAffinity"));
    for kind in POD_AFFINITIES {
        errors.extend(pod_affinity(&affinity[kind], ratchet, &path.child(kind)));
    }
    errors
}

fn node_affinity(affinity: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if has(affinity, REQUIRED) {
        let (selector, at) = (&affinity[REQUIRED], path.child(REQUIRED));
        errors.extend(selector_of_nodes(selector, ratchet.node_values, &at));
    }
    let list = path.child(PREFERRED);
    for (at, preferred) in items(affinity, PREFERRED).iter().enumerate() {
        let at = list.index(at);
        errors.extend(weight(preferred, &at));
        // Upstream never minds the values of what is only preferred.
        errors.extend(node_term(&preferred["preference"], true, &at.child("preference")));
    }
    errors
}

/// Checks a `NodeSelector`.
pub fn node_selector(selector: &Value, path: &FieldPath) -> ErrorList {
    selector_of_nodes(selector, false, path)
}

/// Checks a `NodeSelector`, of whose values any may be allowed.
pub fn selector_of_nodes(selector: &Value, any_value: bool, path: &FieldPath) -> ErrorList {
    let list = path.child("nodeSelectorTerms");
    let terms = items(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        return vec![FieldError::required(list, "must have at least one node selector term")];
    }
    let each = terms.iter().enumerate();
    each.flat_map(|(at, term)| node_term(term, any_value, &list.index(at))).collect()
}

fn node_term(term: &Value, any_value: bool, path: &FieldPath) -> ErrorList {
    let (labels, fields) = (path.child("matchExpressions"), path.child("matchFields"));
    let by_label = items(term, "matchExpressions").iter().enumerate();
    let mut errors: ErrorList = by_label
        .flat_map(|(at, requirement)| node_requirement(requirement, any_value, &labels.index(at)))
        .collect();
    let by_field = items(term, "matchFields").iter().enumerate();
    errors
        .extend(by_field.flat_map(|(at, requirement)| node_field(requirement, &fields.index(at))));
    errors
}

fn node_requirement(requirement: &Value, any_value: bool, path: &FieldPath) -> ErrorList {
    let values = items(requirement, "values");
    let at = path.child("values");
    let mut errors = ErrorList::new();
    match text(requirement, "operator") {
        "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
            at.clone(),
            "must be specified when `operator` is 'In' or 'NotIn'",
        )),
        "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
            at.clone(),
            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        )),
        "Gt" | "Lt" if values.len() != 1 => errors.push(FieldError::required(
            at.clone(),
            "must be specified single value when `operator` is 'Lt' or 'Gt'",
        )),
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => errors.push(not_an_operator(other, path)),
    }
    let key = text(requirement, "key");
    errors.extend(check::named(names::qualified_name, key, &path.child("key")));
    if !any_value {
        for (i, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            errors.extend(check::named(names::label_value, value, &at.index(i)));
        }
    }
    errors
}

fn not_an_operator(operator: &str, path: &FieldPath) -> FieldError {
    FieldError::invalid(path.child("operator"), operator, "not a valid selector operator")
}

/// Nodes can be told apart by one field, their name.
fn node_field(requirement: &Value, path: &FieldPath) -> ErrorList {
    let values = items(requirement, "values");
    let mut errors = ErrorList::new();
    match text(requirement, "operator") {
        "In" | "NotIn" if values.len() != 1 => {
            let detail =
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.push(FieldError::required(path.child("values"), detail));
        }
        "In" | "NotIn" => {}
        other => errors.push(not_an_operator(other, path)),
    }
    let key = text(requirement, "key");
    if key != "metadata.name" {
        let detail = "not a valid field selector key";
        errors.push(FieldError::invalid(path.child("key"), key, detail));
        return errors;
    }
    for (at, value) in values.iter().enumerate() {
        let at = path.child("values").index(at);
        errors.extend(check::named(names::subdomain, value.as_str().unwrap_or_default(), &at));
    }
    errors
}

fn weight(preferred: &Value, path: &FieldPath) -> Option<FieldError> {
    let weight = int(preferred, "weight").unwrap_or_default();
    let path = path.child("weight");
    (!(1..=100).contains(&weight))
        .then(|| FieldError::invalid(path, weight, "must be in the range 1-100"))
}

fn pod_affinity(affinity: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let list = path.child(REQUIRED);
    for (at, term) in items(affinity, REQUIRED).iter().enumerate() {
        errors.extend(pod_term(term, ratchet, &list.index(at)));
    }
    let list = path.child(PREFERRED);
    for (at, preferred) in items(affinity, PREFERRED).iter().enumerate() {
        let at = list.index(at);
        errors.extend(weight(preferred, &at));
        let term = &preferred["podAffinityTerm"];
        errors.extend(pod_term(term, ratchet, &at.child("podAffinityTerm")));
    }
    errors
}

fn pod_term(term: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for field in ["labelSelector", "namespaceSelector"] {
        let found = labels::selector(&term[field], &path.child(field));
        errors.extend(if ratchet.affinity_values { labels::but_values(found) } else { found });
    }
    for name in items(term, "namespaces") {
        let name = name.as_str().unwrap_or_default();
        errors.extend(check::named(names::label, name, &path.child("namespace")));
    }
    errors.extend(label_keys(term, path));
    let key = text(term, "topologyKey");
    let at = path.child("topologyKey");
    if key.is_empty() {
        errors.push(FieldError::required(at.clone(), "can not be empty"));
    }
    errors.extend(check::named(names::qualified_name, key, &at));
    errors
}

/// Checks keys of the pod's own labels that are matched besides a selector. The pod's values
/// are in the selector by then.
pub fn label_keys(term: &Value, path: &FieldPath) -> ErrorList {
    let selector = term.get("labelSelector").filter(|s| !s.is_null());
    let (keys, others) = (items(term, "matchLabelKeys"), items(term, "mismatchLabelKeys"));
    let mut errors = ErrorList::new();
    for (field, keys) in [("matchLabelKeys", keys), ("mismatchLabelKeys", others)] {
        let at = path.child(field);
        if selector.is_none() && !keys.is_empty() {
            let detail = "must not be specified when labelSelector is not set";
            errors.push(FieldError::forbidden(at, detail));
            continue;
        }
        for (i, key) in keys.iter().enumerate() {
            let key = key.as_str().unwrap_or_default();
            errors.extend(check::named(names::qualified_name, key, &at.index(i)));
        }
    }
    if let Some(selector) = selector {
        errors.extend(repeated_keys(selector, keys, path));
    }
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| others.contains(key)) {
        let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
        let at = path.child("matchLabelKeys").index(at);
        errors.push(FieldError::invalid(at, key.clone(), detail));
    }
    errors
}

/// Keys that the selector names once more than it does for the pod's own label.
fn repeated_keys(selector: &Value, keys: &[Value], path: &FieldPath) -> ErrorList {
    let mut named: Vec<&str> =
        selector["matchLabels"].as_object().into_iter().flatten().map(|(k, _)| &**k).collect();
    let mut errors = ErrorList::new();
    for expression in items(selector, "matchExpressions") {
        let key = text(expression, "key");
        if let Some(at) = keys.iter().rposition(|k| k == key)
            && named.contains(&key)
        {
            let detail = "exists in both matchLabelKeys and labelSelector";
            errors.push(FieldError::invalid(path.index(at), key, detail));
        }
        named.push(key);
    }
    errors
}

/// Checks the tolerations of a pod's specification.
pub fn tolerations(spec: &Value, path: &FieldPath) -> ErrorList {
    toleration_list(items(spec, "tolerations"), &path.child("tolerations"))
}

/// Checks tolerations.
pub fn toleration_list(tolerations: &[Value], list: &FieldPath) -> ErrorList {
    let each = tolerations.iter().enumerate();
    each.flat_map(|(at, toleration)| one_toleration(toleration, &list.index(at))).collect()
}

fn one_toleration(toleration: &Value, path: &FieldPath) -> ErrorList {
    let (key, value) = (text(toleration, "key"), text(toleration, "value"));
    let (operator, effect) = (text(toleration, "operator"), text(toleration, "effect"));
    let at = path.child("operator");
    let mut errors = ErrorList::new();
    if !key.is_empty() {
        errors.extend(check::named(names::qualified_name, key, &path.child("key")));
    } else if operator != "Exists" {
        let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        errors.push(FieldError::invalid(at.clone(), operator, detail));
    }
    if has(toleration, "tolerationSeconds") && effect != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(path.child("effect"), effect, detail));
    }
    match operator {
        "" | "Equal" => {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors.push(FieldError::invalid(at, value, wrong.join(";")));
            }
        }
        "Exists" if !value.is_empty() => {
            let detail = "value must be empty when `operator` is 'Exists'";
            errors.push(FieldError::invalid(at, value, detail));
        }
        "Exists" => {}
        "Lt" | "Gt" => {
            let supported = ["Equal", "Exists", "Lt", "Gt"];
            errors.push(FieldError::not_supported(at, operator, &supported));
        }
        other => errors.push(FieldError::not_supported(at, other, &["Equal", "Exists"])),
    }
    if !effect.is_empty() {
        errors.extend(check::one_of(toleration, "effect", &EFFECTS, path));
    }
    errors
}

fn pod_terms(spec: &Value) -> impl Iterator<Item = &Value> {
    POD_AFFINITIES.into_iter().flat_map(move |kind| {
        let affinity = &spec["affinity"][kind];
        let weighted = items(affinity, PREFERRED).iter().map(|term| &term["podAffinityTerm"]);
        items(affinity, REQUIRED).iter().chain(weighted)
    })
}

/// Whether selectors of pod affinity are not what they must be.
pub fn has_bad_affinity_values(spec: &Value) -> bool {
    let at = FieldPath::new("spec");
    pod_terms(spec).any(|term| {
        ["labelSelector", "namespaceSelector"]
            .iter()
            .any(|field| !labels::selector(&term[*field], &at).is_empty())
    })
}

/// Whether required node affinity has values that are no label values.
pub fn has_bad_node_values(spec: &Value) -> bool {
    let selector = &spec["affinity"]["nodeAffinity"][REQUIRED];
    let terms = items(selector, "nodeSelectorTerms").iter();
    terms.into_iter().flat_map(|term| items(term, "matchExpressions")).any(|requirement| {
        let values = items(requirement, "values").iter().filter_map(Value::as_str);
        values.into_iter().any(|value| !names::label_value(value).is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn selectors_of_nodes() {
        let selector = json!({"nodeSelectorTerms": [{
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["b c"]}],
            "matchFields": [{"key": "spec.x", "operator": "Exists"}],
        }]});
        let at = FieldPath::new("s");
        assert_eq!(
            fields(&node_selector(&selector, &at)),
            [
                "s.nodeSelectorTerms[0].matchExpressions[0].values[0] FieldValueInvalid",
                "s.nodeSelectorTerms[0].matchFields[0].operator FieldValueInvalid",
                "s.nodeSelectorTerms[0].matchFields[0].key FieldValueInvalid",
            ]
        );
        assert_eq!(selector_of_nodes(&selector, true, &at).len(), 2);
    }

    #[test]
    fn keys_of_the_pods_own_labels() {
        let at = FieldPath::new("t");
        let term = json!({"labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "a"}]},
            "matchLabelKeys": ["a", "c"], "mismatchLabelKeys": ["c"]});
        assert_eq!(
            fields(&label_keys(&term, &at)),
            ["t[0] FieldValueInvalid", "t.matchLabelKeys[1] FieldValueInvalid"]
        );
        let bare = json!({"matchLabelKeys": ["a"]});
        assert_eq!(fields(&label_keys(&bare, &at)), ["t.matchLabelKeys FieldValueForbidden"]);
    }

    #[test]
    fn tolerations_of_taints() {
        let list = json!([{"operator": "Gt", "key": "a", "value": "1"},
            {"operator": "Equal", "value": "b c", "tolerationSeconds": 1, "effect": "Odd"}]);
        assert_eq!(
            fields(&toleration_list(list.as_array().expect("a list"), &FieldPath::new("t"))),
            [
                "t[0].operator FieldValueNotSupported",
                "t[1].operator FieldValueInvalid",
                "t[1].effect FieldValueInvalid",
                "t[1].operator FieldValueInvalid",
                "t[1].effect FieldValueNotSupported",
            ]
        );
    }
}
