//! The registry as a text that a reader can check, and against upstream's discovery documents.

use crate::registry::{Kind, Registry, Scope};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line for each kind and subresource.
fn listing(registry: &Registry) -> String {
    let mut out = String::new();
    for kind in registry.kinds() {
        let scope = if kind.namespaced() { "namespaced" } else { "cluster" };
        let _ = write!(out, "{} {} {} {scope}", kind.api_version(), kind.plural, kind.kind);
        let _ = write!(out, " [{}]", kind.verbs.0.join(" "));
        if !kind.short_names.is_empty() {
            let _ = write!(out, " short={}", kind.short_names.join(","));
        }
        if !kind.categories.is_empty() {
            let _ = write!(out, " in={}", kind.categories.join(","));
        }
        if kind.stored() {
            let _ = write!(out, " {:?}", kind.strategy.generation);
        }
        if kind.strategy.create_on_update {
            out.push_str(" create-on-update");
        }
        if !kind.strategy.unconditional_update {
            out.push_str(" conditional-update");
        }
        if kind.converts() {
            let stored = &kind.storage;
            let _ = write!(out, " stored={}@{}", stored.collection, stored.api_version);
        }
        out.push('\n');
        for sub in &kind.subresources {
            let _ = writeln!(out, "  /{} {} [{}]", sub.name, sub.kind, sub.verbs.0.join(" "));
        }
    }
    out
}

#[test]
fn builtin_kinds() {
    insta::assert_snapshot!(listing(&Registry::builtin()));
}

fn gvk(group: &str, version: &str, kind: &str, of: &Kind) -> Value {
    let same = group == of.group && version == of.version;
    let (group, version) = if same { ("", "") } else { (group, version) };
    json!({"group": group, "version": version, "kind": kind})
}

fn entry(kind: &Kind) -> Value {
    let mut entry = json!({
        "resource": kind.plural, "singularResource": kind.singular, "verbs": kind.verbs.0,
        "scope": if kind.scope == Scope::Namespaced { "Namespaced" } else { "Cluster" },
        "responseKind": gvk(&kind.group, &kind.version, &kind.kind, kind),
    });
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let subs = kind.subresources.iter().map(|s| {
            json!({"subresource": s.name, "verbs": s.verbs.0, "responseKind": gvk(&s.group, &s.version, &s.kind, kind)})
        });
        entry["subresources"] = subs.collect();
    }
    entry
}

/// Compares with upstream's aggregated discovery documents in the folder that
/// `REDDWARF_UPSTREAM_DISCOVERY` names; passes when it names none.
#[test]
fn same_as_upstream() {
    let Ok(folder) = std::env::var("REDDWARF_UPSTREAM_DISCOVERY") else { return };
    let registry = Registry::builtin();
    let mut served = Vec::new();
    for file in ["discovery-api-aggregated.json", "discovery-apis-aggregated.json"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}")).expect("document");
        let document: Value = serde_json::from_str(&text).expect("JSON");
        for group in document["items"].as_array().expect("groups") {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().expect("versions") {
                let version_name = version["version"].as_str().expect("version");
                for resource in version["resources"].as_array().expect("resources") {
                    let plural = resource["resource"].as_str().expect("resource");
                    let kind = registry.resource(name, version_name, plural);
                    let kind = kind.unwrap_or_else(|| panic!("{name}/{version_name} {plural}"));
                    assert_eq!(entry(kind), *resource);
                    served.push((name.to_owned(), version_name.to_owned(), plural.to_owned()));
                }
            }
        }
    }
    let ours: Vec<_> = registry
        .kinds()
        .map(|k| (k.group.to_string(), k.version.to_string(), k.plural.to_string()))
        .collect();
    assert_eq!(ours, served, "the order of discovery");
}
