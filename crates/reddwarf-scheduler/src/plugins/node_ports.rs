//! Host ports.

use super::{Plugin, Refusal};
use crate::cluster::NodeState;
use crate::object::PodInfo;

/// Refuses a node on which a port that the pod wants is taken.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    let wanted = &pod.demand.host_ports;
    let taken = |port| node.host_ports.iter().any(|taken| taken.collides(port));
    if !wanted.iter().any(taken) {
        return None;
    }
    let reason = "node(s) didn't have free ports for the requested pod ports";
    Refusal::new(Plugin::NodePorts, reason, false)
}
