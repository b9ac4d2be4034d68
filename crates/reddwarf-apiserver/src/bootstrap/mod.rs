//! The objects that every cluster has from its first moment.
//!
//! The first leader commits them; each is left alone when it exists, so running this again
//! changes nothing.

mod flow;
mod objects;

use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde_json::Value;

pub use flow::mandatory_flow_spec;
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

/// Makes whatever is missing, in an order in which each object finds what it needs.
///
/// # Errors
/// See [`BootstrapError`]; what was made before stays.
pub async fn run(client: &dyn ApiClient, config: &BootstrapConfig) -> Result<(), BootstrapError> {
    for (path, object) in objects::all(config)? {
        create(client, &path, &object).await?;
    }
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
