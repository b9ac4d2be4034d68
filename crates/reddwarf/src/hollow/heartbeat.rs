//! Leases and node status, renewed as a kubelet renews them.

use super::api::{Api, MERGE};
use super::node::HollowNode;
use super::status::now_micros;
use http::{Method, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

/// How often each node renews its Lease.
const LEASE_EVERY: Duration = Duration::from_secs(10);
/// How many renewals pass between two reports of a node's status (5 minutes).
const RENEWALS_PER_REPORT: u64 = 30;
/// Heartbeats under way at once.
const HEARTBEATS_MAX: usize = 32;
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// Renews for ever, the nodes one after the other so that the load is even.
pub async fn keep(api: Arc<Api>, nodes: Arc<[HollowNode]>) {
    for node in nodes.iter() {
        renew(&api, node).await;
    }
    let mut turns = tokio::time::interval(LEASE_EVERY / u32::try_from(nodes.len()).unwrap_or(1));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let running = Arc::new(Semaphore::new(HEARTBEATS_MAX));
    for turn in 0u64.. {
        turns.tick().await;
        let count = nodes.len() as u64;
        let at = usize::try_from(turn % count).unwrap_or(0);
        // Spread over the nodes as well, not all in one round.
        let reports =
            turn >= count && (turn / count + turn % count).is_multiple_of(RENEWALS_PER_REPORT);
        let Ok(permit) = running.clone().acquire_owned().await else { return };
        let (api, nodes) = (api.clone(), nodes.clone());
        tokio::spawn(async move {
            renew(&api, &nodes[at]).await;
            if reports && matches!(nodes[at].report(&api).await, Ok(false)) {
                nodes[at].register(&api).await;
            }
            drop(permit);
        });
    }
}

async fn renew(api: &Api, node: &HollowNode) {
    let now = now_micros();
    let path = format!("{LEASES}/{}", node.name);
    let body = json!({"spec": {"renewTime": now, "holderIdentity": node.name}});
    let renewed = api.send(Method::PATCH, &path, MERGE, &body).await;
    if matches!(&renewed, Ok(answer) if answer.status == StatusCode::NOT_FOUND) {
        let made = api.send(Method::POST, LEASES, "application/json", &node.lease(&now)).await;
        if let Err(error) = made {
            tracing::warn!(node = node.name, %error, "lease not written");
        }
    } else if let Err(error) = renewed {
        tracing::warn!(node = node.name, %error, "lease not renewed");
    }
}
