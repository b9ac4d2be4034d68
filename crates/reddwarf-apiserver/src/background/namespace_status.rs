//! What a namespace that is going away says of itself.

use super::Background;
use jiff::Timestamp;
use reddwarf_core::{Collection, Status, StoredObject, View};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is left in a namespace: how many objects of each resource, and of each finalizer; and
/// what was said of those that could not be deleted.
#[derive(Debug, Default)]
pub(super) struct Remaining {
    resources: BTreeMap<String, usize>,
    finalizers: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Remaining {
    /// Counts what the view holds of the collections that `counted` takes.
    pub(super) fn of(
        background: &Background,
        view: &View,
        namespace: &str,
        counted: impl Fn(&Collection) -> bool,
        failures: &[Box<Status>],
    ) -> Self {
        let mut remaining = Remaining {
            failures: failures.iter().map(|status| status.message.clone()).collect(),
            ..Remaining::default()
        };
        remaining.failures.sort();
        let mut seen = std::collections::BTreeSet::new();
        for kind in background.registry.current().kinds().filter(|kind| kind.namespaced()) {
            let collection = &kind.storage.collection;
            if !counted(collection) || !seen.insert(collection.clone()) {
                continue;
            }
            for object in view.list(&kind.storage.collection, Some(namespace), None) {
                *remaining
                    .resources
                    .entry(format!("{}.{}", kind.plural, kind.group))
                    .or_default() += 1;
                remaining.count_finalizers(object);
            }
        }
        remaining
    }

    fn count_finalizers(&mut self, object: &StoredObject) {
        let object: Value = serde_json::from_slice(&object.bytes).unwrap_or_default();
        for name in object["metadata"]["finalizers"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default().to_owned();
            *self.finalizers.entry(name).or_default() += 1;
        }
    }

    /// Whether every object of the collection in the namespace is already being deleted.
    pub(super) fn all_are_going(view: &View, collection: &Collection, namespace: &str) -> bool {
        view.list(collection, Some(namespace), None).all(|object| {
            let object: Value = serde_json::from_slice(&object.bytes).unwrap_or_default();
            object["metadata"].get("deletionTimestamp").is_some()
        })
    }
}

/// The conditions in upstream's order and words; `None` when `stored` says the same.
pub(super) fn conditions(remaining: &Remaining, stored: &Value) -> Option<Vec<Value>> {
    let content =
        listed(&remaining.resources, |name, n| format!("{name} has {n} resource instances"));
    let finalizers =
        listed(&remaining.finalizers, |name, n| format!("{name} in {n} resource instances"));
    let (content_status, content_reason, content_text) = match &content {
        Some(text) => {
            ("True", "SomeResourcesRemain", format!("Some resources are remaining: {text}"))
        }
        None => ("False", "ContentRemoved", "All content successfully removed".to_owned()),
    };
    let (held_status, held_reason, held_text) = match &finalizers {
        Some(text) => (
            "True",
            "SomeFinalizersRemain",
            format!("Some content in the namespace has finalizers remaining: {text}"),
        ),
        None => (
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished".to_owned(),
        ),
    };
    let (failed_status, failed_reason, failed_text) = match &remaining.failures[..] {
        [] => (
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization".to_owned(),
        ),
        failures => (
            "True",
            "ContentDeletionFailed",
            format!(
                "Failed to delete all resource types, {} remaining: {}",
                failures.len(),
                failures.join(", ")
            ),
        ),
    };
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            "False",
            "ResourcesDiscovered",
            "All resources successfully discovered".to_owned(),
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "False",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed".to_owned(),
        ),
        ("NamespaceDeletionContentFailure", failed_status, failed_reason, failed_text),
        ("NamespaceContentRemaining", content_status, content_reason, content_text),
        ("NamespaceFinalizersRemaining", held_status, held_reason, held_text),
    ];
    let find = |kind: &str| stored.as_array()?.iter().find(|c| c["type"] == kind);
    let same = wanted.iter().all(|(kind, status, reason, text)| {
        find(kind).is_some_and(|c| {
            c["status"] == *status && c["reason"] == *reason && c["message"] == text.as_str()
        })
    });
    if same {
        return None;
    }
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let since = |kind: &str, status: &str| {
        find(kind)
            .filter(|c| c["status"] == status)
            .map_or_else(|| json!(now), |c| c["lastTransitionTime"].clone())
    };
    let shown = wanted.iter().map(|(kind, status, reason, text)| {
        json!({
            "type": kind, "status": status, "lastTransitionTime": since(kind, status),
            "reason": reason, "message": text,
        })
    });
    Some(shown.collect())
}

fn listed(
    counts: &BTreeMap<String, usize>,
    show: impl Fn(&str, usize) -> String,
) -> Option<String> {
    let shown: Vec<String> = counts.iter().map(|(name, n)| show(name, *n)).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remaining_content_is_named() {
        let mut remaining = Remaining::default();
        remaining.resources.insert("configmaps.".into(), 1);
        remaining.finalizers.insert("example.com/hold".into(), 1);
        let shown = conditions(&remaining, &Value::Null).expect("new conditions");
        assert_eq!(
            shown[3]["message"],
            "Some resources are remaining: configmaps. has 1 resource instances"
        );
        assert_eq!(
            shown[4]["message"],
            "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
        );
        assert!(conditions(&remaining, &json!(shown)).is_none());
    }

    #[test]
    fn what_could_not_be_deleted_is_told() {
        let failures = vec!["no".to_owned(), "never".to_owned()];
        let remaining = Remaining { failures, ..Remaining::default() };
        let shown = conditions(&remaining, &Value::Null).expect("new conditions");
        assert_eq!(shown[2]["reason"], "ContentDeletionFailed");
        assert_eq!(
            shown[2]["message"],
            "Failed to delete all resource types, 2 remaining: no, never"
        );
    }
}
