//! The API server as tests put it together.

use reddwarf_apiserver::admission::builtin_chain;
use reddwarf_apiserver::nonresource::Route;
use reddwarf_apiserver::registry::Registry;
use reddwarf_apiserver::{ApiConfig, ApiServer};
use reddwarf_core::Store;
use serde_json::json;
use std::sync::Arc;

/// A server of all built-in kinds over `store`; `address` is what it says of itself.
pub fn server(store: Arc<dyn Store>, address: String) -> ApiServer {
    server_with(store, address, Vec::new())
}

/// The same with paths of its own.
pub fn server_with(store: Arc<dyn Store>, address: String, routes: Vec<Route>) -> ApiServer {
    ApiServer::new(ApiConfig { routes, ..config(store, address) })
}

/// What such a server is made of.
pub fn config(store: Arc<dyn Store>, address: String) -> ApiConfig {
    ApiConfig {
        store,
        registry: Arc::new(Registry::builtin()),
        chain: Arc::new(builtin_chain()),
        checks: Vec::new(),
        version: json!({
            "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
            "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
            "gitVersion": "v1.36.2", "gitCommit": "unknown", "gitTreeState": "clean",
            "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
            "platform": "linux/amd64",
        }),
        server_address: address,
        routes: Vec::new(),
    }
}
