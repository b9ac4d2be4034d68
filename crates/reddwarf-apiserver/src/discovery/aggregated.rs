//! Discovery of everything in one document, `apidiscovery.k8s.io`.

use super::{kinds_of, versions_of};
use crate::registry::{Document, Kind, Registry, Scope};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The `APIGroupDiscoveryList` (`apidiscovery.k8s.io/v2`) of `/api` (`core`) or of `/apis`.
///
/// The same document with another `apiVersion` is that of `v2beta1`.
pub fn aggregated(registry: &Registry, core: bool) -> Value {
    let groups = registry.groups().into_iter().filter(|name| name.is_empty() == core);
    let items: Vec<Value> = groups.map(|name| group(registry, name)).collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {}, "items": items,
    })
}

/// [`aggregated`] as it is written, made once for a registry.
pub fn aggregated_document(registry: &Registry, core: bool) -> &Document {
    let documents = &registry.documents;
    let place = if core { &documents.core } else { &documents.groups };
    place.get_or_init(|| {
        let text = aggregated(registry, core).to_string();
        let hash = Sha256::digest(&text).iter().map(|byte| format!("{byte:02X}")).collect();
        Document { bytes: text.into(), hash }
    })
}

fn group(registry: &Registry, name: &str) -> Value {
    let versions: Vec<Value> = versions_of(registry, name)
        .into_iter()
        .map(|version| {
            let kinds = kinds_of(registry, name, version);
            let resources: Vec<Value> = kinds.into_iter().map(resource).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
    json!({"metadata": metadata, "versions": versions})
}

pub(crate) fn resource(kind: &Kind) -> Value {
    let mut entry = json!({
        "resource": kind.plural,
        "responseKind": response_kind(&kind.group, &kind.version, &kind.kind, kind),
        "scope": if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs.0,
    });
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let entries = kind.subresources.iter().map(|sub| {
            json!({
                "subresource": sub.name,
                "responseKind": response_kind(&sub.group, &sub.version, &sub.kind, kind),
                "verbs": sub.verbs.0,
            })
        });
        entry["subresources"] = entries.collect();
    }
    entry
}

/// Group and version are left empty where they are those of the resource.
fn response_kind(group: &str, version: &str, name: &str, of: &Kind) -> Value {
    let same = of.group == group && of.version == version;
    let (group, version) = if same { ("", "") } else { (group, version) };
    json!({"group": group, "version": version, "kind": name})
}
