//! The `kubernetes` service is there whatever somebody deletes, and its endpoints follow the live
//! members.

use super::{Background, RETRY_PAUSE};
use crate::bootstrap::{self, kubernetes_endpoints};
use crate::object;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde_json::Value;
use std::time::Duration;

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

/// Time after which all of it is looked for again: for so long a deletion is to be seen.
const LOOK_PERIOD: Duration = Duration::from_secs(10);

pub(super) async fn run(background: &Background) {
    let mut members = background.members.clone();
    loop {
        let now = members.borrow_and_update().clone();
        // A failure is one of the group's, which the endpoints wait for.
        if let Err(error) = bootstrap::restore(&*background.client, &background.bootstrap).await {
            tracing::warn!(%error, "what every cluster has was not made again");
        }
        while let Err(status) = publish(&*background.client, &now).await {
            tracing::warn!(%status, "the kubernetes service's endpoints were not written");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        // Once nobody tells of members any more, what is published is kept.
        let mut told = async || match members.changed().await {
            Ok(()) => (),
            Err(_) => std::future::pending().await,
        };
        let _ = tokio::time::timeout(LOOK_PERIOD, told()).await;
    }
}

async fn publish(
    client: &dyn ApiClient,
    members: &[std::net::SocketAddr],
) -> Result<(), Box<Status>> {
    let (endpoints, slices) = kubernetes_endpoints(members);
    put(client, ENDPOINTS, &endpoints).await?;
    for slice in &slices {
        put(client, SLICES, slice).await?;
    }
    drop_slices_but(client, &slices).await
}

/// Removes slices of members that are gone.
async fn drop_slices_but(client: &dyn ApiClient, kept: &[Value]) -> Result<(), Box<Status>> {
    let path = format!("{SLICES}?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes");
    let listed = client.request("GET", &path, None, None).await?;
    let listed: Value = serde_json::from_slice(&listed).unwrap_or_default();
    for slice in listed["items"].as_array().into_iter().flatten() {
        let name = object::name(slice);
        if kept.iter().any(|k| object::name(k) == name) {
            continue;
        }
        match client.request("DELETE", &format!("{SLICES}/{name}"), None, None).await {
            Err(status) if !status.is(Reason::NotFound) => return Err(status),
            _ => {}
        }
    }
    Ok(())
}

/// Creates the object, or replaces it when it says something else.
async fn put(client: &dyn ApiClient, collection: &str, object: &Value) -> Result<(), Box<Status>> {
    let body = || Some(object.to_string().into());
    let path = format!("{collection}/{}", object::name(object));
    let stored = match client.request("GET", &path, None, None).await {
        Ok(stored) => serde_json::from_slice(&stored).unwrap_or(Value::Null),
        Err(status) if status.is(Reason::NotFound) => {
            return client.request("POST", collection, None, body()).await.map(drop);
        }
        Err(status) => return Err(status),
    };
    let same = ["subsets", "endpoints", "ports"].iter().all(|field| {
        stored.get(field).unwrap_or(&Value::Null) == object.get(field).unwrap_or(&Value::Null)
    });
    if same {
        return Ok(());
    }
    client.request("PUT", &path, None, body()).await.map(drop)
}
