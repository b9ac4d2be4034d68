//! The two states that are compared.

use crate::branches::{find, no_branch};
use crate::changesets::is_kept;
use crate::errors::{bad_request, history_error, read_error, unavailable};
use crate::past::{Moment, resolve};
use crate::server::ApiServer;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    Branch, BranchId, ChangedObject, Commit, CommitRef, History, ObjectKey, Revision, Status,
    StoredObject,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A state: main at a revision, and what a branch changed over it.
pub(super) struct Side {
    main: Revision,
    branch: Option<(String, Arc<Branch>)>,
}

/// An object that differs.
pub(super) struct Differing {
    pub(super) key: ObjectKey,
    pub(super) before: Option<Arc<StoredObject>>,
    pub(super) after: Option<Arc<StoredObject>>,
}

impl Side {
    /// The state that a text names: `branches/NAME`, a moment, or the present when it is empty.
    ///
    /// # Errors
    /// The failure to be answered.
    pub(super) async fn find(server: &ApiServer, text: &str) -> Result<Side, Box<Status>> {
        if let Some(name) = text.strip_prefix("branches/") {
            server.store().read_barrier().await.map_err(read_error)?;
            let branch = find(server, name).ok_or_else(|| no_branch(name))?;
            let main = branch.at.base.revision;
            return Ok(Side { main, branch: Some((name.to_owned(), branch)) });
        }
        let main = match text {
            "" | "now" => {
                server.store().read_barrier().await.map_err(read_error)?;
                server.store().view().head.revision
            }
            text => resolve(server, &Moment::parse(text).map_err(bad_request)?).await?,
        };
        Ok(Side { main, branch: None })
    }

    pub(super) fn shown(&self) -> Value {
        match &self.branch {
            None => json!({"revision": self.main.to_string()}),
            Some((name, branch)) => json!({
                "branch": name,
                "base": branch.at.base.revision.to_string(),
                "revision": branch.at.head.revision.to_string(),
            }),
        }
    }

    /// What this state has at a key; `of_main` is what main has there at this side's revision.
    fn version(
        &self,
        key: &ObjectKey,
        of_main: Option<Arc<StoredObject>>,
    ) -> Option<Arc<StoredObject>> {
        let changed = self.branch.as_ref().and_then(|(_, branch)| branch.changes.get(key));
        changed.map_or(of_main, |change| change.object.clone())
    }
}

/// The moment of main with which a branch is compared: the newest that it has merged, or where it
/// began.
///
/// # Errors
/// 404 for a branch that there is not.
pub(super) async fn base_of(server: &ApiServer, name: &str) -> Result<String, Box<Status>> {
    server.store().read_barrier().await.map_err(read_error)?;
    let branch = find(server, name).ok_or_else(|| no_branch(name))?;
    let history = server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let common = branch.at.merge_base().revision;
    let taken = history.commit(&CommitRef::Revision(common)).await.ok().flatten();
    let of_main = |commit: &Commit| commit.header.branch == BranchId::MAIN;
    Ok(match taken.is_some_and(|commit| of_main(&commit)) {
        true => common.to_string(),
        false => branch.at.base.revision.to_string(),
    })
}

/// The objects that differ, by key, only those of `namespace` when it is not empty.
///
/// # Errors
/// The failure to be answered.
pub(super) async fn differing(
    server: &ApiServer,
    from: &Side,
    to: &Side,
    namespace: &str,
) -> Result<Vec<Differing>, Box<Status>> {
    let history = server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let changed = history.changed_between(BranchId::MAIN, from.main, to.main).await;
    let mut keys: BTreeMap<ObjectKey, Option<ChangedObject>> = BTreeMap::new();
    for object in changed.map_err(history_error)? {
        keys.insert(object.key.clone(), Some(object));
    }
    for (_, branch) in [&from.branch, &to.branch].into_iter().flatten() {
        for key in branch.changes.keys() {
            keys.entry(key.clone()).or_default();
        }
    }
    let wanted = |key: &ObjectKey| {
        let within = namespace.is_empty() || key.namespace() == namespace;
        // A branch that merges main takes over no more than what is kept.
        let mut branches = [&from.branch, &to.branch].into_iter().flatten();
        let kept = is_kept(key) || branches.all(|(_, branch)| branch.changes.contains_key(key));
        within && key.collection() != BRANCHES && kept
    };
    let mut differing = Vec::new();
    for (key, changed) in keys.into_iter().filter(|(key, _)| wanted(key)) {
        let of_main = match changed {
            Some(object) => {
                let before = version(history, object.before).await?;
                (before, version(history, object.after).await?)
            }
            None => {
                let same = history.object_at(BranchId::MAIN, &key, from.main).await;
                let same = same.map_err(history_error)?;
                (same.clone(), same)
            }
        };
        let (before, after) = (from.version(&key, of_main.0), to.version(&key, of_main.1));
        let revision = |version: &Option<Arc<StoredObject>>| version.as_ref().map(|v| v.revision);
        if revision(&before) != revision(&after) {
            differing.push(Differing { key, before, after });
        }
    }
    Ok(differing)
}

async fn version(
    history: &dyn History,
    revision: Option<Revision>,
) -> Result<Option<Arc<StoredObject>>, Box<Status>> {
    match revision {
        None => Ok(None),
        Some(revision) => history.version(revision).await.map_err(history_error),
    }
}
