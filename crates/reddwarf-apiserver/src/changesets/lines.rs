//! What merges of main and its branches wish: what one of them changed since their merge base.

use super::merging::content;
use super::spec::Merge;
use super::wish::{Version, Wish, Wishes, history, is_kept};
use crate::branches::{self, BranchStore, no_branch};
use crate::errors::{bad_request, history_error, unavailable};
use crate::server::ApiServer;
use reddwarf_core::history::COMMITS_PAGE_MAX;
use reddwarf_core::{
    Branch, BranchId, ChangedObject, CommitRef, History, Links, ObjectKey, Revision, Status, View,
};
use std::collections::BTreeMap;

/// On which side the merge base of a branch and main stands.
#[derive(Clone, Copy, PartialEq)]
enum Base {
    /// The branch's state at this revision: main has merged it.
    OfBranch(Revision),
    /// Main's: the branch has merged it, or began there.
    OfMain(Revision),
}

impl Base {
    async fn of(history: &dyn History, branch: &Branch) -> Result<Base, Box<Status>> {
        let at = branch.at.merge_base().revision;
        if at <= branch.at.base.revision {
            return Ok(Base::OfMain(at));
        }
        let commit = history.commit(&CommitRef::Revision(at)).await.map_err(history_error)?;
        Ok(match commit.is_some_and(|commit| commit.header.branch == branch.at.id) {
            true => Base::OfBranch(at),
            false => Base::OfMain(at),
        })
    }
}

/// What a branch changed, for main.
///
/// # Errors
/// 404 for a branch that is not there, 410 where the history does not reach back far enough.
pub(super) async fn of_branch(server: &ApiServer, merge: &Merge) -> Result<Wishes, Box<Status>> {
    let name = &merge.branch;
    if name == "main" {
        return Err(bad_request("main is merged into branches, not into itself"));
    }
    let begun = branches::base(server, name).await?;
    let branch = branches::find(server, name).ok_or_else(|| no_branch(name))?;
    let history = history(server)?;
    let common = Base::of(history, &branch).await?;
    let mut wishes = Vec::new();
    for (key, change) in &branch.changes {
        let base = match common {
            Base::OfBranch(merged) if change.revision <= merged => continue,
            Base::OfBranch(merged) => on_branch(history, &branch, key, merged, &begun).await?,
            Base::OfMain(revision) if revision == begun.revision => begun.get(key).cloned(),
            Base::OfMain(revision) => on_main(history, key, revision).await?,
        };
        wishes.extend(wish(key, base, change.object.clone()));
    }
    let links = Links { merges: Some((branch.at.id, branch.at.head)), ..Links::default() };
    let message = format!("Merge branch {name}");
    Ok(Wishes { wishes, links: Some(links), message })
}

/// What main changed, for a branch.
///
/// # Errors
/// 400 for the merge of another branch, 404 when this one is gone, 410 where the history does not
/// reach back far enough.
pub(super) async fn of_main(store: &BranchStore, merge: &Merge) -> Result<Wishes, Box<Status>> {
    if merge.branch != "main" {
        return Err(bad_request("only main is merged into a branch"));
    }
    let present = store.present.view();
    let branch = store.branch(&present).ok_or_else(|| no_branch(store.name()))?;
    let history = store.present.history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let common = Base::of(history, &branch).await?;
    let from = match common {
        Base::OfMain(revision) => revision,
        Base::OfBranch(merged) => last_taken(history, &branch, merged).await?,
    };
    let main = present.head;
    let changed = history.changed_between(BranchId::MAIN, from, main.revision).await;
    let mut keys: BTreeMap<ObjectKey, Option<ChangedObject>> = BTreeMap::new();
    for object in changed.map_err(history_error)? {
        keys.insert(object.key.clone(), Some(object));
    }
    if let Base::OfBranch(merged) = common {
        // What main did not take over when it merged the branch.
        for (key, _) in branch.changes.iter().filter(|(_, change)| change.revision <= merged) {
            keys.entry(key.clone()).or_default();
        }
    }
    let mut wishes = Vec::new();
    for (key, changed) in keys.into_iter().filter(|(key, _)| is_kept(key)) {
        let wished = match &changed {
            Some(object) => version(history, object.after).await?,
            None => on_main(history, &key, main.revision).await?,
        };
        let base = match (common, &changed) {
            (Base::OfBranch(merged), _) => {
                on_branch(history, &branch, &key, merged, &store.base).await?
            }
            (Base::OfMain(_), Some(object)) => version(history, object.before).await?,
            (Base::OfMain(revision), None) => on_main(history, &key, revision).await?,
        };
        wishes.extend(wish(&key, base, wished));
    }
    let (merges, begins) = (Some((BranchId::MAIN, main)), Some(branch.at.merge_base()));
    let links = Links { merges, begins, ..Links::default() };
    Ok(Wishes { wishes, links: Some(links), message: "Merge main".to_owned() })
}

/// A wish, unless nothing that counts has changed.
fn wish(key: &ObjectKey, base: Version, wished: Version) -> Option<Wish> {
    let same = content(&base) == content(&wished);
    (!same).then(|| Wish { key: key.clone(), base, wished })
}

/// The newest commit of main that the branch had taken at a revision of its own.
async fn last_taken(
    history: &dyn History,
    branch: &Branch,
    at: Revision,
) -> Result<Revision, Box<Status>> {
    let begun = branch.at.base.revision;
    let mut through = Some(at);
    while let Some(until) = through {
        let page = history.commits(branch.at.id, begun, until, COMMITS_PAGE_MAX).await;
        let page = page.map_err(history_error)?;
        let mut merges = page.commits.iter().filter_map(|commit| commit.header.parents.get(1));
        if let Some(taken) = merges.next() {
            let taken = history.commit(&CommitRef::Id(*taken)).await.map_err(history_error)?;
            return Ok(taken.map_or(begun, |commit| commit.header.last));
        }
        through = page.next;
    }
    Ok(begun)
}

/// What the branch had at a key; `begun` is main where it began.
async fn on_branch(
    history: &dyn History,
    branch: &Branch,
    key: &ObjectKey,
    at: Revision,
    begun: &View,
) -> Result<Version, Box<Status>> {
    let log = history.object_log(branch.at.id, key, Some(at.next()), 1).await;
    match log.map_err(history_error)?.first() {
        Some(entry) if entry.deleted => Ok(None),
        Some(entry) => history.version(entry.revision).await.map_err(history_error),
        None => Ok(begun.get(key).cloned()),
    }
}

async fn on_main(
    history: &dyn History,
    key: &ObjectKey,
    at: Revision,
) -> Result<Version, Box<Status>> {
    history.object_at(BranchId::MAIN, key, at).await.map_err(history_error)
}

async fn version(
    history: &dyn History,
    revision: Option<Revision>,
) -> Result<Version, Box<Status>> {
    match revision {
        None => Ok(None),
        Some(revision) => history.version(revision).await.map_err(history_error),
    }
}
