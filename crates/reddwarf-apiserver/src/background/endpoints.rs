//! The endpoints of the `kubernetes` service follow the live members.

use super::{Background, RETRY_PAUSE};
use crate::bootstrap::kubernetes_endpoints;
use crate::object;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde_json::Value;

const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

pub(super) async fn run(background: &Background) {
    let mut members = background.members.clone();
    loop {
        let now = members.borrow_and_update().clone();
        while let Err(status) = publish(&*background.client, &now).await {
            tracing::warn!(%status, "the kubernetes service's endpoints were not written");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        if members.changed().await.is_err() {
            // Nobody tells of members any more; what is published stays.
            return std::future::pending().await;
        }
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
