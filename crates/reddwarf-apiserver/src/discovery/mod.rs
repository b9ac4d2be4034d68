//! What the API says of itself: groups, versions and resources.

mod aggregated;

pub use aggregated::aggregated;

use crate::custom::version_order;
use crate::registry::{Document, Kind, Registry, Subresource};
use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// `/api`: the versions of the core group (`APIVersions`); `server` is this member's address.
///
/// Has no `apiVersion`, as upstream's has none.
pub fn api_versions(registry: &Registry, server: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": versions_of(registry, ""),
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    })
}

/// `/apis`: all groups (`APIGroupList`), made once for a registry.
pub fn groups(registry: &Registry) -> &Arc<Document> {
    registry.documents.group_list.get_or_init(|| {
        let groups = registry.groups().into_iter().filter(|name| !name.is_empty());
        let entries: Vec<&str> = groups.filter_map(|name| listed(registry, name)).collect();
        let entries = entries.join(",");
        let text = format!(r#"{{"kind":"APIGroupList","apiVersion":"v1","groups":[{entries}]}}"#);
        Arc::new(Document::new(text))
    })
}

fn listed<'r>(registry: &'r Registry, name: &str) -> Option<&'r str> {
    let documents = registry.group_documents(name)?;
    Some(documents.entry.get_or_init(|| group_entry(json!({}), registry, name).to_string()))
}

/// `/apis/{group}` (`APIGroup`).
pub fn group(registry: &Registry, group: &str) -> Option<Value> {
    let served = !group.is_empty() && registry.kinds_of_group(group).next().is_some();
    let head = json!({"kind": "APIGroup", "apiVersion": "v1"});
    served.then(|| group_entry(head, registry, group))
}

/// `/api/v1` (empty group) and `/apis/{group}/{version}` (`APIResourceList`).
///
/// That of the core group has no `apiVersion`, as upstream's has none.
pub fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut kinds = kinds_of(registry, group, version);
    if kinds.is_empty() {
        return None;
    }
    kinds.sort_by(|a, b| a.plural.cmp(&b.plural));
    let resources: Vec<Value> = kinds.into_iter().flat_map(resource_entries).collect();
    let mut list = json!({"kind": "APIResourceList"});
    if !group.is_empty() {
        list["apiVersion"] = json!("v1");
    }
    list["groupVersion"] = json!(reddwarf_core::gvk::api_version(group, version));
    list["resources"] = resources.into();
    Some(list)
}

fn group_entry(mut entry: Value, registry: &Registry, name: &str) -> Value {
    let versions: Vec<Value> = versions_of(registry, name)
        .into_iter()
        .map(|version| {
            let group_version = reddwarf_core::gvk::api_version(name, version);
            json!({"groupVersion": group_version, "version": version})
        })
        .collect();
    entry["name"] = json!(name);
    entry["preferredVersion"] = versions.first().cloned().unwrap_or_default();
    entry["versions"] = versions.into();
    entry
}

/// A resource and, behind it, its subresources.
fn resource_entries(kind: &Kind) -> Vec<Value> {
    let mut main = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced(),
        "kind": kind.kind, "verbs": kind.verbs.0,
    });
    if !kind.short_names.is_empty() {
        main["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        main["categories"] = json!(kind.categories);
    }
    if kind.stored() {
        main["storageVersionHash"] = json!(storage_version_hash(kind));
    }
    let subresources = kind.subresources.iter().map(|sub| subresource_entry(kind, sub));
    std::iter::once(main).chain(subresources).collect()
}

fn subresource_entry(kind: &Kind, sub: &Subresource) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", kind.plural, sub.name), "singularName": "",
        "namespaced": kind.namespaced(),
    });
    if (&sub.group, &sub.version) != (&kind.group, &kind.version) {
        entry["group"] = json!(sub.group);
        entry["version"] = json!(sub.version);
    }
    entry["kind"] = json!(sub.kind);
    entry["verbs"] = json!(sub.verbs.0);
    entry
}

/// Base64 of the first eight bytes of SHA-256 of `group/version/kind` of the storage version.
fn storage_version_hash(kind: &Kind) -> String {
    let stored = &kind.storage.api_version;
    // The core group is empty, but its slash is there.
    let slash = if stored.contains('/') { "" } else { "/" };
    let digest = Sha256::digest(format!("{slash}{stored}/{}", kind.kind));
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}

/// Versions of a group, the preferred one first.
fn versions_of<'a>(registry: &'a Registry, group: &str) -> Vec<&'a str> {
    let mut versions: Vec<&str> = Vec::new();
    let mut custom = false;
    for kind in registry.kinds_of_group(group) {
        custom |= kind.custom.is_some();
        if !versions.contains(&&*kind.version) {
            versions.push(&kind.version);
        }
    }
    // Kinds of one custom group need not have the same versions.
    if custom && !registry.has_builtin_group(group) {
        versions.sort_by(|a, b| version_order::compare(b, a));
    }
    versions
}

fn kinds_of<'a>(registry: &'a Registry, group: &str, version: &str) -> Vec<&'a Kind> {
    let kinds = registry.kinds_of_group(group).map(AsRef::as_ref);
    kinds.filter(|kind| kind.version == version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(group: &str, version: &str, resource: &str) -> String {
        let registry = Registry::builtin();
        storage_version_hash(registry.resource(group, version, resource).expect("served"))
    }

    #[test]
    fn hashes_that_clients_know() {
        assert_eq!(hash("", "v1", "configmaps"), "qFsyl6wFWjQ=");
        assert_eq!(hash("events.k8s.io", "v1", "events"), hash("", "v1", "events"));
        assert_eq!(hash("autoscaling", "v1", "horizontalpodautoscalers"), "qwQve8ut294=");
    }

    #[test]
    fn subresources_follow_their_resource() {
        let list = resources(&Registry::builtin(), "apps", "v1").expect("served");
        let names: Vec<_> =
            list["resources"].as_array().expect("list").iter().map(|r| &r["name"]).collect();
        assert_eq!(
            names[..5],
            [
                "controllerrevisions",
                "daemonsets",
                "daemonsets/status",
                "deployments",
                "deployments/scale"
            ]
        );
    }

    #[test]
    fn a_subresource_of_another_group_says_so() {
        let list = resources(&Registry::builtin(), "", "v1").expect("served");
        assert_eq!(list.get("apiVersion"), None);
        let find = |name: &str| {
            let all = list["resources"].as_array().expect("list");
            all.iter().find(|r| r["name"] == name).expect("listed").clone()
        };
        assert_eq!(find("pods/eviction")["group"], "policy");
        assert_eq!(find("pods/binding").get("group"), None);
        assert_eq!(find("bindings").get("storageVersionHash"), None);
    }

    #[test]
    fn groups_prefer_their_first_version() {
        let registry = Registry::builtin();
        let autoscaling = group(&registry, "autoscaling").expect("served");
        assert_eq!(autoscaling["preferredVersion"]["version"], "v2");
        assert_eq!(group(&registry, ""), None);
        let list: Value = serde_json::from_slice(&groups(&registry).bytes).expect("JSON");
        assert_eq!(list["groups"][0]["name"], "apiregistration.k8s.io");
    }
}
