//! Taints and tolerations.

use super::{Plugin, Refusal};
use crate::cluster::NodeState;
use crate::object::PodInfo;
use crate::object::taint::{Effect, Taint, tolerated};

/// How much its score counts.
pub const WEIGHT: i64 = 3;

fn is_tolerated(pod: &PodInfo, taint: &Taint) -> bool {
    tolerated(&pod.tolerations, &taint.key, &taint.value, taint.effect)
}

/// Refuses a node with a taint that keeps the pod away.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    let kept_away = |taint: &Taint| taint.effect.keeps_away() && !is_tolerated(pod, taint);
    if !node.info.taints.iter().any(kept_away) {
        return None;
    }
    Refusal::new(Plugin::TaintToleration, "node(s) had untolerated taint(s)", true)
}

/// Number of taints that would rather not have the pod; fewer is better.
pub fn unwelcome(pod: &PodInfo, node: &NodeState) -> i64 {
    let counts =
        |taint: &&Taint| taint.effect == Effect::PreferNoSchedule && !is_tolerated(pod, taint);
    node.info.taints.iter().filter(counts).count() as i64
}
