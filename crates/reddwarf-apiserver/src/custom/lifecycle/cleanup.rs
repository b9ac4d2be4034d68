//! The objects of a definition that goes: they are deleted, and it waits for them.

use super::condition::{self, Condition};
use super::{FINALIZER, driver};
use crate::background::{Background, RETRY_PAUSE};
use crate::object::{finalizers, set_meta, terminating};
use reddwarf_core::{Collection, Revision, Status, View};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Longest pause between two looks at objects that do not go.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Whether a definition waits for its objects.
pub fn waits(definition: &Value) -> bool {
    terminating(definition) && finalizers(definition).contains(&FINALIZER)
}

fn state(status: &'static str, reason: &'static str, message: &str) -> Condition {
    Condition { ty: "Terminating", status, reason, message: message.to_owned() }
}

/// What is said while objects are being deleted.
pub fn in_progress() -> Condition {
    state("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
}

/// The definition without its finalizer, by which it goes.
pub fn released(definition: &Value, condition: &Condition, now: &str) -> Value {
    let mut released = definition.clone();
    condition::set(&mut released, condition, now);
    let others: Vec<&str> =
        finalizers(definition).into_iter().filter(|name| *name != FINALIZER).collect();
    let others = (!others.is_empty()).then(|| json!(others));
    set_meta(&mut released, "finalizers", others);
    released
}

/// Deletes the objects of the definition `name` and lets it go; answers when it is gone, or does
/// not wait any more.
pub(super) async fn clean(background: Background, name: String) -> String {
    loop {
        let Some(definition) = driver::stored(&background, &name).filter(waits) else {
            return name;
        };
        match pass(&background, &definition).await {
            Ok(None) => return name,
            Ok(Some((objects, seen))) => wait(&background, &objects, seen).await,
            Err(status) => {
                tracing::warn!(%status, name, "the objects of a definition were not deleted");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }
}

/// One look; answers the collection that still holds objects.
async fn pass(
    background: &Background,
    definition: &Value,
) -> Result<Option<(Collection, Revision)>, Box<Status>> {
    let text = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let collection = Collection::new(group, plural);
    if !condition::holds(definition, "Established") {
        let never = state("False", "NeverEstablished", "resource was never established");
        driver::write(background, &released(definition, &never, &crate::defaults::now())).await?;
        return Ok(None);
    }
    if !condition::has(definition, &in_progress()) {
        let mut said = definition.clone();
        condition::set(&mut said, &in_progress(), &crate::defaults::now());
        driver::write(background, &said).await?;
        return Ok(Some((collection, Revision::ZERO)));
    }
    let view = background.store.view();
    if view.list(&collection, None, None).next().is_none() {
        let done = state("False", "InstanceDeletionCompleted", "removed all instances");
        driver::write(background, &released(definition, &done, &crate::defaults::now())).await?;
        return Ok(None);
    }
    delete(background, definition, &view, &collection).await?;
    Ok(Some((collection, background.store.view().revision)))
}

/// Deletes what is there and not on its way, namespace by namespace.
async fn delete(
    background: &Background,
    definition: &Value,
    view: &View,
    collection: &Collection,
) -> Result<(), Box<Status>> {
    let mut namespaces: BTreeSet<&str> = BTreeSet::new();
    for object in view.list(collection, None, None) {
        let parsed: Value = serde_json::from_slice(&object.bytes).unwrap_or_default();
        if !terminating(&parsed) {
            namespaces.insert(object.key.namespace());
        }
    }
    let text = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
    let versions = definition["spec"]["versions"].as_array().into_iter().flatten();
    let served = versions.filter(|version| version["served"] == true);
    // In the storage version no webhook is asked.
    let Some(version) = served.max_by_key(|version| version["storage"] == true) else {
        tracing::warn!(group, plural, "no version is served in which objects could be deleted");
        return Ok(());
    };
    let root = format!("/apis/{group}/{}", version["name"].as_str().unwrap_or_default());
    for namespace in namespaces {
        let path = match namespace {
            "" => format!("{root}/{plural}"),
            namespace => format!("{root}/namespaces/{namespace}/{plural}"),
        };
        background.client.request("DELETE", &path, None, None).await?;
    }
    Ok(())
}

/// Waits until the collection changes after `from`, or a while.
async fn wait(background: &Background, collection: &Collection, from: Revision) {
    if from == Revision::ZERO {
        return;
    }
    match background.store.watch(collection, from) {
        Ok(mut changes) => drop(tokio::time::timeout(LOOK_PAUSE, changes.next()).await),
        Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_waits_for_its_finalizer() {
        let marked =
            super::super::marked(&json!({"metadata": {"name": "a", "finalizers": ["x/y"]},
            "status": {"conditions": null}}));
        assert!(waits(&marked));
        assert_eq!(marked["metadata"]["finalizers"], json!(["x/y", FINALIZER]));
        assert!(condition::holds(&marked, "Terminating"));
        let done = state("False", "InstanceDeletionCompleted", "removed all instances");
        let free = released(&marked, &done, "now");
        assert_eq!(free["metadata"]["finalizers"], json!(["x/y"]));
        assert!(!waits(&free) && !condition::holds(&free, "Terminating"));
    }
}
