//! What runs where: nodes, and what the pods on them take.

use crate::object::pod::HostPort;
use crate::object::resources::Resources;
use crate::object::{Demand, NodeInfo, PodInfo};
use std::collections::HashMap;
use std::sync::Arc;

/// A node and what is taken of it.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// The node.
    pub info: NodeInfo,
    /// Whether the node exists; pods may be bound to one that does not.
    pub exists: bool,
    /// Sum of what its pods ask for.
    pub requested: Resources,
    /// CPU taken, as scoring counts it.
    pub scored_cpu_milli: i64,
    /// Memory taken, as scoring counts it.
    pub scored_memory_bytes: i64,
    /// Number of its pods.
    pub pods: i64,
    /// Ports taken.
    pub host_ports: Vec<HostPort>,
}

impl NodeState {
    fn charge(&mut self, demand: &Demand) {
        self.requested.add(&demand.requests);
        self.scored_cpu_milli += demand.scored_cpu_milli;
        self.scored_memory_bytes += demand.scored_memory_bytes;
        self.pods += 1;
        self.host_ports.extend_from_slice(&demand.host_ports);
    }

    fn release(&mut self, demand: &Demand) {
        self.requested.subtract(&demand.requests);
        self.scored_cpu_milli -= demand.scored_cpu_milli;
        self.scored_memory_bytes -= demand.scored_memory_bytes;
        self.pods -= 1;
        for port in &demand.host_ports {
            if let Some(at) = self.host_ports.iter().position(|taken| taken == port) {
                self.host_ports.swap_remove(at);
            }
        }
    }
}

/// A pod that takes room on a node.
#[derive(Clone, Debug)]
struct Placed {
    node: Arc<str>,
    demand: Arc<Demand>,
    /// Decided here, not yet seen in the API.
    assumed: bool,
}

/// All nodes and placed pods.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Sorted by name, so that equal scores fall to the first.
    nodes: Vec<NodeState>,
    by_name: HashMap<Arc<str>, usize>,
    /// By uid.
    placed: HashMap<Arc<str>, Placed>,
}

impl Cluster {
    /// All nodes, those that do not exist included, sorted by name.
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.by_name.get(name).map(|at| &self.nodes[*at])
    }

    /// Takes a node as the API shows it; whether anything that scheduling looks at changed.
    pub fn set_node(&mut self, info: NodeInfo) -> bool {
        let at = self.slot(&info.name);
        let node = &mut self.nodes[at];
        let changed = !node.exists || node.info != info;
        node.exists = true;
        node.info = info;
        changed
    }

    /// Forgets a node; its pods keep their places until they go as well.
    pub fn remove_node(&mut self, name: &str) {
        let Some(at) = self.by_name.get(name).copied() else { return };
        self.nodes[at].exists = false;
        self.drop_unused(at);
    }

    /// Takes a bound pod as the API shows it.
    pub fn set_pod(&mut self, uid: &Arc<str>, node: &Arc<str>, demand: &Arc<Demand>) {
        if let Some(placed) = self.placed.get_mut(uid) {
            placed.assumed = false;
            if placed.node == *node && placed.demand == *demand {
                return;
            }
            self.remove_pod(uid);
        }
        self.put(uid, node.clone(), demand.clone(), false);
    }

    /// Takes a decision: the pod counts from now on.
    pub fn assume(&mut self, pod: &PodInfo, node_at: usize) {
        let node = self.nodes[node_at].info.name.clone();
        self.put(&pod.uid, node, pod.demand.clone(), true);
    }

    /// Takes a decision back, unless the API has shown it meanwhile; whether there was one.
    pub fn forget(&mut self, uid: &str) -> bool {
        let assumed = self.is_assumed(uid);
        if assumed {
            self.remove_pod(uid);
        }
        assumed
    }

    /// Whether the pod was placed here and the API has not shown it yet.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.placed.get(uid).is_some_and(|placed| placed.assumed)
    }

    /// Frees what a pod took; whether it took anything.
    pub fn remove_pod(&mut self, uid: &str) -> bool {
        let Some(placed) = self.placed.remove(uid) else { return false };
        let at = self.slot(&placed.node);
        self.nodes[at].release(&placed.demand);
        self.drop_unused(at);
        true
    }

    fn put(&mut self, uid: &Arc<str>, node: Arc<str>, demand: Arc<Demand>, assumed: bool) {
        let at = self.slot(&node);
        self.nodes[at].charge(&demand);
        self.placed.insert(uid.clone(), Placed { node, demand, assumed });
    }

    /// Where the node called `name` stands; makes an entry for one that does not exist.
    fn slot(&mut self, name: &Arc<str>) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let at = self.nodes.partition_point(|node| node.info.name < *name);
        let info = NodeInfo { name: name.clone(), ..NodeInfo::default() };
        self.nodes.insert(at, NodeState { info, ..NodeState::default() });
        self.reindex(at);
        at
    }

    fn drop_unused(&mut self, at: usize) {
        if !self.nodes[at].exists && self.nodes[at].pods == 0 {
            let node = self.nodes.remove(at);
            self.by_name.remove(&node.info.name);
            self.reindex(at);
        }
    }

    fn reindex(&mut self, from: usize) {
        for (at, node) in self.nodes.iter().enumerate().skip(from) {
            self.by_name.insert(node.info.name.clone(), at);
        }
    }
}
