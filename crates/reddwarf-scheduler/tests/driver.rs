//! The driver against an API in memory that refuses, breaks watches and forgets.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use reddwarf_core::api::{ApiClient, ApiWatch};
use reddwarf_core::{Reason, Status};
use reddwarf_scheduler::Metrics;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct State {
    version: u64,
    nodes: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    events: Vec<Value>,
    /// Bindings of each pod that were carried out.
    bindings: BTreeMap<String, Vec<String>>,
    refuse_bindings: u32,
    lists: u32,
    watchers: Vec<(&'static str, mpsc::UnboundedSender<Bytes>)>,
}

#[derive(Clone)]
struct FakeApi {
    state: Arc<Mutex<State>>,
    /// Counts changes, for those who wait for one.
    changed: Arc<watch::Sender<u64>>,
}

struct FakeWatch(mpsc::UnboundedReceiver<Bytes>);

#[async_trait]
impl ApiWatch for FakeWatch {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

fn kind(path: &str) -> &'static str {
    if path.starts_with("/api/v1/nodes") { "nodes" } else { "pods" }
}

impl State {
    fn put(&mut self, kind: &'static str, name: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let map = if kind == "nodes" { &mut self.nodes } else { &mut self.pods };
        let old = map.insert(name.to_owned(), object.clone());
        self.tell(kind, if old.is_some() { "MODIFIED" } else { "ADDED" }, &object);
    }

    fn tell(&mut self, kind: &'static str, event: &str, object: &Value) {
        let frame = Bytes::from(json!({"type": event, "object": object}).to_string());
        self.watchers.retain(|(of, to)| *of != kind || to.send(frame.clone()).is_ok());
    }
}

impl FakeApi {
    fn new() -> Self {
        FakeApi { state: Arc::default(), changed: Arc::new(watch::channel(0).0) }
    }

    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let answer = with(&mut self.state.lock());
        self.changed.send_modify(|n| *n += 1);
        answer
    }

    fn node(&self, name: &str, cpu: &str) {
        let node = json!({
            "metadata": {"name": name},
            "status": {"allocatable": {"cpu": cpu, "memory": "64Gi", "pods": "110"}},
        });
        self.change(|state| state.put("nodes", name, node));
    }

    fn pod(&self, name: &str, cpu: &str) {
        let pod = json!({
            "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}")},
            "spec": {
                "schedulerName": "default-scheduler",
                "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}],
            },
            "status": {"phase": "Pending"},
        });
        self.change(|state| state.put("pods", name, pod));
    }

    /// Waits until `reached`.
    async fn until(&self, what: &str, reached: impl Fn(&State) -> bool) {
        let mut changes = self.changed.subscribe();
        let waiting = changes.wait_for(|_| reached(&self.state.lock()));
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .unwrap_or_else(|_| panic!("not in time: {what}"))
            .expect("the fake lives");
    }

    fn bind(&self, name: &str, body: &Value) -> Result<(), Box<Status>> {
        self.change(|state| {
            if state.refuse_bindings > 0 {
                state.refuse_bindings -= 1;
                return Err(Box::new(Status::failure(Reason::ServerTimeout, "try again")));
            }
            let Some(mut pod) = state.pods.get(name).cloned() else {
                return Err(Box::new(Status::failure(Reason::NotFound, "no such pod")));
            };
            assert_eq!(body["metadata"]["uid"], pod["metadata"]["uid"]);
            if pod["spec"]["nodeName"].is_string() {
                return Err(Box::new(Status::failure(Reason::Conflict, "already assigned")));
            }
            let node = body["target"]["name"].as_str().expect("a node").to_owned();
            pod["spec"]["nodeName"] = node.clone().into();
            state.bindings.entry(name.to_owned()).or_default().push(node);
            state.put("pods", name, pod);
            Ok(())
        })
    }
}

#[async_trait]
impl ApiClient for FakeApi {
    async fn request(
        &self,
        method: &str,
        path: &str,
        _content_type: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Bytes, Box<Status>> {
        tokio::task::yield_now().await;
        let body: Value = body.map_or(Value::Null, |b| serde_json::from_slice(&b).expect("JSON"));
        let parts: Vec<&str> = path.split(['/', '?']).collect();
        match (method, parts.get(5), parts.get(7)) {
            ("POST", Some(&"pods"), Some(&"binding")) => self.bind(parts[6], &body)?,
            ("PATCH", Some(&"pods"), Some(&"status")) => self.change(|state| {
                if let Some(mut pod) = state.pods.get(parts[6]).cloned() {
                    pod["status"]["conditions"] = body["status"]["conditions"].clone();
                    state.put("pods", parts[6], pod);
                }
            }),
            ("POST", Some(&"events"), _) => self.change(|state| state.events.push(body)),
            ("GET", ..) => {
                return Ok(self.change(|state| {
                    state.lists += 1;
                    let map = if kind(path) == "nodes" { &state.nodes } else { &state.pods };
                    let items: Vec<_> = map.values().collect();
                    let metadata = json!({"resourceVersion": state.version.to_string()});
                    Bytes::from(json!({"metadata": metadata, "items": items}).to_string())
                }));
            }
            other => panic!("unexpected request {other:?} {path}"),
        }
        Ok(Bytes::from_static(b"{}"))
    }

    async fn watch(&self, path: &str) -> Result<Box<dyn ApiWatch>, Box<Status>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let from: u64 = path
            .rsplit_once("resourceVersion=")
            .and_then(|(_, v)| v.parse().ok())
            .expect("a version");
        self.change(|state| {
            // What changed since, as a real watch would replay it.
            let map = if kind(path) == "nodes" { &state.nodes } else { &state.pods };
            for object in map.values() {
                let version = object["metadata"]["resourceVersion"].as_str().expect("text");
                if version.parse::<u64>().expect("a number") > from {
                    let frame = json!({"type": "MODIFIED", "object": object});
                    let _ = sender.send(Bytes::from(frame.to_string()));
                }
            }
            state.watchers.push((kind(path), sender));
        });
        Ok(Box::new(FakeWatch(receiver)))
    }

    fn fenced(&self, _term: u64) -> Arc<dyn ApiClient> {
        Arc::new(self.clone())
    }
}

/// Runs `test` beside a scheduler, which must stop when it is told to.
async fn beside_a_scheduler<F: Future<Output = ()>>(api: &FakeApi, test: F) {
    let cancel = CancellationToken::new();
    let run = reddwarf_scheduler::run(Arc::new(api.clone()), cancel.clone(), Metrics::default());
    let run = tokio::spawn(run);
    test.await;
    cancel.cancel();
    tokio::time::timeout(PATIENCE, run).await.expect("stops").expect("does not panic");
}

#[tokio::test]
async fn binds_every_pod_once_and_within_capacity() {
    let api = FakeApi::new();
    for n in 0..5 {
        api.node(&format!("n{n}"), "4");
    }
    // Half of them are there before it starts.
    (0..100).for_each(|n| api.pod(&format!("p{n}"), "100m"));
    beside_a_scheduler(&api, async {
        (100..200).for_each(|n| api.pod(&format!("p{n}"), "100m"));
        api.pod("one-too-many", "100m");
        api.until("200 bindings", |state| state.bindings.len() == 200).await;
        api.until("one waits", |state| {
            state
                .pods
                .values()
                .any(|pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable")
        })
        .await;
    })
    .await;
    let state = api.state.lock();
    assert!(state.bindings.values().all(|nodes| nodes.len() == 1));
    for n in 0..5 {
        let name = format!("n{n}");
        let on = state.bindings.values().filter(|nodes| nodes[0] == name).count();
        assert_eq!(on, 40, "{name}");
    }
}

#[tokio::test]
async fn tries_again_when_a_binding_is_refused() {
    let api = FakeApi::new();
    api.node("n1", "4");
    api.pod("a", "1");
    api.change(|state| state.refuse_bindings = 1);
    beside_a_scheduler(&api, api.until("bound", |state| state.bindings.contains_key("a"))).await;
    assert_eq!(api.state.lock().bindings["a"], ["n1"]);
}

#[tokio::test]
async fn tells_why_a_pod_waits_and_places_it_once_there_is_room() {
    let api = FakeApi::new();
    api.node("small", "1");
    api.pod("a", "2");
    let message = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
    beside_a_scheduler(&api, async {
        api.until("condition", |state| {
            state.pods["a"]["status"]["conditions"][0]["message"] == message
        })
        .await;
        api.node("large", "8");
        api.until("bound", |state| state.bindings.contains_key("a")).await;
        api.until("both events", |state| state.events.len() == 2).await;
    })
    .await;
    let state = api.state.lock();
    assert_eq!(state.bindings["a"], ["large"]);
    let told: Vec<_> = state.events.iter().map(|e| (&e["reason"], &e["message"])).collect();
    assert_eq!(told[0], (&json!("FailedScheduling"), &json!(message)));
    assert_eq!(told[1], (&json!("Scheduled"), &json!("Successfully assigned default/a to large")));
}

#[tokio::test]
async fn lists_again_when_a_watch_cannot_go_on() {
    let api = FakeApi::new();
    api.node("n1", "4");
    beside_a_scheduler(&api, async {
        api.until("both watches", |state| state.watchers.len() == 2).await;
        let lists = api.state.lock().lists;
        api.change(|state| {
            let gone =
                json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"});
            state.tell("pods", "ERROR", &gone);
        });
        api.until("listed again", |state| state.lists > lists).await;
        api.pod("late", "1");
        api.until("bound", |state| state.bindings.contains_key("late")).await;
        // A watch that merely ends goes on where it was.
        api.change(|state| state.watchers.clear());
        api.pod("later", "1");
        api.until("bound", |state| state.bindings.contains_key("later")).await;
    })
    .await;
}
