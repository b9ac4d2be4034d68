//! Schedule: pods come and go while the leader's scheduler binds them to nodes that have room for
//! only some of them. The nodes are kept ready by the workload; no kubelet runs.

use super::Workload;
use super::actor::Actor;
use super::object::{self, PARITY, State, version};
use super::outcome::{Effect, Outcome};
use super::register::deletion;
use super::stage::{Stage, StageError};
use super::watcher::{Described, Watched, Watchers};
use crate::client::Call;
use crate::generator::{Pace, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Nodes for the pods.
const NODES: u64 = 4;
/// CPU of each, in thousandths.
const NODE_CPU_MILLI: u64 = 1_000;
/// CPU of pods, in thousandths: some nodes are full at most times.
const POD_CPU_MILLI: [u64; 4] = [100, 200, 300, 500];
/// Pods that are there at a time, about twice what the nodes have room for.
const PODS_PER_CLIENT: usize = 6;
/// Clients that make and delete pods.
const CLIENTS_MAX: usize = 5;
/// Watchers beside one for each member.
const MORE_WATCHERS: usize = 1;
/// Label of the run's nodes, which its pods select.
const NODE_LABEL: &str = "jepsen";
/// How often each node reports.
const HEARTBEATS_PER_SECOND: f64 = 0.2;
/// How long after the last fault a pod that fits may wait; a scheduler backs off from a pod that
/// it could not place for up to ten seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at the pods.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The workload.
#[derive(Default)]
pub struct Schedule {
    pods: Values,
    watchers: Mutex<Watchers>,
}

#[async_trait]
impl Workload for Schedule {
    async fn set_up(&self, stage: &Arc<Stage>) -> Result<(), StageError> {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default"}});
        let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", stage.namespace);
        stage.make(&accounts, &account).await?;
        let mut actor = Actor::new(stage, 0);
        for number in 0..NODES {
            make_node(&mut actor, number).await?;
        }
        Ok(())
    }

    async fn act(&self, stage: &Arc<Stage>) {
        self.watchers.lock().start(stage, stage.servers.len() + MORE_WATCHERS, |_| Watched {
            path: pods_path(stage),
            selector: None,
            describe,
            item: None,
        });
        let clients = stage.concurrency.min(CLIENTS_MAX);
        let clients = (0..clients).map(|number| self.client(stage, number));
        tokio::join!(join_all(clients), heartbeats(stage));
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let mut actor = Actor::new(stage, 0);
        // With an empty node there is something to do for the scheduler, however full the others.
        if let Err(error) = make_node(&mut actor, NODES).await {
            tracing::warn!(%error, "cannot make the last node");
        }
        let last = self.make_pod(&mut actor).await.1;
        settle(&mut actor).await;
        let watchers = std::mem::take(&mut *self.watchers.lock());
        watchers.finish(last).await;
        remove_nodes(stage).await;
    }
}

impl Schedule {
    async fn client(&self, stage: &Arc<Stage>, number: usize) {
        let mut actor = Actor::new(stage, number);
        let mut own = Vec::new();
        while stage.turn().await {
            let full = own.len() >= PODS_PER_CLIENT;
            if full || !own.is_empty() && actor.rng.random_bool(0.4) {
                let pod = own.swap_remove(actor.rng.random_range(0..own.len()));
                if !delete_pod(&mut actor, pod).await {
                    own.push(pod);
                }
            } else if let (Some(pod), _) = self.make_pod(&mut actor).await {
                own.push(pod);
            }
        }
    }

    /// Creates a pod; gives its number if it may be there, and its version if that is known.
    async fn make_pod(&self, actor: &mut Actor) -> (Option<u64>, Option<u64>) {
        let pod = self.pods.next();
        let cpu = POD_CPU_MILLI[actor.rng.random_range(0..POD_CPU_MILLI.len())];
        let asked = value::map([("pod", value::number(pod)), ("cpu", value::number(cpu))]);
        let body = pod_object(&actor.stage, pod, cpu);
        let call = Call::post(pods_path(&actor.stage), &body);
        let mut rev = None;
        let read = |json: &Value| {
            rev = version(json);
            created(json)
        };
        match actor.act(Effect::Write, "pod", asked, call, read).await {
            Outcome::Ok(_) => (Some(pod), rev),
            Outcome::Info(_) => (Some(pod), None),
            Outcome::Fail(_) => (None, None),
        }
    }
}

/// Deletes a pod; whether it is surely gone. One of which nobody knows is deleted again, or pods that
/// no client counts would fill the nodes of a long run.
async fn delete_pod(actor: &mut Actor, pod: u64) -> bool {
    let path = format!("{}/{}", pods_path(&actor.stage), object::name(pod));
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
    let asked = value::map([("pod", value::number(pod))]);
    let call = Call::delete(path, &options);
    let read = |json: &Value| Some(deletion(json));
    let outcome = actor.act(Effect::Write, "delete-pod", asked, call, read).await;
    matches!(outcome, Outcome::Ok(_)) || outcome == Outcome::fail("not-found")
}

/// Looks at the pods until none waits that a node has room for, or it takes too long; the last look
/// is told.
async fn settle(actor: &mut Actor) {
    let pending = actor.invoke("settle", Edn::Nil);
    let until = tokio::time::Instant::now() + SETTLED_WITHIN;
    let outcome = loop {
        let answer = actor.client.send(Call::get(pods_path(&actor.stage))).await;
        let look = answer.ok().filter(|a| a.is_success()).and_then(|a| Look::of(&a.json()?));
        match look {
            Some(look) if look.is_settled() || tokio::time::Instant::now() >= until => {
                break Outcome::Ok(look.to_edn());
            }
            None if tokio::time::Instant::now() >= until => break Outcome::fail("no-list"),
            Some(_) => {}
            None => actor.hop(),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    actor.complete(pending, outcome).await;
}

/// All pods of the run at a version.
struct Look {
    rev: u64,
    pods: Vec<Placed>,
}

/// A pod and where it is.
struct Placed {
    pod: u64,
    cpu: u64,
    node: Option<String>,
}

impl Look {
    fn of(list: &Value) -> Option<Look> {
        let placed = |pod: &Value| {
            Some(Placed {
                pod: object::key(pod)?,
                cpu: requested(pod)?,
                node: pod["spec"]["nodeName"].as_str().map(Into::into),
            })
        };
        let items = list["items"].as_array()?.iter();
        // What is about to go is bound no more.
        let counts = |pod: &Placed, json: &Value| {
            pod.node.is_some() || json["metadata"]["deletionTimestamp"].is_null()
        };
        let pods = items.filter_map(|json| placed(json).filter(|pod| counts(pod, json))).collect();
        Some(Look { rev: version(list)?, pods })
    }

    /// Whether no node has room for a pod that waits.
    fn is_settled(&self) -> bool {
        let mut used = HashMap::<&str, u64>::new();
        for pod in &self.pods {
            if let Some(node) = &pod.node {
                *used.entry(node).or_default() += pod.cpu;
            }
        }
        // A node that holds nothing is not in the map.
        let empty = (used.len() as u64) < NODES + 1;
        let least = if empty { 0 } else { used.into_values().min().unwrap_or(0) };
        let room = NODE_CPU_MILLI.saturating_sub(least);
        self.pods.iter().all(|pod| pod.node.is_some() || pod.cpu > room)
    }

    /// `{:rev R :pods [{:pod P :cpu C :node "N"} …]}`
    fn to_edn(&self) -> Edn {
        let pod = |placed: &Placed| {
            value::map([
                ("pod", value::number(placed.pod)),
                ("cpu", value::number(placed.cpu)),
                ("node", placed.node.as_ref().map_or(Edn::Nil, value::text)),
            ])
        };
        let pods = Edn::Vector(self.pods.iter().map(pod).collect());
        value::map([("rev", value::number(self.rev)), ("pods", pods)])
    }
}

fn pods_path(stage: &Stage) -> String {
    format!("/api/v1/namespaces/{}/pods", stage.namespace)
}

fn node_name(stage: &Stage, number: u64) -> String {
    format!("{}-{number}", stage.namespace)
}

fn pod_object(stage: &Stage, pod: u64, cpu_milli: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        // Watchers of every workload select by this label.
        "metadata": {"name": object::name(pod), "labels": {PARITY: "even"}},
        "spec": {
            "nodeSelector": {NODE_LABEL: stage.namespace},
            "containers": [{"name": "main", "image": "none",
                "resources": {"requests": {"cpu": format!("{cpu_milli}m")}}}],
        },
    })
}

/// `{:rev R :uid "U"}`
fn created(json: &Value) -> Option<Edn> {
    let state = State::of(json)?;
    Some(value::map([("rev", value::number(state.rev)), ("uid", value::text(state.uid))]))
}

fn describe(pod: &Value) -> Option<Described> {
    let node = pod["spec"]["nodeName"].as_str().map_or(Edn::Nil, value::text);
    Some(vec![
        ("key", value::number(object::key(pod)?)),
        ("node", node),
        ("cpu", value::number(requested(pod)?)),
    ])
}

/// Thousandths of a CPU that a pod asks for.
fn requested(pod: &Value) -> Option<u64> {
    milli(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"].as_str()?)
}

/// Thousandths of a CPU, as requests of this workload may come back.
fn milli(quantity: &str) -> Option<u64> {
    match quantity.strip_suffix('m') {
        Some(milli) => milli.parse().ok(),
        None => quantity.parse::<u64>().ok()?.checked_mul(1_000),
    }
}

async fn make_node(actor: &mut Actor, number: u64) -> Result<(), StageError> {
    let stage = actor.stage.clone();
    let name = node_name(&stage, number);
    let body = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {NODE_LABEL: stage.namespace}}});
    let asked = value::map([("node", value::text(&name)), ("cpu", value::number(NODE_CPU_MILLI))]);
    let call = Call::post("/api/v1/nodes", &body);
    actor.act(Effect::Write, "node", asked, call, created).await;
    stage.ask(report(&name), &[]).await?;
    // A server that taints new nodes leaves removing it to a controller.
    let bare = json!({"spec": {"taints": null}});
    stage.ask(Call::merge_patch(format!("/api/v1/nodes/{name}"), &bare), &[]).await.map(drop)
}

/// What a kubelet writes.
fn report(name: &str) -> Call {
    let capacity = json!({"cpu": format!("{NODE_CPU_MILLI}m"), "memory": "64Gi", "pods": "110"});
    let status = json!({"capacity": capacity, "allocatable": capacity, "conditions": [
        {"type": "Ready", "status": "True", "reason": "Simulated", "message": "",
            "lastHeartbeatTime": format!("{:.0}", jiff::Timestamp::now())}]});
    Call::merge_patch(format!("/api/v1/nodes/{name}/status"), &json!({"status": status}))
}

/// Keeps the nodes ready, as far as faults let it. No part of the history.
async fn heartbeats(stage: &Arc<Stage>) {
    let pace = Pace::per_second(HEARTBEATS_PER_SECOND * NODES as f64);
    let mut actor = Actor::new(stage, 0);
    let mut number = 0;
    while stage.turn_of(&pace).await {
        let call = report(&node_name(stage, number % NODES));
        if actor.client.send(call).await.is_err() {
            actor.hop();
        }
        number += 1;
    }
}

async fn remove_nodes(stage: &Arc<Stage>) {
    for number in 0..=NODES {
        let path = format!("/api/v1/nodes/{}", node_name(stage, number));
        if let Err(error) = stage.ask(Call::delete(path, &json!({})), &[404]).await {
            tracing::warn!(%error, "cannot remove a node");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_in_either_form() {
        assert_eq!((milli("300m"), milli("1"), milli("x")), (Some(300), Some(1_000), None));
    }

    #[test]
    fn pods_wait_only_while_no_node_has_room() {
        let look = |pods: &[(u64, Option<u64>)]| {
            let placed = |(pod, (cpu, node)): (usize, &(u64, Option<u64>))| Placed {
                pod: pod as u64,
                cpu: *cpu,
                node: node.map(|number| number.to_string()),
            };
            Look { rev: 1, pods: pods.iter().enumerate().map(placed).collect() }.is_settled()
        };
        let mut full: Vec<_> = (0..NODES).map(|node| (NODE_CPU_MILLI, Some(node))).collect();
        full.push((800, Some(NODES)));
        assert!(look(&full));
        full.push((300, None));
        assert!(look(&full));
        full.push((200, None));
        assert!(!look(&full));
        assert!(!look(&[(500, Some(0)), (500, None)]), "the other nodes are empty");
    }
}
