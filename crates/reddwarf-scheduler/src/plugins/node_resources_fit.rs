//! Room on the node.

use super::{Plugin, Refusal, SCORE_MAX};
use crate::cluster::NodeState;
use crate::object::PodInfo;
use std::borrow::Cow;

/// How much its score counts.
pub const WEIGHT: i64 = 1;

/// Refuses a node that has not enough left of something.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    let wanted = &pod.demand.requests;
    let (has, taken) = (&node.info.allocatable, &node.requested);
    let mut shortage = Shortage::default();
    if node.pods + 1 > node.info.pods_max {
        shortage.reasons.push("Too many pods".into());
    }
    shortage.check("cpu", wanted.cpu_milli, has.cpu_milli, taken.cpu_milli);
    shortage.check("memory", wanted.memory_bytes, has.memory_bytes, taken.memory_bytes);
    shortage.check(
        "ephemeral-storage",
        wanted.ephemeral_bytes,
        has.ephemeral_bytes,
        taken.ephemeral_bytes,
    );
    for (name, amount) in &wanted.extended {
        shortage.check(name, *amount, has.extended(name), taken.extended(name));
    }
    let Shortage { reasons, beyond_preemption } = shortage;
    let plugin = Plugin::NodeResourcesFit;
    (!reasons.is_empty()).then_some(Refusal { plugin, reasons, beyond_preemption })
}

#[derive(Default)]
struct Shortage {
    /// No allocation while there is none.
    reasons: Vec<Cow<'static, str>>,
    beyond_preemption: bool,
}

impl Shortage {
    fn check(&mut self, name: &str, wanted: i64, has: i64, taken: i64) {
        if wanted > 0 && wanted > has - taken {
            self.reasons.push(format!("Insufficient {name}").into());
            self.beyond_preemption |= wanted > has;
        }
    }
}

/// How much would be left of CPU and memory with the pod there, 0 to [`SCORE_MAX`].
pub fn least_allocated(pod: &PodInfo, node: &NodeState) -> i64 {
    let has = &node.info.allocatable;
    let cpu = left(has.cpu_milli, node.scored_cpu_milli + pod.demand.scored_cpu_milli);
    let memory = left(has.memory_bytes, node.scored_memory_bytes + pod.demand.scored_memory_bytes);
    match (cpu, memory) {
        (Some(cpu), Some(memory)) => (cpu + memory) / 2,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 0,
    }
}

fn left(has: i64, taken: i64) -> Option<i64> {
    if has <= 0 {
        return None;
    }
    let free = has - taken.min(has);
    // Only amounts near the largest overflow; they lose their last digits instead.
    Some(free.checked_mul(SCORE_MAX).map_or_else(|| free / (has / SCORE_MAX), |part| part / has))
}
