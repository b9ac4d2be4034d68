//! Members are killed and paused during writes: no acknowledged write is lost, and every
//! watcher sees each change once and in order.

use reddwarf_tests::cluster::Cluster;
use reddwarf_tests::trial::{BETWEEN, Trial};
use reddwarf_tests::writers::PATH;
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_is_killed_during_writes() {
    let trial = Trial::start().await;
    for _ in 0..2 {
        let leader = trial.cluster.leader().await;
        trial.cluster.kill(leader).await;
        tokio::time::sleep(BETWEEN).await;
        trial.cluster.start_missing().await;
        tokio::time::sleep(BETWEEN).await;
    }
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_killed_during_writes() {
    let trial = Trial::start().await;
    let follower = trial.cluster.leader().await % 3 + 1;
    trial.cluster.kill(follower).await;
    tokio::time::sleep(BETWEEN).await;
    trial.cluster.start_missing().await;
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_member_is_paused_during_writes() {
    let trial = Trial::start().await;
    for i in [trial.cluster.leader().await, 1, 2, 3] {
        trial.cluster.signal(i, Signal::STOP);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        trial.cluster.signal(i, Signal::CONT);
        tokio::time::sleep(BETWEEN).await;
    }
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_are_killed_at_once() {
    let trial = Trial::start().await;
    for _ in 0..2 {
        for i in 1..=3 {
            trial.cluster.signal(i, Signal::KILL);
        }
        for i in 1..=3 {
            trial.cluster.wait_gone(i).await;
        }
        trial.cluster.start_missing().await;
        tokio::time::sleep(BETWEEN).await;
    }
    trial.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_of_the_leader_fails_no_request_that_is_repeated_once() {
    let cluster = Arc::new(Cluster::start(3).await);
    let leader = cluster.leader().await;
    let other = leader % 3 + 1;
    let written = tokio::spawn(write_with_one_retry(cluster.clone(), leader, other));
    tokio::time::sleep(BETWEEN).await;
    cluster.signal(leader, Signal::TERM);
    cluster.wait_gone(leader).await;
    let failures = written.await.expect("the writer ends");
    assert!(failures.is_empty(), "{failures:?}");
}

/// Creates objects through the member `first`, each once more through `second` when that fails;
/// gives what failed twice. An object that is there already was created by the first attempt.
async fn write_with_one_retry(cluster: Arc<Cluster>, first: u16, second: u16) -> Vec<String> {
    let mut failures = Vec::new();
    for n in 0..400 {
        let body = serde_json::json!({"metadata": {"name": format!("clean-{n}")}});
        let once = cluster.ask(first, http::Method::POST, PATH, Some(&body)).await;
        if once.is_ok_and(|answer| answer.status.is_success()) {
            continue;
        }
        match cluster.ask(second, http::Method::POST, PATH, Some(&body)).await {
            Ok(answer) if answer.status.is_success() || answer.status.as_u16() == 409 => {}
            Ok(answer) => failures.push(format!("{} {:?}", answer.status, answer.body)),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_leader_schedules_pods_and_serves_new_namespaces() {
    let cluster = Cluster::start_with_workers(3, 2).await;
    for round in 0..2 {
        let leader = cluster.leader().await;
        cluster.kill(leader).await;
        let other = leader % 3 + 1;
        let namespace = format!("after-{round}");
        cluster.kubectl_ok(other, &["create", "namespace", &namespace]);
        // Its account is the work of the leader, without which no pod is admitted.
        let account = ["wait", "--for=create", "serviceaccount/default", "--timeout=30s", "-n"];
        cluster.kubectl_ok(other, &[&account[..], &[&namespace]].concat());
        cluster.kubectl_ok(other, &["run", "p", "--image=i", "-n", &namespace]);
        let ready = ["wait", "--for=condition=Ready", "pod/p", "--timeout=30s", "-n"];
        cluster.kubectl_ok(other, &[&ready[..], &[&namespace]].concat());
        cluster.start_missing().await;
    }
}
