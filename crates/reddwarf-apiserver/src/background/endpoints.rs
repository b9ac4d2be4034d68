//! The endpoints of the `kubernetes` service follow the live members.

use super::{Background, RETRY_PAUSE};
use crate::bootstrap::kubernetes_endpoints;
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
    let (endpoints, slice) = kubernetes_endpoints(members);
    put(client, ENDPOINTS, &endpoints).await?;
    put(client, SLICES, &slice).await
}

/// Creates the object named `kubernetes`, or replaces it when it says something else.
async fn put(client: &dyn ApiClient, collection: &str, object: &Value) -> Result<(), Box<Status>> {
    let body = || Some(object.to_string().into());
    let path = format!("{collection}/kubernetes");
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
