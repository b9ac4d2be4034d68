//! A commit as an object of the API.

use crate::object::encode;
use jiff::Timestamp;
use reddwarf_core::object::splice_revision;
use reddwarf_core::{
    BranchId, Collection, Commit, CommitChange, ObjectIndex, ObjectKey, StoredObject,
};
use serde_json::{Value, json};

/// How many digits of its id a commit is named by: enough to tell many millions apart.
pub(crate) const NAME_DIGITS: usize = 16;

/// A commit, as [`value`] shows it, as one of the objects of `collection`.
pub(super) fn stored(collection: &Collection, commit: &Commit, shown: &Value) -> StoredObject {
    let text = |field: &str| shown["metadata"][field].as_str().unwrap_or_default();
    let encoded = encode("history.reddwarf.dev/v1alpha1", "Commit", shown);
    let revision = commit.header.last;
    let bytes = splice_revision(&encoded.bytes, encoded.version_offset as usize, 0, revision);
    StoredObject {
        key: collection.key(text("namespace"), text("name")),
        revision,
        created: revision,
        version_at: (encoded.version_offset, (bytes.len() - encoded.bytes.len()) as u8),
        bytes,
        index: ObjectIndex::default(),
        salt: None,
        content: [0; 32],
    }
}

/// What a commit is named.
pub(super) fn name_of(commit: &Commit) -> String {
    let mut id = commit.id.to_string();
    id.truncate(NAME_DIGITS);
    id
}

/// A commit as the API shows it: in the namespace that was asked for, or else in that of its
/// first change.
pub(super) fn value(commit: &Commit, namespace: Option<&str>) -> Value {
    let header = &commit.header;
    let first = header.changes.first().map(|change| change.key.namespace());
    let namespace = namespace.or(first).unwrap_or_default();
    let id = commit.id.to_string();
    let mut meta = json!({"name": name_of(commit)});
    if !namespace.is_empty() {
        meta["namespace"] = namespace.into();
    }
    let time = i64::try_from(header.time_ms).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(time).unwrap_or(Timestamp::MAX);
    let seconds = Timestamp::from_second(time.as_second()).unwrap_or(Timestamp::MAX);
    meta["creationTimestamp"] = seconds.to_string().into();
    let author = &header.author;
    let mut object = json!({
        "metadata": meta,
        "id": id,
        "branch": if header.branch == BranchId::MAIN { "main".into() } else { header.branch.0.to_string() },
        "parents": header.parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "firstRevision": header.first.to_string(),
        "lastRevision": header.last.to_string(),
        "time": time.to_string(),
        "author": {
            "user": author.user,
            "groups": author.groups,
            "userAgent": author.user_agent,
            "fieldManager": author.field_manager,
        },
        "verb": header.verb,
        "requestID": hex(&header.request_id.0),
        "summary": summary(&header.changes),
        "changes": header.changes.iter().map(change).collect::<Vec<_>>(),
    });
    if let Some(message) = &header.message {
        object["message"] = message.as_str().into();
    }
    object
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn change(change: &CommitChange) -> Value {
    let key = &change.key;
    let what = match (change.deleted, change.before) {
        (true, _) => "Deleted",
        (false, None) => "Created",
        (false, Some(_)) => "Updated",
    };
    let mut shown = json!({"group": key.group(), "resource": key.resource()});
    if !key.namespace().is_empty() {
        shown["namespace"] = key.namespace().into();
    }
    shown["name"] = key.name().into();
    shown["change"] = what.into();
    if let Some(before) = change.before {
        shown["before"] = before.to_string().into();
    }
    shown["after"] = change.after.to_string().into();
    shown
}

/// `deployments.apps/web`, or how many objects there are.
fn summary(changes: &[CommitChange]) -> String {
    match changes {
        [one] => named(&one.key),
        many => format!("{} objects", many.len()),
    }
}

/// An object as `kubectl` names it: `deployments.apps/web`.
pub(crate) fn named(key: &ObjectKey) -> String {
    let (resource, name) = (key.resource(), key.name());
    match key.group() {
        "" => format!("{resource}/{name}"),
        group => format!("{resource}.{group}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::{Author, CommitHeader, CommitId, RequestId, Revision};

    #[test]
    fn a_commit_is_shown() {
        let changed =
            |key: ObjectKey, before: Option<u64>, after: u64, deleted: bool| CommitChange {
                key,
                before: before.map(Revision),
                after: Revision(after),
                deleted,
                content: [0; 32],
            };
        let header = CommitHeader {
            parents: vec![CommitId([1; 32])],
            branch: BranchId::MAIN,
            first: Revision(7),
            last: Revision(8),
            time_ms: 1_500,
            author: Author { user: "eve".into(), ..Author::default() },
            verb: "delete".into(),
            message: Some("clean up".into()),
            request_id: RequestId([0xab; 16]),
            changes: vec![
                changed(ObjectKey::new("apps", "deployments", "shop", "web"), Some(3), 7, true),
                changed(ObjectKey::new("", "nodes", "", "n1"), None, 8, false),
            ],
        };
        let commit = Commit { id: CommitId([0xcd; 32]), header };
        let collection = Collection::new("history.reddwarf.dev", "commits");
        let object = stored(&collection, &commit, &value(&commit, None));
        let shown: Value = serde_json::from_slice(&object.bytes).expect("JSON");
        assert_eq!(
            shown["metadata"],
            json!({"name": "cdcdcdcdcdcdcdcd", "namespace": "shop", "resourceVersion": "8",
                "creationTimestamp": "1970-01-01T00:00:01Z"})
        );
        assert_eq!(
            (&shown["time"], &shown["summary"], &shown["message"]),
            (&json!("1970-01-01T00:00:01.5Z"), &json!("2 objects"), &json!("clean up"))
        );
        assert_eq!(
            shown["changes"],
            json!([
                {"group": "apps", "resource": "deployments", "namespace": "shop", "name": "web",
                    "change": "Deleted", "before": "3", "after": "7"},
                {"group": "", "resource": "nodes", "name": "n1", "change": "Created", "after": "8"},
            ])
        );
        assert!(object.bytes.starts_with(b"{\"kind\":\"Commit\",\"apiVersion\":"));
        let at = object.version_at;
        assert_eq!(&object.bytes[at.0 as usize..][..usize::from(at.1)], b"8");
    }
}
