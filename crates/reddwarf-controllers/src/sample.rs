//! Objects for tests.

use reddwarf_core::object::content_hash;
use reddwarf_core::{ObjectIndex, ObjectKey, Revision, StoredObject, View};
use serde_json::{Value, json};
use std::sync::Arc;

/// A config map in the namespace `ns`.
pub fn map(name: &str, uid: &str, owners: &[Value]) -> Value {
    let mut object = json!({"kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "ns", "uid": uid}});
    if !owners.is_empty() {
        object["metadata"]["ownerReferences"] = owners.into();
    }
    object
}

/// A reference to a config map.
pub fn owned_by(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid})
}

/// The same, which blocks a foreground deletion of the owner.
pub fn blocking(name: &str, uid: &str) -> Value {
    let mut reference = owned_by(name, uid);
    reference["blockOwnerDeletion"] = true.into();
    reference
}

/// Marks the object as being deleted, held by `finalizers`.
pub fn going(mut object: Value, finalizers: &[&str]) -> Value {
    object["metadata"]["deletionTimestamp"] = "2024-01-01T00:00:00Z".into();
    object["metadata"]["finalizers"] = finalizers.into();
    object
}

/// Where an object of these tests is stored.
pub fn key(object: &Value) -> ObjectKey {
    let (group, resource) = match object["kind"].as_str() {
        Some("ConfigMap") => ("", "configmaps"),
        Some("Node") => ("", "nodes"),
        Some("Pod") => ("", "pods"),
        Some("ReplicaSet") => ("apps", "replicasets"),
        Some("Deployment") => ("apps", "deployments"),
        Some("PodDisruptionBudget") => ("policy", "poddisruptionbudgets"),
        Some("PersistentVolume") => ("", "persistentvolumes"),
        Some("PersistentVolumeClaim") => ("", "persistentvolumeclaims"),
        Some("VolumeAttributesClass") => ("storage.k8s.io", "volumeattributesclasses"),
        other => panic!("no such kind here: {other:?}"),
    };
    let meta = &object["metadata"];
    let text = |field: &str| meta[field].as_str().unwrap_or_default();
    ObjectKey::new(group, resource, text("namespace"), text("name"))
}

/// The object as the store holds it.
pub fn stored(object: &Value, revision: u64) -> Arc<StoredObject> {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = revision.to_string().into();
    let meta = &object["metadata"];
    let mut owners: Vec<Box<str>> = meta["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|o| Some(o["uid"].as_str()?.into()))
        .collect();
    owners.sort();
    let mut labels: Vec<(Box<str>, Box<str>)> = meta["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into())))
        .collect();
    labels.sort();
    let uid = meta["uid"].as_str().unwrap_or_default().into();
    let bytes = bytes::Bytes::from(object.to_string());
    Arc::new(StoredObject {
        key: key(&object),
        revision: Revision(revision),
        created: Revision(revision),
        version_at: (0, 0),
        index: ObjectIndex { uid, labels, fields: Vec::new(), owners },
        salt: None,
        content: content_hash(&bytes, None),
        bytes,
    })
}

/// A view of the objects; each has its place plus one as its revision.
pub fn view(objects: &[Value]) -> View {
    let mut view = View::default();
    for (at, object) in objects.iter().enumerate() {
        let stored = stored(object, at as u64 + 1);
        view.objects.insert(stored.key.clone(), stored);
    }
    view.revision = Revision(objects.len() as u64);
    view
}
