//! The controllers over a store in memory: what becomes of dependents, and of budgets.

use async_trait::async_trait;
use bytes::Bytes;
use reddwarf_apiserver::{ApiServer, LocalClient};
use reddwarf_controllers::Controllers;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{
    Change, KindMap, Kinds, ObjectIndex, ObjectKey, Reason, ServedKind, Status, Store, Write,
};
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const MERGE: &str = "application/merge-patch+json";
/// Longest time that background work may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

struct Api {
    store: Arc<MemoryStore>,
    server: ApiServer,
    client: LocalClient,
}

/// A leader's controllers.
struct Leader {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Leader {
    async fn resign(self) {
        self.stop.cancel();
        self.task.await.expect("no panic");
    }
}

impl Api {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let server = server(store.clone(), "127.0.0.1:6443".into());
        let client = LocalClient::privileged(server.clone(), "test", "test");
        let api = Api { store, server, client };
        for name in ["default", "other"] {
            api.make("/api/v1/namespaces", json!({"metadata": {"name": name}})).await;
        }
        let accounts = "/api/v1/namespaces/default/serviceaccounts";
        api.make(accounts, json!({"metadata": {"name": "default"}})).await;
        api
    }

    async fn led() -> (Self, Leader) {
        let api = Api::new().await;
        let leader = api.lead(1);
        (api, leader)
    }

    fn lead(&self, term: u64) -> Leader {
        self.lead_with(term, self.server.config().registry.clone())
    }

    fn lead_with(&self, term: u64, kinds: Arc<dyn Kinds>) -> Leader {
        self.store.set_term(term);
        let name = "system:kube-controller-manager";
        let client = LocalClient::privileged(self.server.clone(), name, "kube-controller-manager");
        let controllers = Controllers {
            client: client.fenced(term),
            store: self.store.clone(),
            kinds,
            members: tokio::sync::watch::Sender::default().subscribe(),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(reddwarf_controllers::run(controllers, stop.clone()));
        Leader { stop, task }
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value, Box<Status>> {
        let body = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let kind = (method == "PATCH").then_some(MERGE);
        let answer = self.client.request(method, path, kind, body).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    async fn make(&self, path: &str, object: Value) -> Value {
        self.send("POST", path, object).await.expect("made")
    }

    /// Makes a config map with owners; answers a reference to it.
    async fn map(&self, name: &str, owners: &[&Value], finalizers: &[&str]) -> Value {
        let meta = json!({"name": name, "ownerReferences": owners, "finalizers": finalizers});
        let made = self.make(MAPS, json!({"metadata": meta})).await;
        reference(&made)
    }

    async fn find(&self, path: &str) -> Option<Value> {
        match self.send("GET", path, Value::Null).await {
            Ok(object) => Some(object),
            Err(status) if status.is(Reason::NotFound) => None,
            Err(status) => panic!("{status}"),
        }
    }

    async fn delete(&self, name: &str, policy: &str) {
        let path = format!("{MAPS}/{name}?propagationPolicy={policy}");
        self.send("DELETE", &path, Value::Null).await.expect("deleted");
    }

    async fn release(&self, name: &str) {
        let patch = json!({"metadata": {"finalizers": null}});
        self.send("PATCH", &format!("{MAPS}/{name}"), patch).await.expect("released");
    }

    /// Waits until the object looks as wanted, or is gone where `None` is.
    async fn until(&self, path: &str, wanted: impl Fn(Option<&Value>) -> bool) -> Option<Value> {
        let begun = Instant::now();
        loop {
            let found = self.find(path).await;
            if wanted(found.as_ref()) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays {found:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn gone(&self, name: &str) {
        self.until(&format!("{MAPS}/{name}"), |found| found.is_none()).await;
    }

    async fn going(&self, name: &str) {
        self.until(&format!("{MAPS}/{name}"), |found| {
            found.is_some_and(|o| o["metadata"]["deletionTimestamp"].is_string())
        })
        .await;
    }

    async fn is_there(&self, name: &str) -> bool {
        self.find(&format!("{MAPS}/{name}")).await.is_some()
    }
}

fn reference(object: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": object["metadata"]["name"],
        "uid": object["metadata"]["uid"]})
}

fn blocking(reference: &Value) -> Value {
    let mut reference = reference.clone();
    reference["blockOwnerDeletion"] = true.into();
    reference
}

/// Long enough for the controllers to do what they should not.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn dependents_of_dependents_go_and_others_stay() {
    let (api, leader) = Api::led().await;
    let a = api.map("a", &[], &[]).await;
    let b = api.map("b", &[&a], &[]).await;
    let c = api.map("c", &[&b], &[]).await;
    let other = api.map("other", &[], &[]).await;
    api.map("d", &[&c], &[]).await;
    api.map("kept", &[&other, &a], &[]).await;
    settle().await;
    assert!(api.is_there("d").await);
    api.delete("a", "Background").await;
    for name in ["b", "c", "d"] {
        api.gone(name).await;
    }
    let kept = api
        .until(&format!("{MAPS}/kept"), |found| {
            found.is_some_and(|o| {
                o["metadata"]["ownerReferences"].as_array().map(Vec::len) == Some(1)
            })
        })
        .await
        .expect("it has an owner left");
    assert_eq!(kept["metadata"]["ownerReferences"][0]["name"], "other");
    leader.resign().await;
}

#[tokio::test]
async fn circles_go_in_the_background_and_in_the_foreground() {
    let (api, leader) = Api::led().await;
    for (policy, names) in [("Background", ["a", "b", "c"]), ("Foreground", ["d", "e", "f"])] {
        let [x, y, z] = names;
        let first = blocking(&api.map(x, &[], &[]).await);
        let second = blocking(&api.map(y, &[&first], &[]).await);
        let third = blocking(&api.map(z, &[&second], &[]).await);
        let close = json!({"metadata": {"ownerReferences": [third]}});
        api.send("PATCH", &format!("{MAPS}/{x}"), close).await.expect("a circle");
        settle().await;
        assert!(api.is_there(x).await, "each has an owner");
        api.delete(x, policy).await;
        for name in names {
            api.gone(name).await;
        }
    }
    leader.resign().await;
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_those_that_block_it() {
    let (api, leader) = Api::led().await;
    let owner = api.map("owner", &[], &[]).await;
    api.map("free", &[&owner], &["example.com/hold"]).await;
    let blocker = api.map("blocker", &[&blocking(&owner)], &[]).await;
    api.map("below", &[&blocking(&blocker)], &["example.com/hold"]).await;
    api.delete("owner", "Foreground").await;
    for name in ["free", "below"] {
        api.going(name).await;
    }
    api.going("blocker").await;
    settle().await;
    let held = api.find(&format!("{MAPS}/owner")).await.expect("it waits");
    assert_eq!(held["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert!(api.is_there("blocker").await, "it waits for what is below it");
    api.release("below").await;
    for name in ["below", "blocker", "owner"] {
        api.gone(name).await;
    }
    assert!(api.is_there("free").await, "nobody waits for it");
    api.release("free").await;
    api.gone("free").await;
    leader.resign().await;
}

#[tokio::test]
async fn orphans_stay_without_their_owner() {
    let (api, leader) = Api::led().await;
    let (owner, other) = (api.map("owner", &[], &[]).await, api.map("other", &[], &[]).await);
    for n in 0..40 {
        api.map(&format!("child-{n}"), &[&owner, &other], &[]).await;
    }
    api.map("only", &[&owner], &[]).await;
    api.delete("owner", "Orphan").await;
    api.gone("owner").await;
    settle().await;
    for n in 0..40 {
        let child = api.find(&format!("{MAPS}/child-{n}")).await.expect("it stays");
        let owners = child["metadata"]["ownerReferences"].as_array().expect("one is left");
        assert_eq!((owners.len(), &owners[0]["name"]), (1, &json!("other")));
    }
    let only = api.find(&format!("{MAPS}/only")).await.expect("it stays");
    assert!(only["metadata"].get("ownerReferences").is_none(), "{only}");
    leader.resign().await;
}

#[tokio::test]
async fn an_owner_made_anew_does_not_keep_the_dependents_of_the_old_one() {
    let (api, leader) = Api::led().await;
    let old = api.map("owner", &[], &[]).await;
    api.map("child", &[&old], &[]).await;
    api.delete("owner", "Background").await;
    let new = api.map("owner", &[], &[]).await;
    assert_ne!(old["uid"], new["uid"]);
    api.map("heir", &[&new], &[]).await;
    api.gone("child").await;
    api.map("late", &[&old], &[]).await;
    api.gone("late").await;
    settle().await;
    assert!(api.is_there("heir").await && api.is_there("owner").await);
    leader.resign().await;
}

#[tokio::test]
async fn an_owner_in_another_namespace_is_none_and_that_is_told() {
    let (api, leader) = Api::led().await;
    let owner = json!({"metadata": {"name": "owner"}});
    let owner = api.make("/api/v1/namespaces/other/configmaps", owner).await;
    api.map("child", &[&reference(&owner)], &[]).await;
    api.gone("child").await;
    let role = json!({"metadata": {"name": "r", "ownerReferences": [reference(&owner)]}});
    api.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", role).await;
    let events = "/api/v1/namespaces/default/events";
    let told = api
        .until(events, |found| {
            found.is_some_and(|l| l["items"].as_array().map(Vec::len) == Some(2))
        })
        .await
        .expect("a list");
    let uid = owner["metadata"]["uid"].as_str().expect("a uid");
    let messages: Vec<&str> = told["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e["message"].as_str())
        .collect();
    for namespace in ["default", ""] {
        let text = format!(
            "ownerRef [v1/ConfigMap, namespace: {namespace}, name: owner, uid: {uid}] does not exist in namespace {namespace:?}"
        );
        assert!(messages.contains(&text.as_str()), "{messages:?}");
    }
    settle().await;
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/r";
    assert!(api.find(role).await.is_some(), "a wrong reference costs no object outside namespaces");
    leader.resign().await;
}

#[tokio::test]
async fn the_next_leader_finishes_what_the_last_one_began() {
    let (api, leader) = Api::led().await;
    let front = api.map("front", &[], &[]).await;
    api.map("held", &[&blocking(&front)], &["example.com/hold"]).await;
    let (back, orphaner) = (api.map("back", &[], &[]).await, api.map("orphaner", &[], &[]).await);
    let middle = api.map("middle", &[&back], &[]).await;
    api.map("below", &[&middle], &[]).await;
    api.map("orphan", &[&orphaner], &[]).await;
    api.delete("front", "Foreground").await;
    api.going("held").await;
    leader.resign().await;
    // Nobody leads.
    api.release("held").await;
    api.delete("back", "Background").await;
    api.delete("orphaner", "Orphan").await;
    settle().await;
    assert!(api.is_there("front").await && api.is_there("middle").await);
    let next = api.lead(2);
    for name in ["held", "front", "middle", "below", "orphaner"] {
        api.gone(name).await;
    }
    let orphan = api.find(&format!("{MAPS}/orphan")).await.expect("it stays");
    assert!(orphan["metadata"].get("ownerReferences").is_none(), "{orphan}");
    next.resign().await;
}

#[tokio::test]
async fn a_leader_that_was_deposed_collects_nothing() {
    let (api, leader) = Api::led().await;
    let owner = api.map("owner", &[], &[]).await;
    api.map("child", &[&owner], &[]).await;
    settle().await;
    api.store.set_term(2);
    api.delete("owner", "Background").await;
    settle().await;
    assert!(api.is_there("child").await, "its writes are fenced");
    leader.resign().await;
    let next = api.lead(2);
    api.gone("child").await;
    next.resign().await;
}

/// All kinds, but config maps only later.
struct Later {
    all: Arc<dyn Kinds>,
    later: watch::Sender<bool>,
}

#[async_trait]
impl Kinds for Later {
    fn served(&self) -> KindMap {
        let (all, later) = (self.all.served(), *self.later.borrow());
        let served = all.kinds().filter(|kind| later || &*kind.kind != "ConfigMap");
        served.map(|kind| ServedKind::clone(kind)).collect()
    }

    fn generation(&self) -> u64 {
        u64::from(*self.later.borrow())
    }

    async fn changed(&self, seen: u64) {
        let mut later = self.later.subscribe();
        let _ = later.wait_for(|later| u64::from(*later) != seen).await;
    }
}

#[tokio::test]
async fn a_kind_that_is_served_later_is_collected_then() {
    let api = Api::new().await;
    let later = watch::channel(false).0;
    let kinds = Arc::new(Later { all: api.server.config().registry.clone(), later });
    let leader = api.lead_with(1, kinds.clone());
    let owner = api.map("owner", &[], &[]).await;
    api.map("child", &[&owner], &[]).await;
    let secrets = "/api/v1/namespaces/default/secrets";
    api.make(secrets, json!({"metadata": {"name": "s", "ownerReferences": [owner]}})).await;
    api.delete("owner", "Background").await;
    settle().await;
    let secret = format!("{secrets}/s");
    assert!(api.find(&secret).await.is_some(), "its owner might be there");
    assert!(api.is_there("child").await);
    kinds.later.send_replace(true);
    api.gone("child").await;
    api.until(&secret, |found| found.is_none()).await;
    leader.resign().await;
}

fn pod(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"app": "x"}}, "spec": {
        "nodeName": "n", "containers": [{"name": "c", "image": "i"}]}})
}

impl Api {
    async fn running(&self, name: &str, ready: &str) {
        self.make(PODS, pod(name)).await;
        let status = json!({"status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": ready}]}});
        let path = format!("{PODS}/{name}/status");
        self.send("PATCH", &path, status).await.expect("patched");
    }

    async fn evict(&self, name: &str, query: &str) -> Result<Value, Box<Status>> {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": name}});
        self.send("POST", &format!("{PODS}/{name}/eviction{query}"), eviction).await
    }

    async fn allowed(&self, budget: &str, count: u64) -> Value {
        let path = format!("{BUDGETS}/{budget}");
        let found = self.until(&path, |found| {
            found.is_some_and(|b| {
                b["status"]["disruptionsAllowed"] == count
                    && b["status"]["observedGeneration"] == b["metadata"]["generation"]
            })
        });
        found.await.expect("it is there")
    }
}

#[tokio::test]
async fn evictions_spend_a_budget() {
    let (api, leader) = Api::led().await;
    for name in ["a", "b", "c"] {
        api.running(name, "True").await;
    }
    let spec = json!({"minAvailable": 2, "selector": {"matchLabels": {"app": "x"}}});
    api.make(BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec})).await;
    let budget = api.allowed("b", 1).await;
    assert_eq!(
        (&budget["status"]["currentHealthy"], &budget["status"]["expectedPods"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(budget["status"]["conditions"][0]["reason"], "SufficientPods");
    api.evict("a", "?dryRun=All").await.expect("it might go");
    assert_eq!(api.find(&format!("{BUDGETS}/b")).await.expect("there"), budget, "nothing is spent");
    api.evict("a", "").await.expect("it may go");
    let going = api.find(&format!("{PODS}/a")).await.expect("its node takes it away");
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let conditions = going["status"]["conditions"].as_array().expect("conditions");
    assert!(conditions.iter().any(|c| c["reason"] == "EvictionByEvictionAPI"), "{going}");
    let refused = api.evict("b", "").await.expect_err("two are wanted");
    assert_eq!((refused.code, refused.reason), (429, Some(Reason::TooManyRequests)));
    let path = format!("{BUDGETS}/b");
    let counted = api.until(&path, |b| b.is_some_and(|b| b["status"]["currentHealthy"] == 2));
    assert_eq!(counted.await.expect("there")["status"]["disruptionsAllowed"], 0);
    api.evict("a", "").await.expect("again: it is on its way");
    api.send("DELETE", &format!("{PODS}/a?gracePeriodSeconds=0"), Value::Null).await.expect("gone");
    let fewer = api.until(&path, |b| b.is_some_and(|b| b["status"]["expectedPods"] == 2));
    let budget = fewer.await.expect("there");
    assert!(budget["status"].get("disruptedPods").is_none(), "{budget}");
    leader.resign().await;
}

#[tokio::test]
async fn pods_that_are_not_ready_go_as_the_budget_says() {
    let (api, leader) = Api::led().await;
    api.running("unready", "False").await;
    let selector = json!({"matchLabels": {"app": "x"}});
    let spec = json!({"minAvailable": 1, "selector": selector});
    api.make(BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec})).await;
    api.allowed("b", 0).await;
    assert_eq!(api.evict("unready", "").await.expect_err("too few are healthy").code, 429);
    let always = json!({"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}});
    api.send("PATCH", &format!("{BUDGETS}/b"), always).await.expect("patched");
    api.evict("unready", "").await.expect("always");
    api.running("ready", "True").await;
    let second = json!({"maxUnavailable": 0, "selector": selector});
    api.make(BUDGETS, json!({"metadata": {"name": "c"}, "spec": second})).await;
    let refused = api.evict("ready", "").await.expect_err("two budgets");
    assert_eq!((refused.code, refused.reason), (500, None));
    leader.resign().await;
}

#[tokio::test]
async fn a_percentage_is_of_what_the_owners_want() {
    let (api, leader) = Api::led().await;
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let set = json!({"metadata": {"name": "s"}, "spec": {"replicas": 5,
        "selector": {"matchLabels": {"app": "x"}}, "template": {
            "metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let set = api.make(sets, set).await;
    let mut managed = pod("a");
    managed["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
        "kind": "ReplicaSet", "name": "s", "uid": set["metadata"]["uid"], "controller": true}]);
    api.make(PODS, managed).await;
    let spec = json!({"maxUnavailable": "30%", "selector": {"matchLabels": {"app": "x"}}});
    api.make(BUDGETS, json!({"metadata": {"name": "b"}, "spec": spec})).await;
    let path = format!("{BUDGETS}/b");
    let budget = api.until(&path, |b| b.is_some_and(|b| b["status"]["expectedPods"] == 5)).await;
    assert_eq!(budget.expect("there")["status"]["desiredHealthy"], 3);
    let mut lost = pod("b");
    lost["metadata"]["ownerReferences"] = json!([{"apiVersion": "batch/v1", "kind": "Job",
        "name": "j", "uid": "11111111-1111-1111-1111-111111111111", "controller": true}]);
    lost["metadata"]["finalizers"] = json!(["example.com/hold"]);
    api.make(PODS, lost).await;
    let failed = api
        .until(&path, |b| b.is_some_and(|b| b["status"]["conditions"][0]["reason"] == "SyncFailed"))
        .await
        .expect("there");
    assert_eq!(
        failed["status"]["conditions"][0]["message"],
        "jobs.batch does not implement the scale subresource"
    );
    leader.resign().await;
}

/// The change that stores a config map of a kilobyte.
fn stored_map(n: usize, owner: Option<&Value>) -> Change {
    let (name, uid) = (format!("m-{n}"), format!("uid-{n}"));
    let head = format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"default","uid":"{uid}","resourceVersion":""#
    );
    let owners = owner.map(|o| format!(r#","ownerReferences":[{o}]"#)).unwrap_or_default();
    let padding = "x".repeat(1_024);
    let body = format!(r#"{head}"{owners}}},"data":{{"padding":"{padding}"}}}}"#);
    let owners = owner.into_iter().filter_map(|o| Some(o["uid"].as_str()?.into())).collect();
    Change::Put {
        key: ObjectKey::new("", "configmaps", "default", &name),
        body: body.into(),
        version_offset: head.len() as u32,
        index: ObjectIndex { uid: uid.into(), owners, ..ObjectIndex::default() },
        salt: None,
    }
}

/// A measurement; run it with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a while"]
async fn the_collector_starts_with_100_000_objects() {
    const OBJECTS: usize = 100_000;
    let api = Api::new().await;
    let owner = api.map("owner", &[], &[]).await;
    for first in (0..OBJECTS).step_by(1_000) {
        // Every other one has an owner.
        let changes =
            (first..first + 1_000).map(|n| stored_map(n, (n % 2 == 0).then_some(&owner))).collect();
        let write = Write { verb: "create".into(), changes, ..Write::default() };
        api.store.propose(write).await.expect("written");
    }
    let gone = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"});
    api.map("last", &[&gone], &[]).await;
    let begun = Instant::now();
    let leader = api.lead(1);
    api.gone("last").await;
    println!("{OBJECTS} objects: garbage is collected {:?} after the start", begun.elapsed());
    leader.resign().await;
}
