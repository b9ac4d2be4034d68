//! What is no longer kept is gone on every member, and so is the room that it took.

use http::Method;
use reddwarf_tests::cluster::{Cluster, eventually, program};
use serde_json::{Value, json};
use std::process::Output;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const HISTORY: &str = "/apis/history.reddwarf.dev/v1alpha1";

struct Group(Cluster);

impl Group {
    async fn send(&self, member: u16, method: Method, path: &str, body: Value) -> (u16, Value) {
        let answer = self.0.ask(member, method, path, Some(&body)).await.expect("an answer");
        let said = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status.as_u16(), said)
    }

    async fn ok(&self, member: u16, method: Method, path: &str, body: Value) -> Value {
        let (code, said) = self.send(member, method.clone(), path, body).await;
        assert!(code < 300, "{method} {path}: {code} {said}");
        said
    }

    /// Puts a new value into a map; the map's version.
    async fn put(&self, name: &str, value: &str) -> String {
        let body = json!({"metadata": {"name": name}, "data": {"k": value}});
        let put = self.ok(1, Method::PUT, &format!("{MAPS}/{name}"), body).await;
        put["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
    }

    async fn limit(&self, name: &str, spec: Value) {
        let policy = json!({
            "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "RetentionPolicy",
            "metadata": {"name": name}, "spec": spec,
        });
        self.ok(2, Method::POST, &format!("{HISTORY}/retentionpolicies"), policy).await;
    }

    /// Whether every member refuses a path as too old; what the first one says.
    async fn too_old(&self, path: &str) -> Option<String> {
        let mut said = String::new();
        for member in (1..=3).rev() {
            let answer = self.0.ask(member, Method::GET, path, None).await.expect("an answer");
            if answer.status != 410 {
                return None;
            }
            let status: Value = serde_json::from_slice(&answer.body).expect("a status");
            assert_eq!(status["reason"], "Expired");
            said = status["message"].as_str().expect("a text").to_owned();
        }
        Some(said)
    }

    async fn usage(&self, member: u16) -> Value {
        self.0.get(member, "/reddwarf/du").await
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = std::process::Command::new(program());
        command.args(arguments).current_dir(&self.0.group.folder);
        command.env("KUBECONFIG", self.0.group.admin_kubeconfig());
        command.output().expect("reddwarf runs")
    }

    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (said, wrong) = (output.stdout, output.stderr);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&wrong));
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Superseded config maps in a member's file.
    async fn past_maps(&self, member: u16) -> u64 {
        let usage = self.usage(member).await;
        let mut kinds = usage["kinds"].as_array().into_iter().flatten();
        let maps = kinds.find(|kind| kind["resource"] == "configmaps");
        let maps = maps.unwrap_or_else(|| panic!("no config maps in {usage}"));
        maps["past"]["rows"].as_u64().expect("a number")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ages_numbers_and_excisions() {
    let group = Group(Cluster::start(3).await);
    let policies = group.0.kubectl_ok(1, &["get", "retentionpolicies"]);
    assert!(policies.contains("short-lived") && policies.contains("720h"), "{policies}");
    let told = group.0.kubectl_refused(
        1,
        &[
            "patch",
            "retentionpolicy",
            "default",
            "--type=merge",
            "-p",
            r#"{"spec":{"maxAge":"1d"}}"#,
        ],
    );
    assert!(told.contains("spec.maxAge"), "{told}");

    // By age: of the maps only, and of nothing else.
    group.ok(1, Method::POST, MAPS, json!({"metadata": {"name": "aged"}})).await;
    let first = group.put("aged", "1").await;
    let secrets = MAPS.replace("configmaps", "secrets");
    let secret = json!({"metadata": {"name": "token"}, "stringData": {"k": "hunter2"}});
    let secret = group.ok(1, Method::POST, &secrets, secret).await;
    let leaked = secret["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    group.put("aged", "2").await;
    let then = format!("/at/{first}{MAPS}/aged");
    assert_eq!(group.0.get(3, &then).await["data"]["k"], "1");
    group.limit("maps", json!({"resources": ["configmaps"], "maxAge": "2s"})).await;
    eventually("the old version is no longer served", async || {
        group.too_old(&then).await.is_some()
    })
    .await;
    let said = group.too_old(&then).await.expect("it is");
    assert!(said.contains("is no longer kept: history begins at revision "), "{said}");
    for member in 1..=3 {
        eventually("the old version is removed", async || group.past_maps(member).await == 0).await;
        let secret = group.0.get(member, &format!("/at/{leaked}{secrets}/token")).await;
        assert_eq!(secret["data"]["k"], "aHVudGVyMg==", "what has no such policy is kept");
    }
    assert_eq!(group.0.get(2, &format!("{MAPS}/aged")).await["data"]["k"], "2");

    // A member that was away removes the same.
    group.0.kill(2).await;
    for n in 0..20 {
        group.put("aged", &n.to_string()).await;
    }
    group.0.start_missing().await;
    eventually("it removes what the others did", async || group.past_maps(2).await == 0).await;

    // A past secret goes, and only that; a branch that began with it does not show it any more.
    group.said(&["branch", "create", "kept"]);
    let on_branch = format!("/branches/kept{secrets}/token");
    assert_eq!(group.0.get(2, &on_branch).await["data"]["k"], "aHVudGVyMg==");
    let change = json!({"metadata": {"name": "token"}, "stringData": {"k": "other"}});
    group.ok(1, Method::PUT, &format!("{secrets}/token"), change).await;
    let said = group.said(&["excise", "secrets/token", "--reason", "leaked", "--plan"]);
    assert!(said.starts_with("1 past versions of secrets/token"), "{said}");
    assert!(group.too_old(&format!("/at/{leaked}{secrets}/token")).await.is_none(), "a plan only");
    group.said(&["excise", "secrets/token", "--reason", "leaked"]);
    let gone = format!("/at/{leaked}{secrets}/token");
    eventually("the secret is gone", async || group.too_old(&gone).await.is_some()).await;
    let now = group.0.get(3, &format!("{secrets}/token")).await;
    assert_eq!(now["data"]["k"], "b3RoZXI=");
    eventually("the branch shows it no more", async || {
        group.0.ask(2, Method::GET, &on_branch, None).await.expect("an answer").status == 404
    })
    .await;
    let record = group.0.kubectl_ok(3, &["get", "excisions", "-o", "yaml"]);
    assert!(record.contains("reason: leaked") && record.contains("count: 1"), "{record}");
    let verified = group.said(&["verify"]);
    assert_eq!(verified.matches("as they were written").count(), 3, "{verified}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn room_is_given_back_while_the_members_run() {
    let group = Group(Cluster::start(3).await);
    for name in 0..8 {
        let body = json!({"metadata": {"name": format!("big-{name}")}});
        group.ok(1, Method::POST, MAPS, body).await;
    }
    // Nothing in them repeats, so that each version takes its room.
    let mut state = 1_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    };
    for n in 0..80 {
        let value: String = (0..32_768).map(|_| format!("{:016x}", random())).collect();
        group.put(&format!("big-{}", n % 8), &value).await;
    }
    let before = group.usage(2).await["fileBytes"].as_u64().expect("a number");
    assert!(before > 32 * 1024 * 1024, "{before} bytes");
    group.limit("maps", json!({"resources": ["configmaps"], "maxVersions": 4})).await;
    for member in 1..=3 {
        eventually("few versions are left", async || group.past_maps(member).await <= 12).await;
    }
    for member in 1..=3 {
        let smaller = async || {
            let usage = group.usage(member).await;
            usage["fileBytes"].as_u64().expect("a number") < before / 2
        };
        eventually("the file is smaller", smaller).await;
    }
    group.put("big-0", "after").await;
    let verified = group.said(&["verify"]);
    assert_eq!(verified.matches("as they were written").count(), 3, "{verified}");
    group.0.kill(3).await;
    group.0.start_missing().await;
    assert_eq!(group.0.get(3, &format!("{MAPS}/big-0")).await["data"]["k"], "after");
}
