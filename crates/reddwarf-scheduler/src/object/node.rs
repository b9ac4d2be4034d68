//! Nodes.

use super::raw::{RawNode, RawNodeSpec, RawNodeStatus};
use super::resources::Resources;
use super::taint::Taint;
use std::sync::Arc;

/// What scheduling knows of a node. Equal infos mean that nothing relevant changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.labels`, sorted.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// `spec.taints`.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// `status.allocatable.pods`.
    pub pods_max: i64,
}

impl From<RawNode> for NodeInfo {
    fn from(raw: RawNode) -> Self {
        let RawNodeSpec { unschedulable, taints } = raw.spec;
        let RawNodeStatus { allocatable } = raw.status;
        let allocatable = allocatable.unwrap_or_default();
        NodeInfo {
            name: raw.metadata.name.into(),
            labels: raw.metadata.labels.unwrap_or_default().into_iter().collect(),
            taints: taints.unwrap_or_default().into_iter().filter_map(Taint::from_raw).collect(),
            unschedulable: unschedulable.unwrap_or_default(),
            pods_max: allocatable.get("pods").map_or(0, |amount| amount.0.value()),
            allocatable: Resources::from_amounts(&allocatable),
        }
    }
}
