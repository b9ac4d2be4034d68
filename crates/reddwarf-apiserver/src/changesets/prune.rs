//! What a field manager applied before and does not apply any more.

use super::basis::outdated;
use super::refusal::named;
use super::session::{Session, path};
use crate::custom::DEFINITIONS;
use crate::registry::Kind;
use reddwarf_core::{LabelSelector, ObjectKey, Status, StoredObject, View};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Kinds whose objects are never pruned: too much goes with them.
const KEPT: [(&str, &str); 2] = [("", "namespaces"), DEFINITIONS];

impl Session<'_> {
    /// Deletes what `selector` selects of the field manager's objects and the set does not have:
    /// in the namespaces of the set, and outside of namespaces.
    ///
    /// # Errors
    /// That of the first deletion that fails, or 409 for what a plan knew nothing of.
    pub(super) async fn prune(&mut self, selector: &LabelSelector) -> Result<(), Box<Status>> {
        let view = self.view();
        for (kind, key) in self.gone(&view, selector) {
            if !self.is_planned(&key) {
                return Err(outdated(&format!("it did not have {} to prune", named(&key))));
            }
            let path = path(&kind, key.namespace(), key.name());
            let path = format!("{path}?propagationPolicy=Background");
            self.send(&key, "DELETE", &path, None).await?;
            self.pruned.push(key);
        }
        Ok(())
    }

    /// Whether the plan that is carried out, if there is one, has an object.
    fn is_planned(&self, key: &ObjectKey) -> bool {
        let based_on = self.set.based_on.as_ref();
        based_on.is_none_or(|all| all.iter().any(|condition| condition.key == *key))
    }

    fn gone(&self, view: &View, selector: &LabelSelector) -> Vec<(Arc<Kind>, ObjectKey)> {
        let mut namespaces: BTreeSet<&str> = self.keys.iter().map(ObjectKey::namespace).collect();
        namespaces.insert("");
        let registry = self.staging.server.registry();
        let mut collections = BTreeSet::new();
        let mut gone = Vec::new();
        let kinds = registry.kinds().filter(|kind| kind.stored() && kind.verbs.has("delete"));
        let mut kinds: Vec<_> = kinds.collect();
        // In the storage version no webhook is asked.
        kinds.sort_by_key(|kind| kind.is_converted());
        for kind in kinds {
            let collection = &kind.storage.collection;
            let kept = KEPT.contains(&(kind.group.as_ref(), kind.plural.as_ref()));
            if kept || !collections.insert(collection.clone()) {
                continue;
            }
            for namespace in &namespaces {
                let found = view.list(collection, Some(namespace), None);
                let found = found.filter(|object| self.is_gone(object, selector));
                gone.extend(found.map(|object| (kind.clone(), object.key.clone())));
            }
        }
        gone
    }

    fn is_gone(&self, object: &StoredObject, selector: &LabelSelector) -> bool {
        selector.matches(&object.index.labels)
            && !self.keys.contains(&object.key)
            && is_live_and_applied_by(&self.set.manager, &object.bytes)
    }
}

fn is_live_and_applied_by(manager: &str, object: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Object {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        deletion_timestamp: Option<String>,
        #[serde(default)]
        managed_fields: Vec<Entry>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Entry {
        manager: String,
        operation: String,
        subresource: String,
    }
    let Ok(Object { metadata }) = serde_json::from_slice(object) else { return false };
    let mut entries = metadata.managed_fields.iter();
    metadata.deletion_timestamp.is_none()
        && entries.any(|entry| {
            entry.manager == manager && entry.operation == "Apply" && entry.subresource.is_empty()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_applied_counts() {
        let object = |more: &str, operation: &str| {
            let entry = format!(r#"{{"manager":"a","operation":"{operation}"}}"#);
            format!(r#"{{"metadata":{{{more}"managedFields":[{entry}]}}}}"#)
        };
        let applied = object("", "Apply");
        assert!(is_live_and_applied_by("a", applied.as_bytes()));
        assert!(!is_live_and_applied_by("b", applied.as_bytes()));
        assert!(!is_live_and_applied_by("a", object("", "Update").as_bytes()));
        let going = object(r#""deletionTimestamp":"2026-01-01T00:00:00Z","#, "Apply");
        assert!(!is_live_and_applied_by("a", going.as_bytes()));
        assert!(!is_live_and_applied_by("a", br#"{"metadata":{}}"#));
    }
}
