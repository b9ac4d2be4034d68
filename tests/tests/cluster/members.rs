//! Members that come and go while the group runs.

use reddwarf::client::GroupClient;
use reddwarf::kubeconfig::Kubeconfig;
use reddwarf_tests::cluster::{Cluster, eventually, free_ports, program};
use reddwarf_tests::joiner::{Joiner, join_command, reddwarf, said, token};
use reddwarf_tests::writers::{PATH, Writers, check_list};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

async fn members(client: &GroupClient) -> Vec<Value> {
    let status = client.get_json("/reddwarf/status").await.unwrap_or_default();
    status["members"].as_array().cloned().unwrap_or_default()
}

/// Waits until these and no others are members, and all of them vote.
pub async fn voters(client: &GroupClient, names: &[&str]) -> BTreeMap<String, u64> {
    let began = Instant::now();
    let mut found = BTreeMap::new();
    eventually(&format!("{names:?} are the voters"), async || {
        let all = members(client).await;
        let name = |member: &Value| member["name"].as_str().unwrap_or_default().to_owned();
        found = all.iter().map(|m| (name(m), m["id"].as_u64().unwrap_or_default())).collect();
        let whole = all.iter().all(|member| member["voter"] == true);
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        whole && all.len() == names.len() && found.keys().map(String::as_str).eq(wanted)
    })
    .await;
    println!("{names:?} were the voters after {:?}", began.elapsed());
    found
}

pub async fn same_roots(client: &GroupClient) {
    eventually("all members have the same state", async || {
        let all = members(client).await;
        let same = |field: &str| all.iter().all(|member| member[field] == all[0][field]);
        !all.is_empty() && same("appliedIndex") && same("stateRoot")
    })
    .await;
}

/// Waits until the endpoints of the `kubernetes` Service are these ports.
async fn endpoints(client: &GroupClient, ports: &[u16]) {
    eventually("the endpoints follow the members", async || {
        let path = "/api/v1/namespaces/default/endpoints/kubernetes";
        let found = client.get_json(path).await.unwrap_or_default();
        let subsets = found["subsets"].as_array().cloned().unwrap_or_default();
        let served = subsets.iter().filter_map(|subset| subset["ports"][0]["port"].as_u64());
        let wanted = ports.iter().map(|port| u64::from(*port));
        served.collect::<BTreeSet<_>>() == wanted.collect()
    })
    .await;
}

fn remove(cluster: &Cluster, name: &str) -> String {
    let began = Instant::now();
    let output = reddwarf(cluster, &["member", "remove", name]);
    assert!(output.status.success(), "{}", said(&output));
    println!("{name} was removed after {:?}", began.elapsed());
    said(&output)
}

fn refused(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = reddwarf(cluster, arguments);
    assert!(!output.status.success(), "{}", said(&output));
    said(&output)
}

/// Runs a command that a token printed, which must fail at once.
fn join_refused(join: &[String], name: &str, folder: &str) -> String {
    let output = Command::new(program())
        .args(join)
        .args(["--name", name, "--listen", "127.0.0.1:1", "--data-dir", folder])
        .output()
        .expect("reddwarf runs");
    assert!(!output.status.success(), "{}", said(&output));
    assert!(!fs::exists(folder).expect("readable"), "nothing is written");
    said(&output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_grows_to_five_and_shrinks_to_three_while_it_is_written_to() {
    let cluster = Arc::new(Cluster::start(3).await);
    let writers = Writers::start(&cluster, 3);
    let first = free_ports(2);
    let join = token(&cluster, &[]);
    let client = &cluster.client;
    let fourth = Joiner::start(&cluster, &join, "node-4", first, &[]);
    // The fourth is still a learner, or just becoming a voter.
    let fifth = Joiner::start_prepared(&cluster, &join, "node-5", first + 1);
    voters(client, &["node-1", "node-2", "node-3", "node-4", "node-5"]).await;
    let base = cluster.group.plan.base_port;
    let printed = reddwarf(&cluster, &["member", "kubeconfig"]);
    let path = cluster.write("five.kubeconfig", &String::from_utf8_lossy(&printed.stdout));
    let five = Kubeconfig::read(path.as_ref()).expect("a kubeconfig");
    assert_eq!(five.members.len(), 5);
    let five = GroupClient::new(&five).expect("certificates");
    endpoints(client, &[base, base + 1, base + 2, first, first + 1]).await;

    // The leader, and another of the first three.
    let leader = match cluster.leader().await {
        // One that joined may lead by now; then any goes.
        joined @ 4.. => joined - 3,
        first => first,
    };
    let (next, stays) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    for gone in [leader, next] {
        remove(&cluster, &format!("node-{gone}"));
        cluster.wait_gone(gone).await;
    }
    endpoints(client, &[base + stays - 1, first, first + 1]).await;
    let stays = format!("node-{stays}");
    voters(&five, &[&stays, "node-4", "node-5"]).await;

    let written = writers.finish().await;
    let count: usize = written.iter().map(|part| part.created.len()).sum();
    println!("{count} objects were created meanwhile");
    assert!(count >= 20, "only {count} writes were acknowledged: this shows nothing");
    same_roots(client).await;
    for client in [&fourth.client(&cluster), &fifth.client(&cluster), client] {
        check_list(&written, &client.get_json(PATH).await.expect("a list"));
    }
    let said = cluster.refusal(leader).await;
    assert!(said.contains("no member of the group") && said.contains("token create"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_are_replaced_and_the_wiped_come_back() {
    let cluster = Cluster::start(3).await;
    let client = &cluster.client;
    let dead = cluster.leader().await;
    let (wiped, stays) = (dead % 3 + 1, (dead + 1) % 3 + 1);
    let [dead_name, wiped_name, stays_name] = [dead, wiped, stays].map(|i| format!("node-{i}"));
    cluster.kill(dead).await;
    cluster.leader().await;
    let said = refused(&cluster, &["member", "remove", &wiped_name]);
    assert!(said.contains("could not go on") && said.contains(&dead_name), "{said}");

    let said = refused(&cluster, &["member", "replace", "node-9"]);
    assert!(said.contains("no member of the group"), "{said}");
    let join_4 = join_command(&cluster, &["member", "replace", &dead_name]);
    let fourth = Joiner::start(&cluster, &join_4, "node-4", free_ports(1), &[]);
    voters(client, &[&wiped_name, &stays_name, "node-4"]).await;
    let used = cluster.group.folder.join("used");
    let said = join_refused(&join_4, "node-9", used.to_str().expect("a plain path"));
    assert!(said.contains("used up"), "{said}");
    let said = cluster.refusal(dead).await;
    assert!(said.contains("no member of the group"), "{said}");

    cluster.kill(wiped).await;
    fs::remove_dir_all(cluster.group.node_config(wiped).data_dir).expect("removes");
    let config = cluster.group.node_folder(wiped).join("config.toml");
    let config = ["--config", config.to_str().expect("a plain path")].map(str::to_owned);
    let back = [&token(&cluster, &["--single-use"])[..], &config].concat();
    let data_dir = cluster.group.node_config(wiped).data_dir;
    let address = cluster.group.node_config(wiped).advertise;
    let run = |arguments| {
        Joiner::run(&cluster, arguments, &wiped_name, data_dir.clone(), address.clone())
    };
    let mut member = run(back);
    eventually("it has a new id", async || {
        let all = members(client).await;
        all.iter().any(|m| m["name"] == wiped_name.as_str() && m["id"].as_u64() > Some(1 << 32))
    })
    .await;
    let ids = voters(client, &[&wiped_name, &stays_name, "node-4"]).await;
    assert!(ids[&wiped_name] > 1 << 32, "{ids:?}");
    same_roots(client).await;

    // Its configuration is the one that it had; the data directory says who it is now.
    member.kill();
    let member = run([&["server".to_owned()][..], &config].concat());
    eventually("it serves after a start", async || {
        member.client(&cluster).get_json(PATH).await.is_ok()
    })
    .await;
    same_roots(client).await;
    assert!(fourth.client(&cluster).get_json(PATH).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_token_that_is_good_lets_in() {
    let cluster = Cluster::start(1).await;
    let folder = cluster.group.folder.join("never");
    let folder = folder.to_str().expect("a plain path");
    let join = token(&cluster, &[]);
    let with = |flag: &str, value: &str| {
        let mut changed = join.clone();
        let at = changed.iter().position(|word| word == flag).expect("there") + 1;
        value.clone_into(&mut changed[at]);
        changed
    };
    let of =
        |flag: &str| join[join.iter().position(|word| word == flag).expect("there") + 1].clone();
    let said = join_refused(&with("--ca-hash", "sha256:00"), "node-2", folder);
    assert!(said.contains("another group") && said.contains(&of("--ca-hash")), "{said}");
    let (id, _) =
        of("--token").split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("two");
    let wrong = format!("{id}.{}", "a".repeat(24));
    let said = join_refused(&with("--token", &wrong), "node-2", folder);
    assert!(said.contains("not one of this group"), "{said}");
    let said = join_refused(&join, "node-1", folder);
    assert!(said.contains("node-1 is a member and runs"), "{said}");
    let said = refused(&cluster, &["member", "remove", "node-1"]);
    assert!(said.contains("only voter"), "{said}");

    let listed = reddwarf(&cluster, &["token", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains(&id), "{listed:?}");
    assert!(reddwarf(&cluster, &["token", "delete", &id]).status.success());
    let said = join_refused(&join, "node-2", folder);
    assert!(said.contains("it was deleted"), "{said}");
    let short = token(&cluster, &["--ttl", "1s"]);
    eventually("its time is over", async || {
        let listed = reddwarf(&cluster, &["token", "list"]);
        String::from_utf8_lossy(&listed.stdout).contains("(over)")
    })
    .await;
    let said = join_refused(&short, "node-2", folder);
    assert!(said.contains("expired at"), "{said}");

    fs::remove_file(cluster.group.folder.join("pki/ca.key")).expect("removes");
    let said = join_refused(&token(&cluster, &[]), "node-2", folder);
    assert!(said.contains("ca.key") && said.contains("cannot make certificates"), "{said}");
    assert_eq!(members(&cluster.client).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_to_whom_it_is_given() {
    let cluster = Arc::new(Cluster::start(3).await);
    let writers = Writers::start(&cluster, 3);
    let leads = |i: u16| {
        let cluster = cluster.clone();
        let name = format!("node-{i}");
        async move {
            let all = members(&cluster.client).await;
            all.iter().any(|member| member["name"] == name.as_str() && member["role"] == "leader")
        }
    };
    let first = cluster.leader().await;
    let (second, third) = (first % 3 + 1, (first + 1) % 3 + 1);
    for to in [second, third, third] {
        let output = reddwarf(&cluster, &["member", "transfer", &format!("node-{to}")]);
        assert_eq!(said(&output), format!("node-{to} leads"));
        eventually("it leads, as the members say", async || leads(to).await).await;
    }
    let output = reddwarf(&cluster, &["member", "transfer"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_ne!(said(&output), format!("node-{third} leads"), "any but who led");
    let why = refused(&cluster, &["member", "transfer", "node-9"]);
    assert!(why.contains("node-9 is no member"), "{why}");

    let written = writers.finish().await;
    let unknown: usize = written.iter().map(|part| part.unknown.len()).sum();
    assert_eq!(unknown, 0, "no write fails while leadership moves");
    let leader = cluster.leader().await;
    let dead = leader % 3 + 1;
    cluster.kill(dead).await;
    let why = refused(&cluster, &["member", "transfer", &format!("node-{dead}")]);
    assert!(why.contains("does not answer"), "{why}");
    assert!(leads(leader).await);
}
