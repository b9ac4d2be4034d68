//! How much of the past is kept: `retentionpolicies` and `excisions` of `history.reddwarf.dev`.
//!
//! The leader reads the policies and asks for floors ([`plan`]); `apply` raises them, and each member
//! removes what lies below on its own. An excision is one write: the object that records it and the
//! versions that it takes away.

mod excision;
mod plan;
mod policy;

pub(crate) use excision::{excise, is_excision, newest_excision};
pub(crate) use plan::{Demand, Limit, plan};
pub(crate) use policy::Policy;

use crate::commits::GROUP;
use crate::custom::own;
use crate::registry::Registry;
use reddwarf_core::Collection;
use serde_json::{Value, json};

const POLICY: &[u8] = include_bytes!("policy.json");
const EXCISION: &[u8] = include_bytes!("excision.json");
/// How long everything is kept unless a policy says otherwise.
const USUAL_AGE: &str = "720h";
/// How long that is kept which changes all the time and says little afterwards.
const SHORT_AGE: &str = "1h";

/// Adds the kinds.
pub(crate) fn add(registry: &mut Registry) {
    own::serve(registry, POLICY, |_| ());
    own::serve(registry, EXCISION, |_| ());
}

/// Where policies are stored.
pub(crate) fn policies() -> Collection {
    Collection::new(GROUP, "retentionpolicies")
}

/// The policies that every cluster begins with, and the path to create them at.
pub(crate) fn usual() -> Vec<(String, Value)> {
    let policy = |name: &str, spec: Value| {
        let path = format!("/apis/{GROUP}/v1alpha1/retentionpolicies");
        let object = json!({
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": "RetentionPolicy",
            "metadata": {"name": name},
            "spec": spec,
        });
        (path, object)
    };
    let short = ["events", "events.events.k8s.io", "leases.coordination.k8s.io"];
    vec![
        policy("default", json!({"maxAge": USUAL_AGE})),
        policy("short-lived", json!({"resources": short, "maxAge": SHORT_AGE})),
    ]
}
