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
        let ours: Value = serde_json::from_slice(&ours.bytes).expect("JSON");
        let pairs = |document: &Value| document["items"].as_array().expect("groups").clone();
        for (ours, theirs) in pairs(&ours).iter().zip(pairs(&theirs)) {
            assert_eq!(*ours, theirs);
        }
        assert_eq!(pairs(&ours).len(), pairs(&theirs).len());
    }
}

#[test]
fn defaulting_is_idempotent_and_takes_any_object() {
    let odd = serde_json::json!({
        "metadata": {"name": "a", "labels": [], "annotations": 1},
        "spec": {"template": [], "selector": 1, "limits": {}, "versions": 1, "ports": "x"},
        "status": "text", "webhooks": {}, "subjects": 1, "template": {"spec": 1},
    });
    for kind in Registry::builtin().kinds() {
        for start in [serde_json::json!({}), odd.clone(), Value::Null] {
            let mut once = start;
            (kind.hooks.default)(&mut once);
            let mut twice = once.clone();
            (kind.hooks.default)(&mut twice);
            (kind.hooks.prepare_create)(&mut once.clone());
            (kind.hooks.prepare_update)(&mut once.clone(), &twice);
            (kind.hooks.to_storage)(&mut once.clone());
            (kind.hooks.from_storage)(&mut once.clone());
            let context = crate::registry::RowContext { now_ms: 0 };
            crate::table::cells(kind, &once, &context);
            assert_eq!(once, twice, "{}", kind.kind);
        }
    }
}
