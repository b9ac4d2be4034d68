//! What a commit changed within its objects.

use crate::errors::history_error;
use crate::managed_fields::KindTopology;
use crate::registry::Registry;
use reddwarf_core::{
    Commit, CommitChange, History, ObjectKey, Revision, Schemaless, Status, Topology,
};
use reddwarf_versioning::{FieldChange, diff};
use serde_json::{Value, json};

/// Fields that the answer about one commit tells; a larger commit tells the first of them.
pub(crate) const FIELDS_MAX: usize = 1_000;
/// What the server writes anew with every change.
const OF_EVERY_CHANGE: [&str; 2] = ["resourceVersion", "managedFields"];

/// Puts the changed fields of updated objects into `shown`, which has the commit's changes.
///
/// # Errors
/// The failure to be answered.
pub(super) async fn add(
    history: &dyn History,
    registry: &Registry,
    commit: &Commit,
    shown: &mut Value,
) -> Result<(), Box<Status>> {
    let mut left = FIELDS_MAX;
    let Some(changes) = shown["changes"].as_array_mut() else { return Ok(()) };
    for (change, shown) in commit.header.changes.iter().zip(changes) {
        let found = of_change(history, registry, change).await?;
        let told: Vec<Value> = found.iter().take(left).map(field).collect();
        left -= told.len();
        if !told.is_empty() {
            shown["fields"] = told.into();
        }
    }
    Ok(())
}

async fn of_change(
    history: &dyn History,
    registry: &Registry,
    change: &CommitChange,
) -> Result<Vec<FieldChange>, Box<Status>> {
    let Some(before) = change.before.filter(|_| !change.deleted) else { return Ok(Vec::new()) };
    let (before, after) = (version(history, before).await?, version(history, change.after).await?);
    let (Some(before), Some(after)) = (before, after) else { return Ok(Vec::new()) };
    Ok(between(registry, &change.key, before, after))
}

/// What differs between two versions of an object, without what every change writes.
pub(crate) fn between(
    registry: &Registry,
    key: &ObjectKey,
    mut before: Value,
    mut after: Value,
) -> Vec<FieldChange> {
    for object in [&mut before, &mut after] {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|field, _| !OF_EVERY_CHANGE.contains(&field.as_str()));
        }
    }
    with_topology(registry, key, &after, |topology| diff(Some(&before), Some(&after), topology))
}

/// Calls `run` with what the object's kind says of its lists; `object` tells its version.
pub(super) fn with_topology<T>(
    registry: &Registry,
    key: &ObjectKey,
    object: &Value,
    run: impl FnOnce(&dyn Topology) -> T,
) -> T {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let mut kinds = registry.kinds_of_group(key.group());
    let kind =
        kinds.find(|kind| kind.plural == key.resource() && kind.api_version() == api_version);
    match kind {
        Some(kind) => run(&KindTopology::of(kind)),
        // The kind may have gone since.
        None => run(&Schemaless),
    }
}

/// An object's version; `None` where it is no longer kept.
async fn version(history: &dyn History, revision: Revision) -> Result<Option<Value>, Box<Status>> {
    let found = history.version(revision).await.map_err(history_error)?;
    Ok(found.and_then(|object| serde_json::from_slice(&object.bytes).ok()))
}

/// A changed field as the API shows it.
pub(crate) fn field(change: &FieldChange) -> Value {
    let mut shown = json!({"path": change.path.to_string()});
    for (name, value) in [("before", &change.before), ("after", &change.after)] {
        if let Some(value) = value {
            shown[name] = value.clone();
        }
    }
    shown
}
