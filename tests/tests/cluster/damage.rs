//! Members whose files are damaged or gone, and strangers at the members' port.

use bytes::Bytes;
use http::Method;
use reddwarf::client::client_config;
use reddwarf::kubeconfig::Kubeconfig;
use reddwarf::pki::{self, Authority};
use reddwarf_raft::peer::{Identity, Kind, Lane, PeerClient, TlsDial};
use reddwarf_raft::types::Member;
use reddwarf_tests::cluster::{Cluster, eventually};
use reddwarf_tests::writers::PATH;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

async fn create(cluster: &Cluster, i: u16, name: &str) -> u16 {
    let body = json!({"metadata": {"name": name}, "data": {"a": "b".repeat(500)}});
    let answer = cluster.ask(i, Method::POST, PATH, Some(&body)).await.expect("an answer");
    answer.status.as_u16()
}

async fn has(cluster: &Cluster, i: u16, name: &str) -> bool {
    let answer = cluster.ask(i, Method::GET, &format!("{PATH}/{name}"), None).await;
    answer.expect("an answer").status.is_success()
}

async fn stop(cluster: &Cluster, i: u16) {
    cluster.signal(i, Signal::TERM);
    cluster.wait_gone(i).await;
}

fn flip(path: &Path, at: std::ops::Range<usize>) {
    let mut bytes = fs::read(path).expect("reads");
    bytes[at].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(path, bytes).expect("writes");
}

fn segment(data: &Path) -> PathBuf {
    data.join("wal/0000000000000001.wal")
}

/// Where the log's written bytes end.
fn end_of(path: &Path) -> usize {
    let bytes = fs::read(path).expect("reads");
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_are_told_from_torn_ones() {
    let cluster = Cluster::start(1).await;
    for n in 0..40 {
        assert_eq!(create(&cluster, 1, &format!("cm-{n}")).await, 201);
    }
    stop(&cluster, 1).await;
    let data = cluster.group.node_config(1).data_dir;

    // A write that was torn by a crash, behind everything that was acknowledged.
    let end = end_of(&segment(&data));
    let mut bytes = fs::read(segment(&data)).expect("reads");
    bytes[end..end + 300].fill(0xa7);
    fs::write(segment(&data), bytes).expect("writes");
    cluster.start_missing().await;
    assert!(has(&cluster, 1, "cm-39").await);
    assert_eq!(create(&cluster, 1, "after-the-tear").await, 201);
    stop(&cluster, 1).await;

    let whole = fs::read(segment(&data)).expect("reads");
    flip(&segment(&data), 2_000..2_020);
    let said = cluster.refusal(1).await;
    assert!(said.contains("0000000000000001.wal") && said.contains("may not vote"), "{said}");
    fs::write(segment(&data), whole).expect("writes");

    // The log reaches back to the beginning, so that the state follows from it.
    let state = data.join("state.redb");
    let whole = fs::read(&state).expect("reads");
    flip(&state, whole.len() / 8..whole.len() * 7 / 8);
    cluster.start_missing().await;
    assert!(has(&cluster, 1, "cm-0").await && has(&cluster, 1, "after-the-tear").await);
    assert!(data.join("state.redb.damaged").is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_member_is_refused_while_the_others_serve() {
    let cluster = Cluster::start(3).await;
    let wiped = cluster.leader().await % 3 + 1;
    let other = wiped % 3 + 1;
    assert_eq!(create(&cluster, other, "before").await, 201);
    // The leader records the members' data folders within its first seconds.
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop(&cluster, wiped).await;
    fs::remove_dir_all(cluster.group.node_config(wiped).data_dir).expect("removes");
    let said = cluster.refusal(wiped).await;
    assert!(said.contains("another data directory"), "{said}");
    assert_eq!(create(&cluster, other, "after").await, 201);
    strangers(&cluster, other).await;
}

/// Whoever is no member does not speak the members' protocol.
async fn strangers(cluster: &Cluster, i: u16) {
    let authority = Authority::open_or_create(&cluster.group.folder.join("pki")).expect("its own");
    let url = cluster.group.urls()[usize::from(i) - 1].1.clone();
    let addr = url.trim_start_matches("https://").to_owned();
    let call = async |authority: &Authority, subject: &pki::Subject, group: &str, who: &str| {
        let shown = authority.issue(subject).expect("a certificate");
        let text = reddwarf::kubeconfig::render(
            // Trusting the group's authority, whoever issued the certificate.
            &fs::read_to_string(cluster.group.folder.join("pki/ca.crt")).expect("reads"),
            &cluster.group.urls(),
            &subject.name,
            &shown,
        );
        let path = cluster.group.folder.join("stranger.kubeconfig");
        fs::write(&path, text).expect("writes");
        let tls = client_config(&Kubeconfig::read(&path).expect("reads")).expect("TLS");
        let identity = Identity::new(group, 1, who, 0, TlsDial::shared(&tls));
        let member = Member { name: format!("node-{i}"), addr: addr.clone(), incarnation: 0 };
        let client = PeerClient::new(identity, u64::from(i), member);
        let timeout = Duration::from_secs(5);
        let called = client.call(Lane::Control, Kind::Status, Bytes::new(), timeout).await;
        called.expect_err("refused").to_string()
    };
    let mine = cluster.group.plan.cluster.as_str();
    let admin = pki::admin_client();
    let said = call(&authority, &admin, mine, &admin.name).await;
    assert!(!said.contains("timeout"), "an administrator is turned away at once: {said}");
    let member = pki::member("node-1", &["127.0.0.1".to_owned()]);
    let said = call(&authority, &member, "elsewhere", "node-1").await;
    assert!(said.contains("elsewhere") && said.contains(mine), "{said}");
    let (foreign, _) = Authority::create().expect("another authority");
    let said = call(&foreign, &member, mine, "node-1").await;
    assert!(!said.contains("timeout"), "another authority's member: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_leader_answers_no_stale_read() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.leader().await;
    let other = leader % 3 + 1;
    assert_eq!(create(&cluster, leader, "early").await, 201);
    for round in 0..3 {
        let leader = cluster.leader().await;
        let other = leader % 3 + 1;
        let mut open = cluster.connect(leader).await.expect("connects");
        cluster.signal(leader, Signal::STOP);
        let name = format!("late-{round}");
        eventually("the others have a leader", async || {
            let body = json!({"metadata": {"name": name}});
            let answer = cluster.ask(other, Method::POST, PATH, Some(&body)).await;
            answer.is_ok_and(|answer| matches!(answer.status.as_u16(), 201 | 409))
        })
        .await;
        // Waits in the paused leader's socket, and is the first thing that it hears.
        let path = format!("{PATH}/{name}");
        let read =
            tokio::spawn(async move { open.send(Method::GET, &path, None, Bytes::new()).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        cluster.signal(leader, Signal::CONT);
        let answer = read.await.expect("ends").expect("an answer");
        assert_eq!(answer.status.as_u16(), 200, "{:?}", answer.body);
    }
    for name in ["early", "late-0", "late-1", "late-2"] {
        assert!(has(&cluster, other, name).await, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_a_member_at_once() {
    let cluster = Cluster::start(1).await;
    // A request under way holds the first stop up.
    let mut open = cluster.connect(1).await.expect("connects");
    let path = format!("{PATH}?watch=true");
    let watch = open.start(Method::GET, &path, None, Bytes::new()).await.expect("a watch");
    let began = Instant::now();
    cluster.signal(1, Signal::TERM);
    if reddwarf::group::running_pid(&cluster.group.node_folder(1).join("pid"))
        .is_ok_and(|p| p.is_some())
    {
        cluster.signal(1, Signal::TERM);
    }
    cluster.wait_gone(1).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    drop(watch);
}
