//! The objects that every cluster has from its first moment.
//!
//! The first leader commits them; each is left alone when it exists, so running this again
//! changes nothing.

mod api_services;
mod flow;
mod objects;

use crate::token;
use futures::future::try_join_all;
use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde_json::{Value, json};

pub use flow::{all as flow_objects, mandatory_flow_spec};
pub use objects::{SYSTEM_NAMESPACES, default_account, kubernetes_endpoints, root_ca};

/// What the cluster's first objects depend on.
#[derive(Clone, Debug)]
pub struct BootstrapConfig {
    /// Addresses of services, e.g. `10.96.0.0/16`; its first address is the API's own.
    pub service_cidr: String,
    /// The port at which members serve the API.
    pub api_port: u16,
    /// The certificate of the cluster's CA.
    pub ca_pem: String,
}

/// Service addresses unless the operator chooses others.
pub const SERVICE_CIDR: &str = "10.96.0.0/16";

impl Default for BootstrapConfig {
    fn default() -> Self {
        BootstrapConfig {
            service_cidr: SERVICE_CIDR.to_owned(),
            api_port: 6443,
            ca_pem: String::new(),
        }
    }
}

/// Why the first objects could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The range of service addresses is not one.
    #[error("{0:?} is not a range of service addresses")]
    ServiceCidr(String),
    /// The key that signs tokens could not be made.
    #[error("could not make the key that signs tokens")]
    Key(#[from] token::KeyError),
    /// The API refused one of them.
    #[error("could not make {path}")]
    Refused {
        /// The collection to which it belongs.
        path: String,
        /// The answer.
        #[source]
        status: Box<Status>,
    },
}

/// Makes whatever is missing: all that can stand by itself at once, then what needs it.
///
/// # Errors
/// See [`BootstrapError`]; what was made before stays.
pub async fn run(client: &dyn ApiClient, config: &BootstrapConfig) -> Result<(), BootstrapError> {
    for objects in [objects::first(config), objects::second(config)?] {
        let made = objects.iter().map(|(path, object)| create(client, path, object));
        try_join_all(made).await?;
    }
    service_range_is_ready(client).await
}

/// Makes the namespaces and the service anew that every cluster keeps, should one be missing.
///
/// # Errors
/// See [`BootstrapError`].
pub async fn restore(
    client: &dyn ApiClient,
    config: &BootstrapConfig,
) -> Result<(), BootstrapError> {
    for (path, object) in objects::kept(config)? {
        create(client, &path, &object).await?;
    }
    Ok(())
}

/// Says of the range of service addresses that it is in use.
async fn service_range_is_ready(client: &dyn ApiClient) -> Result<(), BootstrapError> {
    const PATH: &str = "/apis/networking.k8s.io/v1/servicecidrs/kubernetes";
    let refused = |status| BootstrapError::Refused { path: PATH.to_owned(), status };
    let stored = client.request("GET", PATH, None, None).await.map_err(refused)?;
    let mut range: Value = serde_json::from_slice(&stored).unwrap_or_default();
    if range["status"]["conditions"].is_array() {
        return Ok(());
    }
    range["status"] = json!({"conditions": [{
        "type": "Ready", "status": "True", "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": crate::defaults::now(),
    }]});
    let body = range.to_string().into();
    client.request("PUT", &format!("{PATH}/status"), None, Some(body)).await.map_err(refused)?;
    Ok(())
}

/// Looks first: a creation of what exists may be refused for another reason, as a service's is
/// because its address is taken, by itself.
async fn create(client: &dyn ApiClient, path: &str, object: &Value) -> Result<(), BootstrapError> {
    let refused = |status| BootstrapError::Refused { path: path.to_owned(), status };
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match client.request("GET", &format!("{path}/{name}"), None, None).await {
        Ok(_) => return Ok(()),
        Err(status) if status.is(Reason::NotFound) => {}
        Err(status) => return Err(refused(status)),
    }
    let body = object.to_string().into();
    match client.request("POST", path, None, Some(body)).await {
        Ok(_) => Ok(()),
        Err(status) if status.is(Reason::AlreadyExists) => Ok(()),
        Err(status) => Err(refused(status)),
    }
}
