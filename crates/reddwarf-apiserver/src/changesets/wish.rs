//! What objects are to become, for sets that come from the history: merges of branches, reverts of
//! commits, restorations of moments.

use super::lines;
use super::merging::content;
use super::rewind::of_rewind;
use super::spec::{Restore, Revert, Source};
use crate::branches::Version;
use crate::errors::{bad_request, history_error, unavailable};
use crate::object::terminating;
use crate::past::{Moment, resolve};
use crate::server::ApiServer;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_core::{
    BranchId, Collection, CommitRef, History, LabelSelector, Links, ObjectKey, Reason, Revision,
    Status, StoredObject, View,
};
use serde_json::Value;
use std::sync::Arc;

/// Kinds that say what happens or who is there just now, which nothing brings back.
const PASSING: [(&str, &str); 3] =
    [("", "events"), ("events.k8s.io", "events"), ("coordination.k8s.io", "leases")];

/// What one object is to become.
pub(super) struct Wish {
    pub(super) key: ObjectKey,
    /// The version from which both the live object and the wished one come; `None` where it did
    /// not exist.
    pub(super) base: Base,
    /// The wished version; `None` when the object is to be gone.
    pub(super) wished: Version,
}

/// What two versions of an object come from.
pub(super) enum Base {
    /// A version.
    Version(Version),
    /// What several merge bases have become together.
    Several {
        /// See [`reddwarf_versioning::common`].
        content: Option<Value>,
        /// The newest of their versions.
        newest: Version,
    },
}

impl Base {
    /// What is compared of it.
    pub(super) fn content(&self) -> Option<Value> {
        match self {
            Base::Version(version) => content(version),
            Base::Several { content, .. } => content.clone(),
        }
    }

    /// The version, or the newest one of several.
    pub(super) fn newest(&self) -> &Version {
        match self {
            Base::Version(version) => version,
            Base::Several { newest, .. } => newest,
        }
    }
}

/// All that is wished.
#[derive(Default)]
pub(super) struct Wishes {
    pub(super) wishes: Vec<Wish>,
    /// What the write has to do with branches.
    pub(super) links: Option<Links>,
    /// What the history says of it, unless the request says something else.
    pub(super) message: String,
}

/// Finds what a set wishes.
///
/// # Errors
/// 404 for a branch or commit that is not there, 410 for a moment below the floor, 413 for more
/// than one commit holds.
pub(super) async fn find(
    server: &ApiServer,
    source: &Source,
    present: &View,
) -> Result<Wishes, Box<Status>> {
    let wishes = match source {
        Source::Objects => Wishes::default(),
        Source::Merge(merge) => lines::of_line(server, merge).await?,
        Source::Revert(revert) => of_commit(server, revert).await?,
        Source::Restore(restore) => of_moment(server, restore, present).await?,
        Source::Rewind(rewind) => of_rewind(server, rewind, present).await?,
    };
    let count = wishes.wishes.len();
    if count > PROPOSAL_OBJECTS_MAX {
        let message = format!(
            "Request entity too large: limit is {PROPOSAL_OBJECTS_MAX} objects in one commit, these are {count}"
        );
        return Err(Box::new(Status::failure(Reason::RequestEntityTooLarge, message)));
    }
    Ok(wishes)
}

pub(super) fn history(server: &ApiServer) -> Result<&dyn History, Box<Status>> {
    server.store().history().ok_or_else(|| unavailable("this store keeps no history"))
}

async fn of_commit(server: &ApiServer, revert: &Revert) -> Result<Wishes, Box<Status>> {
    let history = history(server)?;
    let named: CommitRef =
        revert.commit.parse().map_err(|error| bad_request(format!("spec.revert: {error}")))?;
    let found = history.commit(&named).await.map_err(history_error)?;
    let Some(commit) = found else {
        let message = format!("there is no commit {}", revert.commit);
        return Err(Box::new(Status::failure(Reason::NotFound, message)));
    };
    let own = server.branch().map_or(BranchId::MAIN, |branch| branch.id());
    if ![BranchId::MAIN, own].contains(&commit.header.branch) {
        return Err(bad_request("the commit is another branch's, and was not made here"));
    }
    let version = async |revision: Option<Revision>| match revision {
        None => Ok(None),
        Some(revision) => history.version(revision).await.map_err(history_error),
    };
    let mut wishes = Vec::new();
    for change in &commit.header.changes {
        let base = version((!change.deleted).then_some(change.after)).await?;
        let wished = version(change.before).await?;
        wishes.push(Wish { key: change.key.clone(), base: Base::Version(base), wished });
    }
    let id = commit.id.to_string();
    let said = commit.header.message.map_or(String::new(), |message| format!(": {message}"));
    let message = format!("Revert {}{said}", &id[..12]);
    Ok(Wishes { wishes, message, ..Wishes::default() })
}

async fn of_moment(
    server: &ApiServer,
    restore: &Restore,
    present: &View,
) -> Result<Wishes, Box<Status>> {
    let history = history(server)?;
    let moment = Moment::parse(&restore.at).map_err(bad_request)?;
    let revision = resolve(server, &moment).await?;
    let selector = restore.label_selector.as_deref().map(LabelSelector::parse).transpose();
    let selector = selector.map_err(|error| bad_request(error.to_string()))?;
    let changed = history.changed_between(BranchId::MAIN, revision, present.revision).await;
    let mut wishes = Vec::new();
    for changed in changed.map_err(history_error)? {
        let key = changed.key;
        if !is_kept(&key) || !is_within(&key, restore) {
            continue;
        }
        let Some(before) = changed.before else { continue };
        let then = history.version(before).await.map_err(history_error)?;
        let wanted = |then: &&Arc<StoredObject>| {
            selector.as_ref().is_none_or(|selector| selector.matches(&then.index.labels))
                && !terminating(&serde_json::from_slice::<Value>(&then.bytes).unwrap_or_default())
        };
        let Some(wished) = then.as_ref().filter(wanted).cloned() else { continue };
        // Whatever became of it since gives way.
        let base = Base::Version(present.get(&key).cloned());
        wishes.push(Wish { key, base, wished: Some(wished) });
    }
    let message = format!("Restore the state at revision {revision}");
    Ok(Wishes { wishes, message, ..Wishes::default() })
}

/// Whether an object is of the state of a line, rather than of what happens just now or of the
/// branches.
pub(crate) fn is_kept(key: &ObjectKey) -> bool {
    !PASSING.contains(&(key.group(), key.resource()))
        && key.collection() != reddwarf_core::branch::BRANCHES
}

/// Whether a restoration is about an object.
fn is_within(key: &ObjectKey, restore: &Restore) -> bool {
    let namespace = restore.namespace.as_deref().unwrap_or_default();
    let in_namespace = namespace.is_empty()
        || key.namespace() == namespace
        || (key.collection() == "/namespaces" && key.name() == namespace);
    let named = restore.objects.is_empty()
        || restore.objects.iter().any(|object| {
            let collection = Collection::new(&object.group, &object.resource);
            collection.key(&object.namespace, &object.name) == *key
        });
    in_namespace && named
}
