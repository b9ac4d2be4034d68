//! Members are stopped and started one after the other, as an upgrade does it, while clients
//! write, read and watch: nobody is to notice who sends a failed request once more, elsewhere.

use http::Method;
use reddwarf_tests::cluster::{Cluster, eventually};
use reddwarf_tests::retrying::Clients;
use reddwarf_tests::watcher::Watcher;
use reddwarf_tests::writers::{PATH, check_list, check_seen};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Concurrent clients.
const CLIENTS: u16 = 6;
/// How long clients work undisturbed before and after each restart.
const BETWEEN: Duration = Duration::from_millis(400);
/// Requests below which the test shows nothing.
const REQUESTS_MIN: usize = 100;
/// How long no write may be acknowledged around the stop of a leader. What it takes on a machine
/// with nothing else to do is a twentieth of it, and is printed.
const GAP_MAX: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_restarted_one_by_one_fail_no_request_and_no_watch() {
    let cluster = Arc::new(Cluster::start(3).await);
    let version = version_of(&cluster.get(1, PATH).await);
    let watch = |i| Watcher::start(cluster.clone(), i, PATH, version);
    let watchers: Vec<Watcher> = (1..=3).map(watch).collect();
    let clients = Clients::start(&cluster, CLIENTS);
    tokio::time::sleep(BETWEEN).await;

    // The leader first; who leads then may be the next.
    let first = cluster.leader().await;
    let mut stops = Vec::new();
    for i in (0..3).map(|at| (first - 1 + at) % 3 + 1) {
        let (leader, term) = leader_and_term(&cluster, i % 3 + 1).await;
        let begun = Instant::now();
        let status = cluster.stop(i).await;
        let ended = Instant::now();
        assert!(status.success(), "node-{i} ended with {status}");
        if leader == i {
            // It left when another one led.
            let (next, next_term) = leader_and_term(&cluster, i % 3 + 1).await;
            assert!(next != i && next_term > term, "leadership was not handed over");
            let log = std::fs::read_to_string(cluster.group.node_folder(i).join("log"));
            let log = log.expect("a log");
            assert!(log.contains("handing leadership over"), "{log}");
            assert!(!log.contains("took over in time"), "{log}");
            println!("node-{i} led in term {term}, node-{next} in term {next_term}");
            stops.push((begun, ended));
        }
        cluster.start_missing().await;
        tokio::time::sleep(BETWEEN).await;
    }
    let done = clients.finish().await;
    println!("{} requests, first attempts that failed: {:?}", done.requests, done.firsts);
    for unknown in &done.unknown {
        println!("unknown: {unknown}");
    }
    for (begun, ended) in &stops {
        let gap = done.longest_gap(*begun, *ended);
        println!("a leader stopped within {:?}, the longest gap was {gap:?}", *ended - *begun);
        assert!(gap < GAP_MAX, "no write was acknowledged for {gap:?}");
    }
    assert!(done.failures.is_empty(), "{:#?}", done.failures);
    assert!(done.requests >= REQUESTS_MIN, "only {} requests: this shows nothing", done.requests);
    assert!(done.firsts.refused + done.firsts.unsent > 0, "nobody noticed the restarts");

    let list = cluster.get(1, PATH).await;
    for i in 1..=3 {
        check_list(&done.written, &cluster.get(i, PATH).await);
    }
    let newest = list["items"].as_array().expect("a list").iter().map(version_of).max();
    let newest = newest.expect("objects");
    for watcher in &watchers {
        eventually("the watcher catches up", async || watcher.newest() >= newest).await;
        check_seen(&done.written, &watcher.seen());
        assert_eq!(watcher.seen(), watchers[0].seen(), "all watchers see the same");
        let ends = watcher.ends();
        assert_eq!(ends.broken, 0, "{ends:?}");
    }
    let whole: usize = watchers.iter().map(|watcher| watcher.ends().whole).sum();
    assert!(whole >= 3, "watches were not ended by the stops: {whole}");
}

/// Who leads, and in which term, as member `i` says it.
async fn leader_and_term(cluster: &Cluster, i: u16) -> (u16, u64) {
    let status = cluster.get(i, "/reddwarf/status").await;
    let members = status["members"].as_array().expect("members");
    let leader = members.iter().find(|member| member["role"] == "leader").expect("a leader");
    let name = leader["name"].as_str().and_then(|name| name.strip_prefix("node-"));
    let number = name.and_then(|name| name.parse().ok()).expect("a number");
    (number, leader["term"].as_u64().expect("a term"))
}

fn version_of(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.and_then(|version| version.parse().ok()).expect("a version")
}

/// How long the last member may take to stop when the others are gone, on a busy machine; what it
/// has taken on would wait for a majority for ten seconds.
const LONELY_STOP_MAX: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_a_majority_stops_soon_and_tells_its_clients() {
    let cluster = Arc::new(Cluster::start(3).await);
    let leader = cluster.leader().await;
    for gone in [leader % 3 + 1, (leader + 1) % 3 + 1] {
        cluster.kill(gone).await;
    }
    let ask = |method, body: Option<Value>| {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.ask(leader, method, PATH, body.as_ref()).await })
    };
    let write = ask(Method::POST, Some(json!({"metadata": {"name": "late"}})));
    let read = ask(Method::GET, None);
    // Both are under way by then: neither is answered without a majority.
    tokio::time::sleep(BETWEEN).await;
    assert!(!write.is_finished() && !read.is_finished());
    let begun = Instant::now();
    let status = cluster.stop(leader).await;
    let took = begun.elapsed();
    println!("the last member stopped within {took:?}");
    assert!(status.success(), "{status}");
    assert!(took < LONELY_STOP_MAX, "{took:?}");
    let write = write.await.expect("it ends").expect("it is answered");
    assert_eq!(write.status, 504, "it was appended, and nobody knows more: {:?}", write.body);
    let read = read.await.expect("it ends").expect("it is answered");
    assert_eq!(read.status, 503, "{:?}", read.body);
}
