//! The scheduler over the real API and a store in memory.

use bytes::Bytes;
use reddwarf_apiserver::admission::builtin_chain;
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::registry::LiveRegistry;
use reddwarf_apiserver::{ApiConfig, ApiServer, LocalClient};
use reddwarf_core::Store;
use reddwarf_core::api::ApiClient;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long anything may take here, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct World {
    client: Arc<dyn ApiClient>,
    cancel: CancellationToken,
}

impl World {
    async fn start() -> World {
        let store = MemoryStore::new();
        let term = store.leading_term().expect("a memory store leads");
        let server = ApiServer::new(ApiConfig {
            store,
            registry: Arc::new(LiveRegistry::builtin()),
            chain: Arc::new(builtin_chain()),
            checks: Vec::new(),
            version: json!({"gitVersion": "v1.36.2"}),
            server_address: "127.0.0.1:6443".into(),
            routes: Vec::new(),
        });
        let client = LocalClient::privileged(server, "test", "test");
        bootstrap::run(&client, &BootstrapConfig::default()).await.expect("bootstraps");
        let account = json!({"metadata": {"name": "default"}});
        let client: Arc<dyn ApiClient> = Arc::new(client);
        // What the background loops make, where they run.
        let _ = post(&client, "/api/v1/namespaces/default/serviceaccounts", &account).await;
        let cancel = CancellationToken::new();
        let metrics = reddwarf_scheduler::Metrics::default();
        tokio::spawn(reddwarf_scheduler::run(client.fenced(term), cancel.clone(), metrics));
        World { client, cancel }
    }

    async fn create(&self, path: &str, object: Value) {
        post(&self.client, path, &object).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    async fn node(&self, name: &str, cpu: &str) {
        self.create("/api/v1/nodes", json!({"metadata": {"name": name}})).await;
        let amounts = json!({"cpu": cpu, "memory": "64Gi", "pods": "110"});
        let ready = json!({"type": "Ready", "status": "True"});
        let status = json!({"allocatable": amounts, "capacity": amounts, "conditions": [ready]});
        self.merge(&format!("/api/v1/nodes/{name}/status"), json!({ "status": status })).await;
        // The taint of a node that was never ready is a controller's, or a kubelet's, to remove.
        self.merge(&format!("/api/v1/nodes/{name}"), json!({"spec": {"taints": null}})).await;
    }

    async fn merge(&self, path: &str, patch: Value) {
        let kind = Some("application/merge-patch+json");
        let body = Bytes::from(patch.to_string());
        let answer = self.client.request("PATCH", path, kind, Some(body)).await;
        answer.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    async fn pod(&self, name: &str, cpu: &str) {
        let resources = json!({"requests": {"cpu": cpu}});
        let container = json!({"name": "c", "image": "i", "resources": resources});
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [container]}});
        self.create("/api/v1/namespaces/default/pods", pod).await;
    }

    /// Watches `path` until `reached` says so of an object.
    async fn until(&self, path: &str, mut reached: impl FnMut(&Value) -> bool) {
        let path = format!("{path}watch=true&resourceVersion=0");
        let mut watch = self.client.watch(&path).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let waiting = async {
            while let Some(frame) = watch.next().await {
                let frame: Value = serde_json::from_slice(&frame).expect("JSON");
                if reached(&frame["object"]) {
                    return;
                }
            }
            panic!("{path} ended");
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("{path}: late"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn post(
    client: &Arc<dyn ApiClient>,
    path: &str,
    object: &Value,
) -> Result<Bytes, Box<reddwarf_core::Status>> {
    let body = Bytes::from(object.to_string());
    client.request("POST", path, Some("application/json"), Some(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_bound_and_told_about() {
    let world = World::start().await;
    world.node("n1", "2").await;
    world.node("n2", "2").await;
    for n in 0..40 {
        world.pod(&format!("p{n}"), "100m").await;
    }
    world.pod("waits", "1").await;
    let pods = "/api/v1/namespaces/default/pods?";
    let mut bound = std::collections::BTreeMap::new();
    world
        .until(pods, |pod| {
            if let Some(node) = pod["spec"]["nodeName"].as_str() {
                bound.insert(pod["metadata"]["name"].to_string(), node.to_owned());
            }
            bound.len() == 40
        })
        .await;
    assert_eq!(bound.values().filter(|node| *node == "n1").count(), 20);
    let condition = |pod: &Value, status: &str| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let is = |c: &Value| c["type"] == "PodScheduled" && c["status"] == status;
        pod["metadata"]["name"] == "waits" && conditions.iter().any(is)
    };
    world.until(pods, |pod| condition(pod, "False")).await;
    world.node("n3", "2").await;
    world.until(pods, |pod| condition(pod, "True")).await;
    let events = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dwaits&";
    world.until(events, |event| event["reason"] == "FailedScheduling").await;
    world
        .until(events, |event| event["message"] == "Successfully assigned default/waits to n3")
        .await;
}
