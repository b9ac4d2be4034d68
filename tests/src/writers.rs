//! Writers that remember what was acknowledged, and the checks over it.

use crate::cluster::Cluster;
use crate::watcher::Seen;
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a writer waits for an answer before the outcome counts as unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// What one writer did.
#[derive(Debug, Default)]
pub struct Written {
    /// Names of objects whose creation was acknowledged.
    pub created: BTreeSet<String>,
    /// Names of objects whose creation may or may not have happened.
    pub unknown: BTreeSet<String>,
    /// Counter objects, each with the values whose patch was acknowledged, in order. One whose
    /// patch is unknown is left alone from then on: the patch may still be applied late.
    pub counters: Vec<(String, Vec<u64>)>,
}

/// Writers at work.
pub struct Writers {
    stop: Arc<AtomicBool>,
    running: JoinSet<Written>,
}

impl Writers {
    /// Starts `count` writers of ConfigMaps in the namespace `default`, spread over the members.
    /// Each creates objects of its own and counts one object up by patches.
    pub fn start(cluster: &Arc<Cluster>, count: u16) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for writer in 0..count {
            running.spawn(write(cluster.clone(), writer, stop.clone()));
        }
        Writers { stop, running }
    }

    /// Lets the writers finish; gives what they did.
    pub async fn finish(self) -> Vec<Written> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join_all().await
    }
}

/// The collection that writers write to.
pub const PATH: &str = "/api/v1/namespaces/default/configmaps";

async fn write(cluster: Arc<Cluster>, writer: u16, stop: Arc<AtomicBool>) -> Written {
    let nodes = cluster.group.plan.nodes;
    let mut member = writer % nodes + 1;
    let mut written = Written::default();
    let mut connection = None;
    let mut counting = false;
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let open = match &mut connection {
            Some(open) => open,
            None => match cluster.connect(member).await {
                Ok(open) => connection.insert(open),
                Err(_) => {
                    member = member % nodes + 1;
                    continue;
                }
            },
        };
        n += 1;
        let name =
            if counting { format!("w{writer}-{n}") } else { format!("counter-{writer}-{n}") };
        let body = json!({"metadata": {"name": name}, "data": {"n": "0"}}).to_string();
        let create = open.send(Method::POST, PATH, Some("application/json"), body.into());
        let mut lost = true;
        match tokio::time::timeout(ANSWER_TIMEOUT, create).await {
            Ok(Ok(answer)) if answer.status.is_success() => {
                if !counting {
                    written.counters.push((name.clone(), Vec::new()));
                    counting = true;
                }
                written.created.insert(name);
                lost = false;
            }
            _ => drop(written.unknown.insert(name)),
        }
        if let (false, true, Some((counter, values))) =
            (lost, counting, written.counters.last_mut())
        {
            let patch = json!({"data": {"n": n.to_string()}}).to_string();
            let path = format!("{PATH}/{counter}");
            let kind = Some("application/merge-patch+json");
            let sent = open.send(Method::PATCH, &path, kind, patch.into());
            match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
                Ok(Ok(answer)) if answer.status.is_success() => values.push(n),
                _ => (lost, counting) = (true, false),
            }
        }
        if lost {
            connection = None;
            member = member % nodes + 1;
        }
    }
    written
}

/// Checks that every acknowledged write is in `list`, and that nothing else is.
///
/// # Panics
/// When one is missing.
pub fn check_list(written: &[Written], list: &Value) {
    let items = list["items"].as_array().expect("a list");
    let named: BTreeMap<&str, &Value> =
        items.iter().filter_map(|item| Some((item["metadata"]["name"].as_str()?, item))).collect();
    for part in written {
        for name in &part.created {
            assert!(named.contains_key(name.as_str()), "{name} was acknowledged and is not there");
        }
        for (counter, values) in &part.counters {
            let Some(last) = values.last() else { continue };
            let now: u64 = named[counter.as_str()]["data"]["n"]
                .as_str()
                .and_then(|n| n.parse().ok())
                .expect("a number");
            assert!(now >= *last, "{counter} is {now}, {last} was acknowledged");
        }
    }
    let known: BTreeSet<&str> = written
        .iter()
        .flat_map(|part| part.created.iter().chain(&part.unknown))
        .map(String::as_str)
        .collect();
    for name in named.keys().filter(|name| **name != "kube-root-ca.crt") {
        assert!(known.contains(name), "{name} is there and was never sent");
    }
}

/// Checks that a watcher saw every acknowledged change exactly once and in order.
///
/// # Panics
/// When it did not.
pub fn check_seen(written: &[Written], seen: &[Seen]) {
    for pair in seen.windows(2) {
        assert!(pair[0].version < pair[1].version, "out of order or twice: {pair:?}");
    }
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut counted: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for change in seen {
        match (change.event.as_str(), change.n) {
            ("ADDED", _) => *times.entry(&change.name).or_default() += 1,
            ("MODIFIED", Some(n)) => counted.entry(&change.name).or_default().push(n),
            _ => {}
        }
    }
    let added = |name: &str| times.get(name).copied().unwrap_or_default();
    for part in written {
        for name in &part.created {
            assert_eq!(added(name), 1, "{name} must be seen once as added");
        }
        for name in &part.unknown {
            assert!(added(name) <= 1, "{name} was seen {} times as added", added(name));
        }
        for (counter, values) in &part.counters {
            let counted = counted.get(counter.as_str()).map_or(&[][..], Vec::as_slice);
            check_counter(counter, values, counted);
        }
    }
}

fn check_counter(counter: &str, values: &[u64], counted: &[u64]) {
    assert!(counted.is_sorted(), "{counter} must only count up: {counted:?}");
    for value in values {
        let from = counted.partition_point(|n| n < value);
        let times = counted[from..].iter().take_while(|n| *n == value).count();
        assert_eq!(times, 1, "{counter}={value} must be seen once");
    }
}
