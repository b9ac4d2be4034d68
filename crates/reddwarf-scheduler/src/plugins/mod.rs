//! What may keep a pod off a node (filters), and what makes a node better than another (scores).
//!
//! One plugin a file, under upstream's name. The filters run in upstream's order, and the first
//! that refuses a node says why.

pub mod node_affinity;
pub mod node_ports;
pub mod node_resources_fit;
pub mod node_unschedulable;
pub mod taint_toleration;

use crate::cluster::NodeState;
use crate::object::PodInfo;
use std::borrow::Cow;

/// The score of the best node, by each plugin.
pub const SCORE_MAX: i64 = 100;

/// The plugins that filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Plugin {
    /// `spec.unschedulable`.
    NodeUnschedulable,
    /// Taints.
    TaintToleration,
    /// Node selector and required affinity.
    NodeAffinity,
    /// Host ports.
    NodePorts,
    /// Room.
    NodeResourcesFit,
}

/// A set of plugins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginSet(u8);

impl PluginSet {
    /// Those that only a change of a node can satisfy, not a pod that leaves.
    pub fn with(self, plugin: Plugin) -> Self {
        PluginSet(self.0 | 1 << plugin as u8)
    }

    /// Whether `plugin` is in it.
    pub fn has(self, plugin: Plugin) -> bool {
        self.0 & (1 << plugin as u8) != 0
    }

    /// Whether a pod that these refused may fit once another pod has left.
    pub fn cares_for_leaving_pods(self) -> bool {
        self.has(Plugin::NodePorts) || self.has(Plugin::NodeResourcesFit)
    }
}

/// Why a node does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who says so.
    pub plugin: Plugin,
    /// Upstream's texts.
    pub reasons: Vec<Cow<'static, str>>,
    /// Whether it would not do without its pods either.
    pub beyond_preemption: bool,
}

impl Refusal {
    fn new(plugin: Plugin, reason: &'static str, beyond_preemption: bool) -> Option<Refusal> {
        Some(Refusal { plugin, reasons: vec![Cow::Borrowed(reason)], beyond_preemption })
    }
}

/// Runs all filters.
pub fn filter(pod: &PodInfo, node: &NodeState) -> Option<Refusal> {
    node_unschedulable::filter(pod, node)
        .or_else(|| taint_toleration::filter(pod, node))
        .or_else(|| node_affinity::filter(pod, node))
        .or_else(|| node_ports::filter(pod, node))
        .or_else(|| node_resources_fit::filter(pod, node))
}
