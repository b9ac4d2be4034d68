//! Node selectors and node affinity.

use super::{Plugin, Refusal};
use crate::cluster::NodeState;
use crate::object::PodInfo;
use reddwarf_core::selector::Labels;

/// How much its score counts.
pub const WEIGHT: i64 = 2;

/// Refuses a node that the pod does not ask for.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    let selected = pod
        .node_selector
        .iter()
        .all(|(key, value)| node.info.labels.label(key) == Some(value.as_ref()));
    let required = pod.required_nodes.as_ref();
    if selected && required.is_none_or(|terms| terms.iter().any(|t| t.matches(&node.info))) {
        return None;
    }
    let reason = "node(s) didn't match Pod's node affinity/selector";
    Refusal::new(Plugin::NodeAffinity, reason, true)
}

/// Sum of the weights of the preferences that a node meets; more is better.
pub fn preference(pod: &PodInfo, node: &NodeState) -> i64 {
    let met = pod.preferred_nodes.iter().filter(|(_, term)| term.matches(&node.info));
    met.map(|(weight, _)| weight).sum()
}
