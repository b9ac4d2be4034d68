//! The metadata that controllers read from stored objects.

use memchr::memmem;
use reddwarf_core::StoredObject;
use serde::Deserialize;
use std::sync::Arc;

/// The finalizer under which dependents are let go before their owner goes.
pub const ORPHAN: &str = "orphan";
/// The finalizer under which dependents go before their owner.
pub const FOREGROUND: &str = "foregroundDeletion";

/// A uid, shared by everything that names it.
pub type Uid = Arc<str>;

/// One of an object's `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerRef {
    /// `apiVersion`.
    #[serde(default)]
    pub api_version: Box<str>,
    /// Kind.
    #[serde(default)]
    pub kind: Box<str>,
    /// Name.
    #[serde(default)]
    pub name: Box<str>,
    /// Uid.
    #[serde(default = "no_uid")]
    pub uid: Uid,
    /// Whether the owner manages the object.
    #[serde(default)]
    pub controller: Option<bool>,
    /// Whether a foreground deletion of the owner waits for the object.
    #[serde(default)]
    pub block_owner_deletion: Option<bool>,
}

fn no_uid() -> Uid {
    Arc::from("")
}

impl OwnerRef {
    /// Whether a foreground deletion of the owner waits for the object.
    pub fn blocks(&self) -> bool {
        self.block_owner_deletion == Some(true)
    }
}

/// Metadata that says how an object is bound to others.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Uid.
    pub uid: Box<str>,
    deletion_timestamp: Option<Box<str>>,
    /// Finalizers.
    pub finalizers: Vec<Box<str>>,
    /// Owner references.
    pub owner_references: Vec<OwnerRef>,
}

#[derive(Default, Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Meta,
}

impl Meta {
    /// Reads the metadata of a stored object.
    pub fn read(stored: &StoredObject) -> Self {
        // What is stored was encoded from a checked value.
        serde_json::from_slice::<Object>(&stored.bytes).unwrap_or_default().metadata
    }

    /// Whether the object is being deleted.
    pub fn terminating(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Whether it has the finalizer.
    pub fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|held| &**held == finalizer)
    }

    /// What a deletion that is under way waits for the collector to do.
    pub fn awaits(&self) -> Option<Awaits> {
        match self.terminating() {
            true if self.has(ORPHAN) => Some(Awaits::Orphaning),
            true if self.has(FOREGROUND) => Some(Awaits::Dependents),
            _ => None,
        }
    }
}

/// What an object that is being deleted waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// Its dependents must lose their reference to it.
    Orphaning,
    /// Its dependents must go first.
    Dependents,
}

/// [`Meta::awaits`] of a stored object; parses only what might have an answer.
pub fn awaits(stored: &StoredObject) -> Option<Awaits> {
    let holds = |text: &str| memmem::find(&stored.bytes, text.as_bytes()).is_some();
    let perhaps = holds("\"deletionTimestamp\":\"")
        && (holds("\"foregroundDeletion\"") || holds("\"orphan\""));
    if perhaps { Meta::read(stored).awaits() } else { None }
}

/// The owner references of a stored object; parses only them.
///
/// Stored metadata precedes everything in which the same bytes might stand, and within it only
/// labels and annotations come first, whose texts have their quotes escaped.
pub fn owner_references(stored: &StoredObject) -> Vec<OwnerRef> {
    if stored.index.owners.is_empty() {
        return Vec::new();
    }
    const FIELD: &[u8] = b"\"ownerReferences\":";
    let read = memmem::find(&stored.bytes, FIELD).and_then(|at| {
        let mut values = serde_json::Deserializer::from_slice(&stored.bytes[at + FIELD.len()..])
            .into_iter::<Vec<OwnerRef>>();
        values.next()?.ok()
    });
    match read {
        Some(owners) if owners.len() == stored.index.owners.len() => owners,
        _ => Meta::read(stored).owner_references,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{map, owned_by};
    use serde_json::json;

    #[test]
    fn owner_references_are_found_behind_texts_that_look_like_them() {
        let text = r#""ownerReferences":[{"uid":"wrong"}]"#;
        let mut object = map("a", "u", &[owned_by("o", "v")]);
        object["metadata"]["annotations"] = json!({"x": text});
        object["data"] = json!({"ownerReferences": text});
        let read = owner_references(&crate::sample::stored(&object, 1));
        assert_eq!(read.len(), 1);
        assert_eq!((&*read[0].uid, &*read[0].name), ("v", "o"));
        let mut object = map("a", "u", &[]);
        object["ownerReferences"] = json!([{"uid": "wrong"}]);
        assert!(owner_references(&crate::sample::stored(&object, 1)).is_empty());
    }

    #[test]
    fn only_a_deletion_under_way_waits() {
        let awaits = |meta: serde_json::Value| {
            let mut object = map("a", "u", &[]);
            for (field, value) in meta.as_object().expect("an object") {
                object["metadata"][field] = value.clone();
            }
            awaits(&crate::sample::stored(&object, 1))
        };
        let now = "2024-01-01T00:00:00Z";
        assert_eq!(awaits(json!({"finalizers": ["foregroundDeletion"]})), None);
        assert_eq!(awaits(json!({"deletionTimestamp": now, "finalizers": ["x"]})), None);
        let both = json!({"deletionTimestamp": now, "finalizers": ["x", "foregroundDeletion"]});
        assert_eq!(awaits(both), Some(Awaits::Dependents));
        let orphan = json!({"deletionTimestamp": now, "finalizers": ["orphan"]});
        assert_eq!(awaits(orphan), Some(Awaits::Orphaning));
        let told = json!({"deletionTimestamp": now, "annotations": {"a": "\"orphan\""}});
        assert_eq!(awaits(told), None);
    }
}
