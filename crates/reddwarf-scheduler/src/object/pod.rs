//! Pods.

use super::affinity::NodeTerm;
use super::raw::{RawContainer, RawPod, RawPodSpec};
use super::resources::Resources;
use super::taint::Toleration;
use crate::SCHEDULER_NAME;
use std::sync::Arc;

/// CPU that scoring assumes for a container that asks for none.
const CPU_MILLI_ASSUMED: i64 = 100;
/// Memory that scoring assumes for a container that asks for none.
const MEMORY_BYTES_ASSUMED: i64 = 200 * 1024 * 1024;

/// A port of the node that a pod wants for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Empty for all addresses.
    pub ip: Box<str>,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Box<str>,
    /// Port number.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be had on one node.
    pub fn collides(&self, other: &HostPort) -> bool {
        let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (any(&self.ip) || any(&other.ip) || self.ip == other.ip)
    }
}

/// What a pod takes from its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// What it asks for.
    pub requests: Resources,
    /// CPU as scoring counts it: with an assumed amount where nothing is asked for.
    pub scored_cpu_milli: i64,
    /// Memory as scoring counts it.
    pub scored_memory_bytes: i64,
    /// Ports of the node.
    pub host_ports: Vec<HostPort>,
}

/// The `PodScheduled` condition as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledCondition {
    /// `True` or `False`.
    pub status: Box<str>,
    /// Machine-readable reason.
    pub reason: Box<str>,
    /// Text for people.
    pub message: Box<str>,
    /// When the status changed, as it was written.
    pub last_transition_time: Option<Box<str>>,
}

/// What scheduling knows of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodInfo {
    /// `metadata.namespace`.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.uid`: the pod's identity here.
    pub uid: Arc<str>,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `spec.nodeName`, `None` while it is not bound.
    pub node_name: Option<Arc<str>>,
    /// Whether this scheduler is the one that places it.
    pub is_ours: bool,
    /// Whether scheduling gates hold it back.
    pub gated: bool,
    /// `spec.priority`.
    pub priority: i32,
    /// `preemptionPolicy: Never`.
    pub never_preempts: bool,
    /// `spec.nodeSelector`, sorted.
    pub node_selector: Vec<(Box<str>, Box<str>)>,
    /// Required node affinity: one of the terms must match.
    pub required_nodes: Option<Vec<NodeTerm>>,
    /// Preferred node affinity, with weights.
    pub preferred_nodes: Vec<(i64, NodeTerm)>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// What it takes from its node.
    pub demand: Arc<Demand>,
    /// The `PodScheduled` condition.
    pub condition: Option<ScheduledCondition>,
}

impl PodInfo {
    /// Whether it waits to be placed by this scheduler.
    pub fn is_pending(&self) -> bool {
        self.node_name.is_none() && self.is_ours && !self.gated && !self.deleting
    }

    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl From<RawPod> for PodInfo {
    fn from(mut raw: RawPod) -> Self {
        let demand = Arc::new(demand(&raw.spec));
        let spec = &mut raw.spec;
        let affinity = spec.affinity.take().and_then(|a| a.node_affinity).unwrap_or_default();
        let terms = |terms: Vec<_>| terms.into_iter().map(NodeTerm::from_raw).collect();
        let tolerations = spec.tolerations.take().unwrap_or_default();
        let condition = raw
            .status
            .conditions
            .unwrap_or_default()
            .into_iter()
            .find(|c| c.kind == "PodScheduled");
        PodInfo {
            namespace: raw.metadata.namespace.into(),
            name: raw.metadata.name.into(),
            uid: raw.metadata.uid.into(),
            generation: raw.metadata.generation,
            deleting: raw.metadata.deletion_timestamp.is_some(),
            node_name: spec.node_name.take().filter(|name| !name.is_empty()).map(Arc::from),
            is_ours: spec.scheduler_name.as_deref().is_none_or(|n| n == SCHEDULER_NAME),
            gated: spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()),
            priority: spec.priority.unwrap_or_default(),
            never_preempts: spec.preemption_policy.as_deref() == Some("Never"),
            node_selector: spec.node_selector.take().unwrap_or_default().into_iter().collect(),
            required_nodes: affinity.required.map(|r| terms(r.node_selector_terms)),
            preferred_nodes: affinity
                .preferred
                .unwrap_or_default()
                .into_iter()
                .map(|p| (p.weight, NodeTerm::from_raw(p.preference)))
                .collect(),
            tolerations: tolerations.into_iter().filter_map(Toleration::from_raw).collect(),
            demand,
            condition: condition.map(|c| ScheduledCondition {
                status: c.status,
                reason: c.reason,
                message: c.message,
                last_transition_time: c.last_transition_time,
            }),
        }
    }
}

/// Sums what a pod asks for. Containers and sidecars run together; an init container runs beside
/// the sidecars started before it; the pod needs the largest of these moments, and its overhead.
fn demand(spec: &RawPodSpec) -> Demand {
    let containers = spec.containers.as_deref().unwrap_or_default();
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let mut total = Moment::default();
    for container in containers {
        total.add(&Moment::of(container));
    }
    let mut sidecars = Moment::default();
    let mut starting = Moment::default();
    for container in init {
        let own = Moment::of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            total.add(&own);
            sidecars.add(&own);
            starting.raise_to(&sidecars);
        } else {
            let mut moment = sidecars.clone();
            moment.add(&own);
            starting.raise_to(&moment);
        }
    }
    total.raise_to(&starting);
    let pod_level = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
    if let Some(requests) = pod_level {
        total.replace(&Resources::from_amounts(requests));
    }
    if let Some(overhead) = &spec.overhead {
        let overhead = Resources::from_amounts(overhead);
        total.cpu_milli += overhead.cpu_milli;
        total.memory_bytes += overhead.memory_bytes;
        total.requests.add(&overhead);
    }
    let all = containers.iter().chain(init.iter().filter(|c| c.restart_policy.is_some()));
    Demand {
        requests: total.requests,
        scored_cpu_milli: total.cpu_milli,
        scored_memory_bytes: total.memory_bytes,
        host_ports: all.flat_map(host_ports).collect(),
    }
}

/// What runs at one time.
#[derive(Clone, Default)]
struct Moment {
    requests: Resources,
    /// With the assumed amount.
    cpu_milli: i64,
    /// With the assumed amount.
    memory_bytes: i64,
}

impl Moment {
    /// One container; a limit stands for a request that is not there.
    fn of(container: &RawContainer) -> Moment {
        let Some(given) = &container.resources else {
            return Moment {
                requests: Resources::default(),
                cpu_milli: CPU_MILLI_ASSUMED,
                memory_bytes: MEMORY_BYTES_ASSUMED,
            };
        };
        let mut amounts = given.limits.clone().unwrap_or_default();
        amounts.extend(given.requests.clone().unwrap_or_default());
        let requests = Resources::from_amounts(&amounts);
        let or = |name: &str, asked, assumed| {
            if amounts.contains_key(name) { asked } else { assumed }
        };
        Moment {
            cpu_milli: or("cpu", requests.cpu_milli, CPU_MILLI_ASSUMED),
            memory_bytes: or("memory", requests.memory_bytes, MEMORY_BYTES_ASSUMED),
            requests,
        }
    }

    fn add(&mut self, other: &Moment) {
        self.requests.add(&other.requests);
        self.cpu_milli += other.cpu_milli;
        self.memory_bytes += other.memory_bytes;
    }

    fn raise_to(&mut self, other: &Moment) {
        self.requests.raise_to(&other.requests);
        self.cpu_milli = self.cpu_milli.max(other.cpu_milli);
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }

    /// Requests of the whole pod stand instead of the containers' sums.
    fn replace(&mut self, pod: &Resources) {
        if pod.cpu_milli > 0 {
            self.requests.cpu_milli = pod.cpu_milli;
            self.cpu_milli = pod.cpu_milli;
        }
        if pod.memory_bytes > 0 {
            self.requests.memory_bytes = pod.memory_bytes;
            self.memory_bytes = pod.memory_bytes;
        }
    }
}

fn host_ports(container: &RawContainer) -> impl Iterator<Item = HostPort> + '_ {
    container.ports.iter().flatten().filter_map(|port| {
        let number = port.host_port.filter(|number| *number != 0)?;
        Some(HostPort {
            ip: port.host_ip.clone().unwrap_or_default(),
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
            port: number,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: serde_json::Value) -> PodInfo {
        let pod = serde_json::json!({"metadata": {"name": "p", "uid": "u"}, "spec": spec});
        let raw: RawPod = serde_json::from_value(pod).expect("a pod");
        raw.into()
    }

    fn container(cpu: &str) -> serde_json::Value {
        serde_json::json!({"name": "c", "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn requests_are_those_of_the_largest_moment() {
        let mut sidecar = container("300m");
        sidecar["restartPolicy"] = "Always".into();
        for (spec, cpu) in [
            (serde_json::json!({"containers": [container("1"), container("500m")]}), 1500),
            (
                serde_json::json!({"containers": [container("1")], "initContainers": [container("2")]}),
                2000,
            ),
            (
                serde_json::json!({"containers": [container("1")], "initContainers": [sidecar, container("2")]}),
                2300,
            ),
            (
                serde_json::json!({"containers": [container("1")], "initContainers": [container("1"), sidecar]}),
                1300,
            ),
            (
                serde_json::json!({"containers": [container("1")], "overhead": {"cpu": "250m"}}),
                1250,
            ),
            (
                serde_json::json!({"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}}),
                4000,
            ),
        ] {
            assert_eq!(pod(spec.clone()).demand.requests.cpu_milli, cpu, "{spec}");
        }
    }

    #[test]
    fn a_limit_stands_for_a_missing_request() {
        let of = pod(serde_json::json!({"containers": [
            {"name": "c", "resources": {"limits": {"example.com/gpu": "2", "cpu": "1"}, "requests": {"cpu": "500m"}}}
        ]}));
        assert_eq!(of.demand.requests.extended("example.com/gpu"), 2);
        assert_eq!(of.demand.requests.cpu_milli, 500);
        assert_eq!(of.demand.scored_memory_bytes, MEMORY_BYTES_ASSUMED);
    }
}
