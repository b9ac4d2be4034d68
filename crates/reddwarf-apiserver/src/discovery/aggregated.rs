//! Discovery of everything in one document, `apidiscovery.k8s.io`.

use super::{kinds_of, versions_of};
use crate::registry::{Document, Kind, Registry, Scope};
use serde_json::{Value, json};
use std::sync::Arc;

/// The `APIGroupDiscoveryList` (`apidiscovery.k8s.io/v2`) of `/api` (`core`) or of `/apis`, made
/// once for a registry.
///
/// The same document with another `apiVersion` is that of `v2beta1`. It is put together from the
/// texts of its groups, and those from the texts of their kinds: what a change of one kind costs
/// is copying the others.
pub fn aggregated(registry: &Registry, core: bool) -> &Arc<Document> {
    let documents = &registry.documents;
    let place = if core { &documents.core } else { &documents.groups };
    place.get_or_init(|| {
        let groups = registry.groups().into_iter().filter(|name| name.is_empty() == core);
        let items: Vec<&str> = groups.filter_map(|name| group(registry, name)).collect();
        let head = r#"{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2""#;
        let text = format!("{head},\"metadata\":{{}},\"items\":[{}]}}", items.join(","));
        Arc::new(Document::new(text))
    })
}

fn group<'r>(registry: &'r Registry, name: &str) -> Option<&'r str> {
    let documents = registry.group_documents(name)?;
    let text = documents.aggregated.get_or_init(|| {
        let versions = versions_of(registry, name).into_iter();
        let versions: Vec<String> = versions.map(|it| version(registry, name, it)).collect();
        let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
        format!("{{\"metadata\":{metadata},\"versions\":[{}]}}", versions.join(","))
    });
    Some(text)
}

fn version(registry: &Registry, group: &str, version: &str) -> String {
    let kinds = kinds_of(registry, group, version).into_iter();
    let resources = kinds.map(|kind| kind.discovered.get_or_init(|| resource(kind).to_string()));
    let resources: Vec<&str> = resources.map(String::as_str).collect();
    let (name, resources) = (Value::from(version), resources.join(","));
    format!("{{\"version\":{name},\"resources\":[{resources}],\"freshness\":\"Current\"}}")
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
