//! Labels of nodes that have been replaced by others.

use super::super::FieldPath;
use super::super::names::label_value;
use super::super::read::{entries, items, text};
use serde_json::Value;

/// Label, and what to say of it.
const OLD: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// Why a label of nodes should not be used any more.
pub fn old(label: &str) -> Option<&'static str> {
    OLD.iter().find(|(old, _)| *old == label).map(|(_, why)| *why)
}

/// Labels of a map that selects nodes.
pub fn selected(object: &Value, field: &str, path: &FieldPath) -> Vec<String> {
    let path = path.child(field);
    let labels = entries(object, field);
    labels
        .filter_map(|(label, _)| old(label).map(|why| format!("{}: {why}", path.key(label))))
        .collect()
}

/// Labels that terms of a node selector name.
pub fn terms(selector: &Value, path: &FieldPath) -> Vec<String> {
    let path = path.child("nodeSelectorTerms");
    let terms = items(selector, "nodeSelectorTerms").iter().enumerate();
    terms.flat_map(|(at, of)| term(of, &path.index(at))).collect()
}

/// Labels that one term of a node selector names.
pub fn term(term: &Value, path: &FieldPath) -> Vec<String> {
    let path = path.child("matchExpressions");
    let expressions = items(term, "matchExpressions").iter().enumerate();
    let warning = |(at, expression): (usize, &Value)| {
        let key = text(expression, "key");
        let why = old(key)?;
        Some(format!("{}: {key} is {why}", path.index(at).child("key")))
    };
    expressions.filter_map(warning).collect()
}

/// Values of a preferred term that no label can have.
pub fn values(term: &Value, path: &FieldPath) -> Vec<String> {
    let path = path.child("matchExpressions");
    let mut warnings = Vec::new();
    for (at, expression) in items(term, "matchExpressions").iter().enumerate() {
        let path = path.index(at).child("values");
        for (at, value) in items(expression, "values").iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            for why in label_value(value) {
                warnings.push(format!("{}: {value} is invalid, {why}", path.index(at)));
            }
        }
    }
    warnings
}
