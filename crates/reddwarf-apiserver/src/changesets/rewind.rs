//! What a rewind wishes: the whole cluster as it was at a moment, which objects that were made since
//! do not outlive.

use super::merging::content;
use super::spec::Rewind;
use super::wish::{Base, Wish, Wishes, history, is_kept};
use crate::bootstrap::SYSTEM_NAMESPACES;
use crate::commits::GROUP;
use crate::errors::{bad_request, history_error};
use crate::object::terminating;
use crate::past::{Moment, resolve};
use crate::registry::Registry;
use crate::server::ApiServer;
use crate::token::{KEY_NAME, KEY_NAMESPACE};
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_core::{BranchId, ObjectKey, Reason, Revision, Status, StoredObject, View};
use serde_json::Value;
use std::cmp::Reverse;
use std::sync::Arc;

/// Kinds that tell of what is there: machines, and what was taken away for good.
const TELLING: [(&str, &str); 4] =
    [("", "nodes"), ("storage.k8s.io", "csinodes"), (GROUP, "excisions"), (GROUP, "changesets")];
/// Kinds in which the members keep where they serve, under names that begin with [`OWN_SERVICE`].
const ENDPOINTS: [&str; 2] = ["/endpoints", "discovery.k8s.io/endpointslices"];
const OWN_SERVICE: &str = "kubernetes";

/// Finds what differs between now and then, of all that a rewind is about.
///
/// # Errors
/// 400 on a branch and for what names no moment, 410 for a moment below the floor.
pub(super) async fn of_rewind(
    server: &ApiServer,
    rewind: &Rewind,
    present: &View,
) -> Result<Wishes, Box<Status>> {
    if server.branch().is_some() {
        return Err(bad_request("a branch is not rewound: delete it, and make another one"));
    }
    let history = history(server)?;
    let moment = Moment::parse(&rewind.to).map_err(bad_request)?;
    let revision = resolve(server, &moment).await?;
    let changed = history.changed_between(BranchId::MAIN, revision, present.revision).await;
    let registry = server.registry();
    let mut wishes = Vec::new();
    for changed in changed.map_err(history_error)?.into_iter().filter(|one| is_rewound(&one.key)) {
        let then = match changed.before {
            Some(before) => history.version(before).await.map_err(history_error)?,
            None => None,
        };
        let live = present.get(&changed.key).cloned();
        let wished = then.and_then(|then| as_now(&then, live.as_deref(), present, &registry));
        if content(&live) != content(&wished) && (wished.is_some() || may_go(&changed.key)) {
            wishes.push(Wish { key: changed.key, base: Base::Version(live), wished });
        }
        tokio::task::yield_now().await;
    }
    wishes.sort_by_cached_key(order);
    match rewind.objects_max {
        Some(max) => wishes.truncate(max),
        None if wishes.len() > PROPOSAL_OBJECTS_MAX => return Err(too_many(wishes.len())),
        None => {}
    }
    let message = format!("Rewind to the state at revision {revision}");
    Ok(Wishes { wishes, message, ..Wishes::default() })
}

fn too_many(count: usize) -> Box<Status> {
    let message = format!(
        "Request entity too large: limit is {PROPOSAL_OBJECTS_MAX} objects in one commit, these are \
         {count}; several commits (--in-parts, spec.rewind.objectsMax) hold more"
    );
    Box::new(Status::failure(Reason::RequestEntityTooLarge, message))
}

/// Whether a rewind is about an object.
fn is_rewound(key: &ObjectKey) -> bool {
    let of_the_members = ENDPOINTS.contains(&key.collection())
        && key.namespace() == "default"
        && key.name().starts_with(OWN_SERVICE);
    is_kept(key)
        && !TELLING.contains(&(key.group(), key.resource()))
        && !of_the_members
        && (key.namespace(), key.name()) != (KEY_NAMESPACE, KEY_NAME)
}

/// Whether an object may be deleted that was not there then. What the leader gives every namespace
/// would come back at once, and goes with its namespace.
fn may_go(key: &ObjectKey) -> bool {
    match (key.collection(), key.name()) {
        ("/namespaces", name) => !SYSTEM_NAMESPACES.contains(&name),
        ("/configmaps", "kube-root-ca.crt") | ("/serviceaccounts", "default") => false,
        _ => true,
    }
}

/// What others need comes first, then what was made first; what goes, goes last, and what others need
/// last of all. So a part of a rewind never lacks what it needs.
fn order(wish: &Wish) -> (bool, u8, Reverse<u8>, Revision) {
    let rank = match wish.key.collection() {
        "apiextensions.k8s.io/customresourcedefinitions" => 0,
        "/namespaces" => 1,
        _ => 2,
    };
    match &wish.wished {
        Some(wished) => (false, rank, Reverse(0), wished.created),
        None => (true, 0, Reverse(rank), Revision::ZERO),
    }
}

/// An object of the past as it can be now: with the status that it has now, for what was observed
/// then is not true any more, and with owners as they are. `None` for one that was on its way out.
fn as_now(
    then: &Arc<StoredObject>,
    live: Option<&StoredObject>,
    present: &View,
    registry: &Registry,
) -> Option<Arc<StoredObject>> {
    let mut object: Value = serde_json::from_slice(&then.bytes).ok()?;
    if terminating(&object) {
        return None;
    }
    if let Some(live) = live {
        let live: Value = serde_json::from_slice(&live.bytes).unwrap_or_default();
        match live.get("status") {
            Some(status) => object["status"] = status.clone(),
            None => drop(object.as_object_mut().and_then(|map| map.shift_remove("status"))),
        }
    }
    let namespace = then.key.namespace();
    let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
    for owner in owners.into_iter().flatten() {
        if let Some(uid) = owner_now(owner, namespace, present, registry) {
            owner["uid"] = uid;
        }
    }
    let bytes = serde_json::to_vec(&object).ok()?.into();
    Some(Arc::new(StoredObject { bytes, ..StoredObject::clone(then) }))
}

/// The uid that an owner has now: one that an earlier part made again has another than then.
fn owner_now(owner: &Value, namespace: &str, present: &View, registry: &Registry) -> Option<Value> {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let (group, version) = parse_api_version(text("apiVersion"))?;
    let mut kinds = registry.kinds_of_group(group);
    let kind = kinds.find(|kind| kind.version == version && kind.kind == text("kind"))?;
    let namespace = if kind.namespaced() { namespace } else { "" };
    let key = kind.storage.collection.key(namespace, text("name"));
    let live: Value = serde_json::from_slice(&present.get(&key)?.bytes).ok()?;
    live["metadata"].get("uid").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_the_present_is_left_alone() {
        let key = |group: &str, resource: &str, namespace: &str, name: &str| {
            ObjectKey::new(group, resource, namespace, name)
        };
        for left in [
            key("", "nodes", "", "worker-1"),
            key("", "events", "shop", "e"),
            key("coordination.k8s.io", "leases", "kube-node-lease", "worker-1"),
            key("discovery.k8s.io", "endpointslices", "default", "kubernetes-6443"),
            key("history.reddwarf.dev", "excisions", "", "x"),
            key("", "secrets", KEY_NAMESPACE, KEY_NAME),
        ] {
            assert!(!is_rewound(&left), "{left}");
        }
        for rewound in [
            key("", "configmaps", "shop", "a"),
            key("", "endpoints", "shop", "kubernetes"),
            key("", "namespaces", "", "shop"),
            key("rbac.authorization.k8s.io", "clusterroles", "", "viewer"),
        ] {
            assert!(is_rewound(&rewound), "{rewound}");
        }
        assert!(!may_go(&key("", "namespaces", "", "kube-system")));
        assert!(!may_go(&key("", "configmaps", "shop", "kube-root-ca.crt")));
        assert!(may_go(&key("", "namespaces", "", "shop")));
        assert!(may_go(&key("", "secrets", "shop", "default")));
    }
}
