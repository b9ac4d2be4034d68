//! What the API says of itself: groups, versions and resources.

use crate::registry::Registry;
use serde_json::{Value, json};

/// `/api`: the versions of the core group (`APIVersions`); `server` is this member's address.
pub fn api_versions(registry: &Registry, server: &str) -> Value {
    let _ = registry;
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    })
}

/// `/apis`: all groups (`APIGroupList`).
pub fn groups(registry: &Registry) -> Value {
    let _ = registry;
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []})
}

/// `/apis/{group}` (`APIGroup`).
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    let _ = (registry, group);
    None
}

/// `/api/v1` (empty group) and `/apis/{group}/{version}` (`APIResourceList`).
pub fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let _ = (registry, group, version);
    None
}

/// The `APIGroupDiscoveryList` (`apidiscovery.k8s.io/v2`) of `/api` (`core`) or of `/apis`.
pub fn aggregated(registry: &Registry, core: bool) -> Value {
    let _ = (registry, core);
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": [],
    })
}
