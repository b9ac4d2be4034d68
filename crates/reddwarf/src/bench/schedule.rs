//! How fast pods are bound to nodes.

use super::load::{Call, Limit, closed_loop};
use super::objects::{delete, make_namespace, must, remove_namespace};
use super::process::CpuTime;
use super::report::Row;
use super::target::Target;
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use miette::{Result, miette};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Label of the nodes that the benchmark makes.
const LABEL: &str = "reddwarf.dev/bench";
/// Writers of nodes and pods.
const WRITERS: usize = 16;
/// How long all pods may take to be bound.
const PATIENCE: Duration = Duration::from_secs(120);

/// Makes `nodes` nodes and `pods` pods, and takes the time from the first pod's creation until
/// the last is bound.
pub(super) async fn schedule(target: &Arc<Target>, nodes: u64, pods: u64) -> Result<Row> {
    let namespace = make_namespace(target).await?;
    make_nodes(target, nodes).await?;
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let before = CpuTime::now(target);
    let started = Instant::now();
    let bound = tokio::spawn(wait_bound(target.clone(), path.clone(), pods, started));
    let to = path.clone();
    let made = closed_loop(target, WRITERS, Limit::Count(pods), move |n| {
        Call::post(to.clone(), pod(n).to_string())
    })
    .await?;
    if let Some(error) = &made.first_error {
        bound.abort();
        return Err(miette!("{} pods were not made: {error}", made.errors));
    }
    let waited = tokio::time::timeout(PATIENCE, bound).await;
    let result = match waited {
        Ok(joined) => joined.map_err(|e| miette!("the watch failed: {e}"))?,
        Err(_) => Err(miette!("pods were not all bound within {} s", PATIENCE.as_secs())),
    };
    delete(target, path).await?;
    delete(target, format!("/api/v1/nodes?labelSelector={LABEL}")).await?;
    remove_namespace(target, &namespace).await?;
    let (elapsed, latencies) = result?;
    let cpu = CpuTime::now(target).since(before);
    let rate = pods as f64 / elapsed.as_secs_f64();
    let row = Row::per_second(format!("schedule {pods} pods on {nodes} nodes"), rate);
    Ok(row.with_latency(&latencies).with_cpu(cpu, pods))
}

async fn make_nodes(target: &Arc<Target>, count: u64) -> Result<()> {
    let capacity = json!({"cpu": "32", "memory": "256Gi", "pods": "110"});
    let status = json!({
        "capacity": capacity, "allocatable": capacity,
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
            "message": "made by a benchmark", "lastHeartbeatTime": null, "lastTransitionTime": null}],
    });
    let made = closed_loop(target, WRITERS, Limit::Count(count), |n| {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata":
            {"name": format!("bench-{n}"), "labels": {LABEL: "node"}}});
        Call::post("/api/v1/nodes".into(), node.to_string())
    })
    .await?;
    let ready = closed_loop(target, WRITERS, Limit::Count(count), move |n| {
        let body = json!({"status": status}).to_string();
        Call::merge(format!("/api/v1/nodes/bench-{n}/status"), body)
    })
    .await?;
    // A server that taints new nodes leaves removing it to a controller.
    let bare = closed_loop(target, WRITERS, Limit::Count(count), move |n| {
        Call::merge(format!("/api/v1/nodes/bench-{n}"), r#"{"spec":{"taints":null}}"#)
    })
    .await?;
    match made.first_error.or(ready.first_error).or(bare.first_error) {
        Some(error) => Err(miette!("nodes were not made: {error}")),
        None => Ok(()),
    }
}

fn pod(n: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod-{n}"), "annotations": {"n": n.to_string()}},
        "spec": {
            "nodeSelector": {LABEL: "node"},
            "containers": [{"name": "main", "image": "registry.example/app:1",
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}],
        },
    })
}

/// Watches until `count` pods have a node; gives the time since `started` and, for each pod, the
/// time from when it was first seen (microseconds, ascending).
async fn wait_bound(
    target: Arc<Target>,
    path: String,
    count: u64,
    started: Instant,
) -> Result<(Duration, Vec<u32>)> {
    let mut connection = target.connect(0).await?;
    let query = format!("{path}?watch=true&resourceVersion=0");
    let response = connection.start(Method::GET, &query, None, Bytes::new()).await?;
    let mut body = response.into_body();
    let mut buffer = BytesMut::new();
    let mut bound = HashSet::new();
    let mut seen = std::collections::HashMap::new();
    let mut latencies = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| miette!("the watch broke: {e}"))?;
        let Some(data) = frame.data_ref() else { continue };
        buffer.extend_from_slice(data);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            let event: Value = serde_json::from_slice(&line).unwrap_or_default();
            let Some(name) = event["object"]["metadata"]["name"].as_str() else { continue };
            let first = *seen.entry(name.to_owned()).or_insert_with(Instant::now);
            let has_node = event["object"]["spec"]["nodeName"].as_str().is_some();
            if has_node && bound.insert(name.to_owned()) {
                latencies.push(first.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
            }
        }
        if bound.len() as u64 >= count {
            latencies.sort_unstable();
            return Ok((started.elapsed(), latencies));
        }
    }
    must(&target, Call::get("/readyz".into()), None).await?;
    Err(miette!("the watch ended with {} of {count} pods bound", bound.len()))
}
