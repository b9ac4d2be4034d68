//! Members whose state is wrong or damaged: quarantine, repair, and what `verify` says of files.

use http::{Method, StatusCode};
use rand::{Rng, SeedableRng};
use reddwarf::client::Connection;
use reddwarf_core::FeatureLevels;
use reddwarf_storage::rows::{META_CHECKPOINT, checkpoint_value};
use reddwarf_storage::{
    KvStore, OpenError, RedbStore, StoreOptions, Table, WriteBatch, read_checkpoint,
};
use reddwarf_tests::cluster::{Cluster, eventually, program};
use reddwarf_tests::writers::PATH;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

async fn create(cluster: &Cluster, i: u16, name: &str) {
    let body = json!({"metadata": {"name": name}, "data": {"a": "b".repeat(500)}});
    let answer = cluster.ask(i, Method::POST, PATH, Some(&body)).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::CREATED, "{name}: {:?}", answer.body);
}

async fn has(cluster: &Cluster, i: u16, name: &str) -> bool {
    let answer = cluster.ask(i, Method::GET, &format!("{PATH}/{name}"), None).await;
    answer.expect("an answer").status.is_success()
}

async fn stop(cluster: &Cluster, i: u16) {
    cluster.signal(i, Signal::TERM);
    cluster.wait_gone(i).await;
    // The pid file is let go a little before the last of the process.
    eventually("its file is closed", async || {
        let opened =
            RedbStore::open_frozen(state(cluster, i), 1 << 20, FeatureLevels::OF_THIS_BUILD);
        !matches!(opened, Err(OpenError::InUse { .. }))
    })
    .await;
}

fn state(cluster: &Cluster, i: u16) -> PathBuf {
    cluster.group.node_config(i).data_dir.join("state.redb")
}

/// What member `i` says of itself.
fn own<'a>(status: &'a Value, name: &str) -> &'a Value {
    let mut members = status["members"].as_array().expect("members").iter();
    members.find(|member| member["name"] == name).expect("a member")
}

/// Waits until every member says that nothing is wrong, and all have the same state.
async fn assert_same_states(cluster: &Cluster, names: &[&str]) {
    eventually("all members have the same state", async || {
        let Ok(status) = cluster.client.get_json("/reddwarf/status").await else { return false };
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let same = |field: &str| members.iter().all(|m| m[field] == members[0][field]);
        let fine = members
            .iter()
            .all(|member| member["trouble"].is_null() && member["quarantined"] == json!(false));
        fine && same("appliedIndex") && same("stateRoot")
    })
    .await;
    for i in 1..=cluster.group.plan.nodes {
        for name in names {
            assert!(has(cluster, i, name).await, "{name} on node-{i}");
        }
        let verified = cluster.get(i, "/reddwarf/verify").await;
        assert_eq!(verified["problems"], json!([]), "node-{i}");
    }
}

/// Makes the stopped member's state differ from the others' without damaging any row.
fn falsify(cluster: &Cluster, i: u16) {
    let options = StoreOptions::new(cluster.group.plan.cluster.as_str());
    let store = RedbStore::open(state(cluster, i), options).expect("opens");
    let mut checkpoint = read_checkpoint(&store).expect("reads");
    checkpoint.clock_ms += 1;
    let mut batch = WriteBatch::default();
    let value = checkpoint_value(&checkpoint).expect("encodes");
    batch.put(Table::Meta, META_CHECKPOINT.to_vec(), value);
    store.commit(batch).expect("commits");
}

/// A GET over an open connection: the code and the body.
async fn get(connection: &Connection, path: &str) -> (StatusCode, String) {
    let mut connection = connection.clone();
    match connection.send(Method::GET, path, None, bytes::Bytes::new()).await {
        Ok(answer) => (answer.status, String::from_utf8_lossy(&answer.body).into_owned()),
        Err(_) => (StatusCode::GONE, String::new()),
    }
}

/// Whether the member was seen in quarantine, in all that it says and refuses at that moment.
async fn seen_in_quarantine(cluster: &Cluster, i: u16) -> bool {
    let Ok(connection) = cluster.connect(i).await else { return false };
    let name = format!("node-{i}");
    let list = format!("{PATH}?resourceVersion=0");
    let (status, refused, state, ready, metrics) = tokio::join!(
        get(&connection, "/reddwarf/status"),
        get(&connection, &list),
        get(&connection, "/readyz/state"),
        get(&connection, "/readyz"),
        get(&connection, "/metrics"),
    );
    let status: Value = serde_json::from_str(&status.1).unwrap_or_default();
    if status.is_null() || own(&status, &name)["quarantined"] != json!(true) {
        return false;
    }
    let refusal: Value = serde_json::from_str(&refused.1).unwrap_or_default();
    let why = "differs from that of the majority";
    refused.0 == StatusCode::SERVICE_UNAVAILABLE
        && refusal["kind"] == "Status"
        && refusal["message"].as_str().is_some_and(|text| text.contains(why))
        && refusal["details"]["retryAfterSeconds"] == json!(1)
        && state.1.contains(why)
        && ready.0 == StatusCode::INTERNAL_SERVER_ERROR
        && metrics.1.contains("reddwarf_quarantined 1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_differs_is_in_quarantine_until_it_has_repaired_itself() {
    let cluster = Cluster::start(3).await;
    let wrong = cluster.leader().await % 3 + 1;
    create(&cluster, wrong, "before").await;
    stop(&cluster, wrong).await;
    falsify(&cluster, wrong);
    let seen =
        eventually("the quarantine shows", async || seen_in_quarantine(&cluster, wrong).await);
    tokio::join!(cluster.start_missing(), seen);
    create(&cluster, wrong % 3 + 1, "meanwhile").await;
    assert_same_states(&cluster, &["before", "meanwhile"]).await;
    create(&cluster, wrong, "after").await;
    let metrics = cluster.ask(wrong, Method::GET, "/metrics", None).await.expect("an answer");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let expected = ["reddwarf_quarantined 0", "reddwarf_repairs_total 1"];
    assert!(expected.iter().all(|line| metrics.contains(line)), "{metrics}");
    let mut damaged = state(&cluster, wrong).into_os_string();
    damaged.push(".damaged");
    assert!(Path::new(&damaged).is_file());
    // The leader tells whoever looks.
    let other = wrong % 3 + 1;
    eventually("an event tells of the repair", async || {
        let events = cluster.get(other, "/api/v1/namespaces/default/events").await;
        let mut events = events["items"].as_array().expect("a list").iter();
        events.any(|event| {
            let about = format!("node-{wrong} has the same state");
            event["reason"] == "StateRepaired"
                && event["involvedObject"]["name"] == "kubernetes"
                && event["message"].as_str().is_some_and(|text| text.starts_with(&about))
        })
    })
    .await;
}

/// Flips a bit in some of the blocks that hold something.
fn flip(path: &Path, seed: u64) {
    let mut bytes = fs::read(path).expect("reads");
    let mut random = seed;
    let mut next = |below: usize| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (random >> 33) as usize % below
    };
    let full = |at: &usize| bytes[*at..*at + 512].iter().any(|byte| *byte != 0);
    let used: Vec<usize> = (0..bytes.len() - 511).step_by(512).filter(full).collect();
    for _ in 0..seed * 4 {
        let at = used[next(used.len())] + next(512);
        bytes[at] ^= 1 << next(8);
    }
    // The header, whose copies redb compares.
    bytes[next(320)] ^= 1 << next(8);
    fs::write(path, bytes).expect("writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_repairs_a_damaged_file_by_itself() {
    let cluster = Cluster::start(3).await;
    let at = cluster.leader().await % 3 + 1;
    for n in 0..30 {
        create(&cluster, at, &format!("cm-{n}")).await;
    }
    for seed in [1, 5, 40] {
        stop(&cluster, at).await;
        flip(&state(&cluster, at), seed);
        cluster.start_missing().await;
        let name = format!("seed-{seed}");
        create(&cluster, at, &name).await;
        assert_same_states(&cluster, &["cm-0", "cm-29", &name]).await;
    }
}

fn verify(arguments: &[&str]) -> Output {
    Command::new(program()).arg("verify").args(arguments).output().expect("reddwarf runs")
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    // A terminal's width breaks lines within sentences.
    let text = String::from_utf8_lossy(&text).into_owned();
    text.split_whitespace().filter(|word| *word != "\u{2502}").collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_members_history_is_verified_from_its_file() {
    let cluster = Cluster::start(1).await;
    create(&cluster, 1, "cm").await;
    let online = cluster.get(1, "/reddwarf/verify").await;
    let head = online["head"].as_str().expect("a head").to_owned();
    let data = cluster.group.node_config(1).data_dir;
    let folder = data.to_str().expect("a plain path");
    let refused = verify(&["--data", folder]);
    assert!(!refused.status.success() && said(&refused).contains("in use"), "{}", said(&refused));

    cluster.kill(1).await;
    let before = fs::read(data.join("state.redb")).expect("reads");
    let copy = cluster.group.folder.join("backup.redb");
    fs::write(&copy, &before).expect("writes");
    for path in [folder, copy.to_str().expect("a plain path")] {
        let whole = verify(&["--data", path, "--against", &head]);
        assert!(whole.status.success(), "{}", said(&whole));
        assert!(said(&whole).contains("as they were written"), "{}", said(&whole));
        assert!(said(&whole).contains("the state root is"), "{}", said(&whole));
    }
    assert_eq!(fs::read(data.join("state.redb")).expect("reads"), before, "it was not changed");
    let absent = verify(&["--data", folder, "--against", &"ab".repeat(32)]);
    assert!(!absent.status.success() && said(&absent).contains("not in the chain"), "{absent:?}");

    let mut bytes = before.clone();
    let needle = b"bbbbbbbbbbbbbbbb";
    let places = (0..bytes.len() - 16).filter(|at| before[*at..].starts_with(needle));
    places.for_each(|at| bytes[at] ^= 1);
    fs::write(&copy, bytes).expect("writes");
    let damaged = verify(&["--data", copy.to_str().expect("a plain path")]);
    assert!(!damaged.status.success(), "{}", said(&damaged));
    assert!(said(&damaged).contains("cannot be trusted"), "{}", said(&damaged));

    // redb panics over some pages, which is nothing that anyone should see.
    for seed in 0..8 {
        let mut bytes = before.clone();
        let pages = 16 * 4096..(56 * 4096).min(bytes.len());
        rand::rngs::SmallRng::seed_from_u64(seed).fill(&mut bytes[pages]);
        fs::write(&copy, bytes).expect("writes");
        let damaged = verify(&["--data", copy.to_str().expect("a plain path")]);
        assert!(!damaged.status.success(), "{}", said(&damaged));
        assert!(!said(&damaged).contains("panicked"), "{}", said(&damaged));
    }
}
