//! A group that has lost its majority, and what the member that is left makes of it.

use super::members::{same_roots, voters};
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use reddwarf::client::GroupClient;
use reddwarf::group::Launch;
use reddwarf::kubeconfig::Kubeconfig;
use reddwarf_tests::cluster::{Cluster, eventually, free_ports, program};
use reddwarf_tests::joiner::{Joiner, token};
use reddwarf_tests::writers::{PATH, Writers};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Runs a command of `reddwarf` for the group; what it says, on standard error when it fails.
pub async fn run(cluster: &Cluster, arguments: &[&str]) -> Result<String, String> {
    command(&cluster.group.admin_kubeconfig(), arguments).await
}

async fn command(kubeconfig: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = tokio::process::Command::new(program())
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("reddwarf runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        // A terminal's width breaks lines within sentences.
        false => {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            let words = error.split_whitespace().filter(|word| *word != "│");
            Err(format!("{said}{}", words.collect::<Vec<_>>().join(" ")))
        }
    }
}

/// Versions of the objects of a list.
pub fn versions(list: &Value) -> Vec<u64> {
    let items = list["items"].as_array().expect("a list").iter();
    items.map(|item| version(&item["metadata"])).collect()
}

fn version(metadata: &Value) -> u64 {
    let version = metadata["resourceVersion"].as_str().and_then(|text| text.parse().ok());
    version.unwrap_or_else(|| panic!("a version in {metadata}"))
}

/// Whether a watch is answered with 410, before or in the stream.
pub async fn gone(client: &GroupClient, path: &str) -> bool {
    let mut connection = client.connect(&client.members()[0]).await.expect("connects");
    let opened = connection.start(Method::GET, path, None, Bytes::new()).await.expect("an answer");
    let status = opened.status().as_u16();
    let body = opened.into_body().collect().await.expect("it ends").to_bytes();
    let first = body.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let event: Value = serde_json::from_slice(first).unwrap_or_default();
    status == 410 || event["object"]["code"] == 410
}

/// A group of one that was recovered from another one's backup.
pub struct Alone {
    data: PathBuf,
    cluster: String,
    listen: String,
    kubeconfig: PathBuf,
}

/// The same while it runs.
pub struct Running {
    alone: Alone,
    /// A client of it.
    pub client: GroupClient,
    process: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Alone {
    /// One in `data` that listens on `port`.
    pub fn new(of: &Cluster, data: &Path, port: u16) -> Alone {
        let (data, listen) = (data.to_owned(), format!("127.0.0.1:{port}"));
        let kubeconfig = data.join("admin.kubeconfig");
        Alone { data, cluster: of.group.plan.cluster.clone(), listen, kubeconfig }
    }

    fn settings(&self) -> [&str; 8] {
        let data = self.data.to_str().expect("a plain path");
        let (cluster, listen) = (self.cluster.as_str(), self.listen.as_str());
        ["--data-dir", data, "--name", "node-1", "--cluster", cluster, "--listen", listen]
    }

    /// Runs `reddwarf recover` for it.
    pub async fn recover(&self, arguments: &[&str]) -> Result<String, String> {
        let all = [&["recover"], arguments, &self.settings()[..]].concat();
        command(&self.kubeconfig, &all).await
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Running {
        let mut server = Command::new(program());
        server.arg("server").args(self.settings()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = server.spawn().expect("reddwarf runs");
        let there = async || self.kubeconfig.exists();
        eventually("it makes its certificates", there).await;
        let client = Kubeconfig::read(&self.kubeconfig).expect("a kubeconfig");
        let client = GroupClient::new(&client).expect("usable certificates");
        let running = Running { alone: self, client, process };
        eventually("it is ready", async || running.client.get_json(PATH).await.is_ok()).await;
        running
    }
}

impl Running {
    /// The JSON of an answer.
    pub async fn get(&self, path: &str) -> Value {
        self.client.get_json(path).await.expect("an answer")
    }

    /// Runs a command of `reddwarf` for it.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        command(&self.alone.kubeconfig, arguments).await
    }

    /// Creates an object; its version.
    pub async fn create(&self, name: &str) -> u64 {
        let body = json!({"metadata": {"name": name}});
        let made = self.client.send_json(Method::POST, PATH, &body).await.expect("made");
        version(&made["metadata"])
    }

    /// What was lost stays lost over a start.
    pub async fn restart_keeps(mut self, kept: u64, lost: u64) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        let mut server = Command::new(program());
        server.arg("server").args(self.alone.settings());
        server.stdout(Stdio::null()).stderr(Stdio::null());
        self.process = server.spawn().expect("reddwarf runs");
        eventually("it is ready", async || self.client.get_json(PATH).await.is_ok()).await;
        for version in [kept, lost] {
            let path = format!("{PATH}?watch=true&resourceVersion={version}&timeoutSeconds=1");
            assert!(gone(&self.client, &path).await, "a watch from {version}");
        }
        self.run(&["verify"]).await.expect("as it was written");
    }
}

/// The list that the member tells without asking others, and whether it says that it is old.
async fn local(cluster: &Cluster, i: u16) -> (Value, bool) {
    let mut connection = cluster.connect(i).await.expect("connects");
    let path = format!("{PATH}?resourceVersion=0");
    let opened = connection.start(Method::GET, &path, None, Bytes::new()).await.expect("an answer");
    let warned = opened
        .headers()
        .get("warning")
        .is_some_and(|text| text.to_str().is_ok_and(|text| text.contains("has had no majority")));
    let body = opened.into_body().collect().await.expect("a body").to_bytes();
    (serde_json::from_slice(&body).expect("JSON"), warned)
}

fn names(list: &Value) -> BTreeSet<String> {
    let items = list["items"].as_array().expect("a list").iter();
    items.filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_that_is_left_goes_on_alone() {
    let cluster = Arc::new(Cluster::start(3).await);
    let writers = Writers::start(&cluster, 4);
    tokio::time::sleep(Duration::from_millis(700)).await;
    cluster.kill(2).await;
    cluster.kill(3).await;
    drop(writers.finish().await);

    // It can be read, and says that it may be behind.
    let (before, _) = local(&cluster, 1).await;
    let revision = version(&before["metadata"]);
    eventually("readers are told", async || local(&cluster, 1).await.1).await;
    let then = cluster.get(1, &format!("/at/{revision}{PATH}")).await;
    assert_eq!(then["items"], before["items"]);

    let config = cluster.group.node_folder(1).join("config.toml");
    let config = config.to_str().expect("a plain path");
    let data = |i| cluster.group.node_config(i).data_dir.to_str().expect("plain").to_owned();
    let (second, third) = (data(2), data(3));
    let recover = ["recover", "--force-new-group", "--config", config];
    let running = run(&cluster, &recover).await.expect_err("it runs");
    assert!(running.contains("in use"), "{running}");
    cluster.kill(1).await;
    let alone = run(&cluster, &recover).await.expect_err("nobody says yes");
    assert!(alone.contains("UNKNOWN") && alone.contains("nothing was done"), "{alone}");

    let compare = [&recover[..], &["--compare", &second, "--compare", &third, "--yes"]].concat();
    let said = run(&cluster, &compare).await.expect("a new group");
    assert!(said.contains("no acknowledged write is lost") || said.contains("LOST"), "{said}");
    assert!(!said.contains("UNKNOWN") && said.contains("node-2: its log ends"), "{said}");
    let aside = Path::new(&data(1)).join("before-recovery-1");
    for part in ["wal", "state.redb", "identity"] {
        assert!(aside.join(part).exists(), "{part} is kept");
    }

    start(&cluster, 1).await;
    let after = cluster.get(1, PATH).await;
    assert!(names(&after).is_superset(&names(&before)), "what it had is there");
    let status = cluster.get(1, "/reddwarf/status").await;
    let members = status["members"].as_array().expect("members").len();
    assert_eq!((members, &status["members"][0]["id"]), (1, &json!(4)), "{status}");
    let body = json!({"metadata": {"name": "after"}});
    let made = cluster.ask(1, Method::POST, PATH, Some(&body)).await.expect("an answer");
    let made: Value = serde_json::from_slice(&made.body).expect("JSON");
    assert!(version(&made["metadata"]) > revision + 1_000_000, "{made}");
    let path = format!("{PATH}?watch=true&resourceVersion={revision}&timeoutSeconds=1");
    assert!(gone(&cluster.client, &path).await, "a watch from before begins anew");
    strangers(&cluster).await;
    rejoin(&cluster).await;
}

/// Members of the old group come back: they are refused, and change nothing.
async fn strangers(cluster: &Cluster) {
    let mut launch = Launch::new(&cluster.group, &program()).expect("a kubeconfig");
    launch.start_member(2).expect("it starts");
    let log = cluster.group.node_folder(2).join("log");
    let refused = async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains("node-2 calls node 1, but node-1 is node 4")
    };
    eventually("the old member is refused", refused).await;
    let ready = cluster.ask(1, Method::GET, "/readyz", None).await.expect("an answer");
    assert_eq!(ready.status.as_u16(), 200);
    for process in launch.processes {
        if let Some(mut child) = process.child {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }
}

/// The others become members of the new group by one command each, and then it goes on without the
/// one that was left.
async fn rejoin(cluster: &Cluster) {
    let mut joined = Vec::new();
    for i in [2, 3] {
        let config = cluster.group.node_folder(i).join("config.toml");
        let config = ["--config", config.to_str().expect("a plain path")].map(str::to_owned);
        let arguments = [&token(cluster, &["--single-use"])[..], &config].concat();
        let node = cluster.group.node_config(i);
        joined.push(Joiner::run(cluster, arguments, &node.name, node.data_dir, node.advertise));
    }
    voters(&cluster.client, &["node-1", "node-2", "node-3"]).await;
    same_roots(&cluster.client).await;
    cluster.kill(1).await;
    let body = json!({"metadata": {"name": "without-the-first"}});
    let client = joined[0].client(cluster);
    eventually("the two that joined go on", async || {
        client.send_json(Method::POST, PATH, &body).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_joined_goes_on_alone() {
    let cluster = Cluster::start(3).await;
    cluster.kill(3).await;
    let replacing = ["--replace", "node-3"].map(str::to_owned);
    let join = [&token(&cluster, &["--single-use"])[..], &replacing].concat();
    let mut fourth = Joiner::start_prepared(&cluster, &join, "node-4", free_ports(1));
    voters(&cluster.client, &["node-1", "node-2", "node-4"]).await;
    let before = names(&cluster.get(1, PATH).await);
    cluster.kill(1).await;
    cluster.kill(2).await;
    fourth.kill();

    let folder = fourth.data_dir.to_str().expect("a plain path");
    let data = |i| cluster.group.node_config(i).data_dir.to_str().expect("plain").to_owned();
    let (first, second) = (data(1), data(2));
    let recover = ["recover", "--force-new-group", "--data-dir", folder, "--yes"];
    let compare = ["--compare", &first, "--compare", &second];
    let said = run(&cluster, &[&recover[..], &compare].concat()).await.expect("a new group");
    assert!(!said.contains("UNKNOWN") && said.contains("node-4"), "{said}");

    let arguments = ["server", "--data-dir", folder].map(str::to_owned).to_vec();
    let (folder, url) = (fourth.data_dir.clone(), fourth.endpoint.url.clone());
    let address = url.trim_start_matches("https://").to_owned();
    // A second start finds what the first one did.
    for name in ["first", "second"] {
        let args = arguments.clone();
        let alone = Joiner::run(&cluster, args, "node-4", folder.clone(), address.clone());
        let client = alone.client(&cluster);
        let body = json!({"metadata": {"name": name}});
        eventually("it takes writes alone", async || {
            client.send_json(Method::POST, PATH, &body).await.is_ok()
        })
        .await;
        let after = names(&client.get_json(PATH).await.expect("a list"));
        assert!(after.is_superset(&before) && after.contains(name), "{after:?}");
        let status = client.get_json("/reddwarf/status").await.expect("a status");
        let members = status["members"].as_array().expect("members");
        assert_eq!((members.len(), &members[0]["name"]), (1, &json!("node-4")), "{status}");
    }
}

async fn start(cluster: &Cluster, i: u16) {
    let mut launch = Launch::new(&cluster.group, &program()).expect("a kubeconfig");
    launch.start_member(i).expect("it starts");
    for process in launch.processes {
        if let Some(mut child) = process.child {
            std::thread::spawn(move || child.wait());
        }
    }
    eventually("it is ready", async || {
        let answer = cluster.ask(i, Method::GET, "/readyz", None).await;
        answer.is_ok_and(|answer| answer.status.is_success())
    })
    .await;
}
