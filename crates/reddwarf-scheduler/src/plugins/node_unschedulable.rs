//! Nodes that are cordoned.

use super::{Plugin, Refusal};
use crate::cluster::NodeState;
use crate::object::PodInfo;
use crate::object::taint::{Effect, tolerated};

const KEY: &str = "node.kubernetes.io/unschedulable";

/// Refuses a cordoned node, unless the pod tolerates that.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    if !node.info.unschedulable || tolerated(&pod.tolerations, KEY, "", Effect::NoSchedule) {
        return None;
    }
    Refusal::new(Plugin::NodeUnschedulable, "node(s) were unschedulable", true)
}
