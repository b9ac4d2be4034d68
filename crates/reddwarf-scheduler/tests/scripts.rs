//! Runs the scripts in `tests/data`: commands and what they are expected to print.
//!
//! `UPDATE_GOLDEN=1 cargo test -p reddwarf-scheduler --test scripts` writes what they print now.
//!
//! ```text
//! node NAME [cpu=4] [mem=8Gi] [pods=110] [label=k=v] [taint=k=v:Effect] [unschedulable] [RESOURCE=N]
//! remove-node NAME
//! pod NAME [cpu=1] [mem=1Gi] [port=TCP:80] [select=k=v] [require=k:Op:v,v] [prefer=W:k:Op:v,v]
//!          [tolerate=k=v:Effect] [priority=N] [never-preempts] [RESOURCE=N]
//! delete NAME            schedule            advance MILLISECONDS        state
//! ```

use reddwarf_scheduler::cluster::Cluster;
use reddwarf_scheduler::object::{NodeInfo, PodInfo, RawNode, RawPod};
use reddwarf_scheduler::plan::Planner;
use reddwarf_scheduler::queue::{Change, Queue};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

#[test]
fn scripts_print_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut ran = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let script = std::fs::read_to_string(&path).expect("text");
        let printed = run(&script);
        if update {
            std::fs::write(&path, &printed).expect("written");
        } else {
            assert_eq!(printed, script, "{}", path.display());
        }
        ran += 1;
    }
    assert!(ran > 0, "no script in {}", folder.display());
}

/// The script with the lines that its commands print (`  …`) as they are now.
fn run(script: &str) -> String {
    let mut world = World::default();
    let mut out = String::new();
    for line in script.lines().filter(|line| !line.starts_with("  ")) {
        let _ = writeln!(out, "{line}");
        if !line.is_empty() && !line.starts_with('#') {
            for printed in world.command(line) {
                let _ = writeln!(out, "  {printed}");
            }
        }
    }
    out
}

#[derive(Default)]
struct World {
    cluster: Cluster,
    queue: Queue,
    planner: Planner,
    now_ms: u64,
}

impl World {
    fn command(&mut self, line: &str) -> Vec<String> {
        let mut words = line.split_whitespace();
        let command = words.next().unwrap_or_default();
        let name = words.clone().next().unwrap_or_default();
        match command {
            "node" => {
                if self.cluster.set_node(node(name, words.skip(1))) {
                    self.queue.changed(Change::Node, self.now_ms);
                }
            }
            "remove-node" => self.cluster.remove_node(name),
            "pod" => self.queue.set(pod(name, words.skip(1))),
            "delete" => {
                self.queue.remove(name);
                if self.cluster.remove_pod(name) {
                    self.queue.changed(Change::PodLeft, self.now_ms);
                }
            }
            "advance" => {
                self.now_ms += name.parse::<u64>().expect("milliseconds");
            }
            "schedule" => return self.schedule(),
            "state" => return self.state(),
            other => panic!("unknown command {other}"),
        }
        Vec::new()
    }

    fn schedule(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        self.queue.advance(self.now_ms);
        while let Some(pod) = self.queue.pop() {
            match self.planner.choose(&self.cluster, &pod) {
                Ok(at) => {
                    printed.push(format!("{} -> {}", pod.name, self.cluster.nodes()[at].info.name));
                    self.cluster.assume(&pod, at);
                    self.queue.remove(&pod.uid);
                }
                Err(diagnosis) => {
                    printed.push(format!("{}: {}", pod.name, diagnosis.message()));
                    self.queue.unschedulable(&pod.uid, diagnosis.plugins(), self.now_ms);
                }
            }
        }
        printed
    }

    fn state(&self) -> Vec<String> {
        let nodes = self.cluster.nodes().iter().map(|node| {
            let (taken, has) = (&node.requested, &node.info.allocatable);
            let gone = if node.exists { "" } else { " (gone)" };
            format!(
                "{}{gone}: {} pods, cpu {}m of {}m, memory {} of {}",
                node.info.name,
                node.pods,
                taken.cpu_milli,
                has.cpu_milli,
                taken.memory_bytes,
                has.memory_bytes
            )
        });
        let depths = self.queue.depths();
        let queue = format!(
            "queue: {} active, {} in backoff, {} unschedulable",
            depths.active, depths.backoff, depths.unschedulable
        );
        nodes.chain([queue]).collect()
    }
}

fn node<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> NodeInfo {
    let mut of = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"taints": []},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    });
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "label" => {
                let (key, value) = value.split_once('=').expect("label=k=v");
                of["metadata"]["labels"][key] = value.into();
            }
            "taint" => of["spec"]["taints"].as_array_mut().expect("a list").push(taint(value)),
            "unschedulable" => of["spec"]["unschedulable"] = true.into(),
            "mem" => of["status"]["allocatable"]["memory"] = value.into(),
            resource => of["status"]["allocatable"][resource] = value.into(),
        }
    }
    serde_json::from_value::<RawNode>(of).expect("a node").into()
}

/// `k=v:Effect`, `k:Effect`.
fn taint(text: &str) -> Value {
    let (pair, effect) = text.split_once(':').unwrap_or((text, ""));
    match pair.split_once('=') {
        Some((key, value)) => json!({"key": key, "value": value, "effect": effect}),
        None => json!({"key": pair, "operator": "Exists", "effect": effect}),
    }
}

fn pod<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> PodInfo {
    let mut of = json!({
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"containers": [{"name": "c", "ports": []}], "tolerations": [], "nodeSelector": {}},
    });
    let (mut required, mut preferred) = (Vec::new(), Vec::new());
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let spec = &mut of["spec"];
        match key {
            "port" => {
                let (protocol, port) = value.split_once(':').expect("port=TCP:80");
                let port: u16 = port.parse().expect("a port");
                let ports = spec["containers"][0]["ports"].as_array_mut().expect("a list");
                ports.push(json!({"hostPort": port, "protocol": protocol}));
            }
            "select" => {
                let (key, value) = value.split_once('=').expect("select=k=v");
                spec["nodeSelector"][key] = value.into();
            }
            "require" => required.push(json!({"matchExpressions": [expression(value)]})),
            "prefer" => {
                let (weight, rest) = value.split_once(':').expect("prefer=W:k:Op:v");
                let weight: i64 = weight.parse().expect("a weight");
                let preference = json!({"matchExpressions": [expression(rest)]});
                preferred.push(json!({"weight": weight, "preference": preference}));
            }
            "tolerate" => spec["tolerations"].as_array_mut().expect("a list").push(taint(value)),
            "priority" => spec["priority"] = value.parse::<i32>().expect("a number").into(),
            "never-preempts" => spec["preemptionPolicy"] = "Never".into(),
            "mem" => spec["containers"][0]["resources"]["requests"]["memory"] = value.into(),
            resource => spec["containers"][0]["resources"]["requests"][resource] = value.into(),
        }
    }
    let mut affinity = json!({});
    if !required.is_empty() {
        affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
            json!({"nodeSelectorTerms": required});
    }
    affinity["preferredDuringSchedulingIgnoredDuringExecution"] = preferred.into();
    of["spec"]["affinity"]["nodeAffinity"] = affinity;
    serde_json::from_value::<RawPod>(of).expect("a pod").into()
}

/// `key:Operator:value,value`.
fn expression(text: &str) -> Value {
    let mut parts = text.split(':');
    let key = parts.next().expect("a key");
    let operator = parts.next().expect("an operator");
    let values: Vec<_> =
        parts.next().unwrap_or_default().split(',').filter(|v| !v.is_empty()).collect();
    json!({"key": key, "operator": operator, "values": values})
}
