//! A namespace that is going away is emptied, then let go.

use super::namespace_status::{Remaining, conditions};
use super::{AS_CONTROLLER_MANAGER, Background, RETRY_PAUSE};
use crate::registry::Kind;
use reddwarf_core::{Collection, ObjectKey, Reason, Revision, Status, View};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Longest pause between two looks at a namespace whose content does not go.
const LOOK_PAUSE: Duration = Duration::from_secs(5);
const MERGE_PATCH: Option<&str> = Some("application/merge-patch+json");

/// Finds namespaces that are going away and empties each in a task of its own.
pub(super) async fn run(background: &Background) {
    let namespaces = Collection::new("", "namespaces");
    let mut tasks: JoinSet<String> = JoinSet::new();
    let mut running: BTreeSet<String> = BTreeSet::new();
    loop {
        let view = background.store.view();
        for namespace in view.list(&namespaces, None, None) {
            let name = namespace.key.name();
            let going = namespace.index.field("status.phase") == "Terminating";
            if going && running.insert(name.to_owned()) {
                tasks.spawn(empty(background.clone(), name.to_owned()));
            }
        }
        let Ok(mut changes) = background.store.watch(&namespaces, view.revision) else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        tokio::select! {
            _ = changes.next() => {}
            Some(done) = tasks.join_next() => {
                match done {
                    Ok(name) => { running.remove(&name); }
                    Err(error) => {
                        tracing::error!(%error, "a namespace's emptying ended unexpectedly");
                        running.clear();
                        tasks.abort_all();
                    }
                }
            }
        }
    }
}

/// Empties one namespace; answers its name when it is let go or not going away any more.
async fn empty(background: Background, name: String) -> String {
    let key = ObjectKey::new("", "namespaces", "", &name);
    loop {
        let view = background.store.view();
        let Some(stored) = view.get(&key) else { return name };
        let namespace: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
        let ours = finalizers(&namespace).any(|f| f == "kubernetes");
        if stored.index.field("status.phase") != "Terminating" || !ours {
            return name;
        }
        match pass(&background, &view, &namespace, &name).await {
            Ok(None) => return name,
            Ok(Some((waiting_for, seen))) => wait(&background, &waiting_for, seen).await,
            Err(status) => {
                tracing::warn!(%status, namespace = name, "a namespace was not emptied");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

fn finalizers(namespace: &Value) -> impl Iterator<Item = &str> {
    let list = namespace["spec"]["finalizers"].as_array();
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// Deletes what is there, pods before all else: they may need what is around them. Answers a
/// collection that still holds something at a revision, or lets the namespace go when none does.
async fn pass(
    background: &Background,
    view: &View,
    namespace: &Value,
    name: &str,
) -> Result<Option<(Collection, Revision)>, Box<Status>> {
    let pods = Collection::new("", "pods");
    let (first, others): (Vec<_>, Vec<_>) =
        filled(background, view, name).into_iter().partition(|(collection, _)| *collection == pods);
    let mut failures = delete(background, view, name, &first).await;
    let view = background.store.view();
    let pods_remain = view.list(&pods, Some(name), None).next().is_some();
    if !pods_remain {
        failures.extend(delete(background, &view, name, &others).await);
    }
    let view = background.store.view();
    let left = filled(background, &view, name).into_iter().next();
    let Some((waiting_for, _)) = left else {
        return release(background, namespace, name).await.map(|()| None);
    };
    let counted = |collection: &Collection| !pods_remain || *collection == pods;
    let remaining = Remaining::of(background, &view, name, counted, &failures);
    report(background, namespace, name, &remaining).await?;
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None if pods_remain => Ok(Some((pods, view.revision))),
        None => Ok(Some((waiting_for, view.revision))),
    }
}

/// Deletes what the collections hold in the namespace and is not on its way; one that refuses
/// does not hold up the others.
async fn delete(
    background: &Background,
    view: &View,
    name: &str,
    collections: &[(Collection, String)],
) -> Vec<Box<Status>> {
    let mut failures = Vec::new();
    for (collection, path) in collections {
        if Remaining::all_are_going(view, collection, name) {
            continue;
        }
        // Dependents go too, so nothing may be orphaned, as Jobs would be by default.
        let path = format!("{path}?propagationPolicy=Background");
        if let Err(status) = background.client.request("DELETE", &path, None, None).await {
            failures.push(status);
        }
    }
    failures
}

/// The collections that hold something in the namespace, with the paths at which they are
/// deleted.
fn filled(background: &Background, view: &View, name: &str) -> Vec<(Collection, String)> {
    let mut seen = BTreeSet::new();
    let registry = background.registry.current();
    let deletable = |kind: &&Arc<Kind>| kind.namespaced() && kind.verbs.has("deletecollection");
    let mut kinds: Vec<_> = registry.kinds().filter(deletable).collect();
    // A webhook that fails holds up no deletion in the storage version.
    kinds.sort_by_key(|kind| kind.is_converted());
    kinds
        .into_iter()
        .filter(|kind| seen.insert(kind.storage.collection.clone()))
        .filter(|kind| view.list(&kind.storage.collection, Some(name), None).next().is_some())
        .map(|kind| {
            let root = if kind.group.is_empty() { "/api" } else { "/apis" };
            let path = format!("{root}/{}/namespaces/{name}/{}", kind.api_version(), kind.plural);
            (kind.storage.collection.clone(), path)
        })
        .collect()
}

/// Takes the finalizer `kubernetes` off, by which the namespace goes.
async fn release(
    background: &Background,
    namespace: &Value,
    name: &str,
) -> Result<(), Box<Status>> {
    let others: Vec<&str> = finalizers(namespace).filter(|f| *f != "kubernetes").collect();
    let mut released = namespace.clone();
    released["spec"] = if others.is_empty() { json!({}) } else { json!({"finalizers": others}) };
    let path = format!("/api/v1/namespaces/{name}/finalize{AS_CONTROLLER_MANAGER}");
    match background.client.request("PUT", &path, None, Some(released.to_string().into())).await {
        Ok(_) => Ok(()),
        Err(status) if status.is(Reason::NotFound) => Ok(()),
        Err(status) => Err(status),
    }
}

/// Writes what remains into the namespace's conditions, when they do not say so yet.
async fn report(
    background: &Background,
    namespace: &Value,
    name: &str,
    remaining: &Remaining,
) -> Result<(), Box<Status>> {
    let stored = &namespace["status"]["conditions"];
    let Some(wanted) = conditions(remaining, stored) else { return Ok(()) };
    let patch = json!({"status": {"conditions": wanted}}).to_string();
    let path = format!("/api/v1/namespaces/{name}/status{AS_CONTROLLER_MANAGER}");
    match background.client.request("PATCH", &path, MERGE_PATCH, Some(patch.into())).await {
        Ok(_) => Ok(()),
        Err(status) if status.is(Reason::NotFound) || status.is(Reason::Conflict) => Ok(()),
        Err(status) => Err(status),
    }
}

/// Waits until the collection changes after `from`, or a while for what changes elsewhere.
async fn wait(background: &Background, collection: &Collection, from: Revision) {
    if let Ok(mut changes) = background.store.watch(collection, from) {
        let _ = tokio::time::timeout(LOOK_PAUSE, changes.next()).await;
    } else {
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
