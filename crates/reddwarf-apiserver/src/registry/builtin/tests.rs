//! The registry as a text that a reader can check, and against upstream's discovery documents.

use crate::registry::Registry;
use serde_json::Value;
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

/// Compares with upstream's aggregated discovery documents in the folder that
/// `REDDWARF_UPSTREAM_DISCOVERY` names; passes when it names none.
#[test]
fn same_as_upstream() {
    let Ok(folder) = std::env::var("REDDWARF_UPSTREAM_DISCOVERY") else { return };
    let registry = Registry::builtin();
    for (file, core) in
        [("discovery-api-aggregated.json", true), ("discovery-apis-aggregated.json", false)]
    {
        let text = std::fs::read_to_string(format!("{folder}/{file}")).expect("document");
        let theirs: Value = serde_json::from_str(&text).expect("JSON");
        let ours = crate::discovery::aggregated(&registry, core);
        let pairs = |document: &Value| document["items"].as_array().expect("groups").clone();
        for (ours, theirs) in pairs(&ours).iter().zip(pairs(&theirs)) {
            assert_eq!(*ours, theirs);
        }
        assert_eq!(pairs(&ours).len(), pairs(&theirs).len());
    }
}
