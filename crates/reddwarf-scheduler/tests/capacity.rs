//! Whatever comes and goes: no node ever holds more than it has, and no pod stands twice.

use proptest::prelude::*;
use reddwarf_scheduler::cluster::Cluster;
use reddwarf_scheduler::object::{NodeInfo, PodInfo, RawNode, RawPod};
use reddwarf_scheduler::plan::Planner;
use reddwarf_scheduler::queue::{Change, Queue};
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    Node { n: u8, cpu_milli: u32, pods: u8, tainted: bool },
    NodeGone(u8),
    Pod { n: u8, cpu_milli: u32, port: Option<u16>, priority: i8, tolerates: bool },
    PodGone(u8),
    Refused(u8),
    Schedule,
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..4, 0u32..4000, 0u8..6, any::<bool>())
            .prop_map(|(n, cpu_milli, pods, tainted)| Step::Node { n, cpu_milli, pods, tainted }),
        (0u8..4).prop_map(Step::NodeGone),
        (0u8..24, 0u32..2000, prop::option::of(80u16..83), any::<i8>(), any::<bool>()).prop_map(
            |(n, cpu_milli, port, priority, tolerates)| Step::Pod {
                n,
                cpu_milli,
                port,
                priority,
                tolerates
            }
        ),
        (0u8..24).prop_map(Step::PodGone),
        (0u8..24).prop_map(Step::Refused),
        Just(Step::Schedule),
        (0u16..12_000).prop_map(Step::Wait),
    ]
}

fn node(n: u8, cpu_milli: u32, pods: u8, tainted: bool) -> NodeInfo {
    let taints = if tainted { json!([{"key": "k", "effect": "NoSchedule"}]) } else { json!([]) };
    let of = json!({
        "metadata": {"name": format!("n{n}")},
        "spec": {"taints": taints},
        "status": {"allocatable": {"cpu": format!("{cpu_milli}m"), "pods": pods, "memory": "1Ti"}},
    });
    serde_json::from_value::<RawNode>(of).expect("a node").into()
}

fn pod(uid: &str, cpu_milli: u32, port: Option<u16>, priority: i8, tolerates: bool) -> PodInfo {
    let ports = port.map_or(json!([]), |port| json!([{"hostPort": port, "protocol": "TCP"}]));
    let tolerations = if tolerates { json!([{"operator": "Exists"}]) } else { json!([]) };
    let of = json!({
        "metadata": {"name": uid, "namespace": "default", "uid": uid},
        "spec": {
            "priority": priority,
            "tolerations": tolerations,
            "containers": [{
                "ports": ports,
                "resources": {"requests": {"cpu": format!("{cpu_milli}m")}},
            }],
        },
    });
    serde_json::from_value::<RawPod>(of).expect("a pod").into()
}

proptest! {
    #[test]
    fn never_over_capacity_and_never_twice(steps in prop::collection::vec(step(), 1..120)) {
        let mut cluster = Cluster::default();
        let mut queue = Queue::default();
        let mut planner = Planner::default();
        let mut now_ms = 0;
        // The oracle: which pod stands where.
        let mut standing: BTreeMap<String, (String, PodInfo)> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Node { n, cpu_milli, pods, tainted } => {
                    // Shrinking below what runs is the node's doing, not the plan's.
                    if cluster.node(&format!("n{n}")).is_none_or(|node| node.pods == 0) {
                        cluster.set_node(node(n, cpu_milli, pods, tainted));
                        queue.changed(Change::Node, now_ms);
                    }
                }
                Step::NodeGone(n) => cluster.remove_node(&format!("n{n}")),
                Step::Pod { n, cpu_milli, port, priority, tolerates } => {
                    let uid = format!("p{n}");
                    if !standing.contains_key(&uid) {
                        queue.set(pod(&uid, cpu_milli, port, priority, tolerates));
                    }
                }
                Step::PodGone(n) => {
                    let uid = format!("p{n}");
                    queue.remove(&uid);
                    prop_assert_eq!(cluster.remove_pod(&uid), standing.remove(&uid).is_some());
                    queue.changed(Change::PodLeft, now_ms);
                }
                Step::Refused(n) => {
                    let uid = format!("p{n}");
                    prop_assert_eq!(cluster.forget(&uid), standing.remove(&uid).is_some());
                    queue.failed(&uid, now_ms);
                }
                Step::Wait(ms) => now_ms += u64::from(ms),
                Step::Schedule => {
                    queue.advance(now_ms);
                    while let Some(pod) = queue.pop() {
                        match planner.choose(&cluster, &pod) {
                            Ok(at) => {
                                let name = cluster.nodes()[at].info.name.to_string();
                                cluster.assume(&pod, at);
                                let twice = standing.insert(pod.uid.to_string(), (name, (*pod).clone()));
                                prop_assert!(twice.is_none(), "{} stands twice", pod.uid);
                            }
                            Err(refused) => {
                                queue.unschedulable(&pod.uid, refused.plugins(), now_ms);
                            }
                        }
                    }
                }
            }
            check(&cluster, &standing)?;
        }
        for uid in standing.keys() {
            prop_assert!(cluster.remove_pod(uid));
        }
        for node in cluster.nodes() {
            prop_assert_eq!(node.pods, 0);
            prop_assert_eq!(node.requested.cpu_milli, 0);
            prop_assert_eq!(node.scored_cpu_milli, 0);
            prop_assert!(node.host_ports.is_empty());
        }
    }
}

fn check(
    cluster: &Cluster,
    standing: &BTreeMap<String, (String, PodInfo)>,
) -> Result<(), TestCaseError> {
    for node in cluster.nodes() {
        let name: &str = &node.info.name;
        let pods: Vec<_> = standing.values().filter(|(on, _)| on == name).map(|(_, p)| p).collect();
        let cpu: i64 = pods.iter().map(|pod| pod.demand.requests.cpu_milli).sum();
        prop_assert_eq!(cpu, node.requested.cpu_milli);
        prop_assert_eq!(pods.len() as i64, node.pods);
        if node.exists {
            prop_assert!(pods.len() as i64 <= node.info.pods_max);
            prop_assert!(cpu <= node.info.allocatable.cpu_milli || cpu == 0);
            let mut ports: Vec<_> =
                pods.iter().flat_map(|pod| &pod.demand.host_ports).map(|port| port.port).collect();
            ports.sort_unstable();
            let all = ports.len();
            ports.dedup();
            prop_assert_eq!(ports.len(), all, "a port is taken twice on {}", name);
        }
    }
    Ok(())
}
