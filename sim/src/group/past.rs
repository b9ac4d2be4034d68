//! What a member's file has of the past.

use super::front::Seen;
use reddwarf_core::{BranchId, Collection, HistoryError, ObjectKey, Revision, Store, StoredObject};
use reddwarf_storage::KvError;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A collection of a line as it was.
#[derive(Clone, Debug)]
pub struct Past {
    /// What was asked for.
    pub asked: Revision,
    /// The objects, at the revision that is meant.
    pub seen: Seen,
    /// For each of them the revision that created it.
    pub created: Vec<Revision>,
}

/// Why a past is not told.
#[derive(Clone, Debug)]
pub enum Untold {
    /// It is not kept below the floor.
    Gone {
        /// What was asked for.
        asked: Revision,
        /// Where that begins which is kept.
        floor: Revision,
    },
    /// The content of the version that took this revision was taken away.
    Excised(Revision),
    /// There is no such branch any more.
    NoBranch,
    /// The file is damaged.
    Damaged(String),
    /// Not now.
    NotNow(String),
}

impl From<HistoryError> for Untold {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Gone { asked, floor } => Untold::Gone { asked, floor },
            HistoryError::Excised(revision) => Untold::Excised(revision),
            HistoryError::NoBranch(_) => Untold::NoBranch,
            HistoryError::Unreadable(cause)
                if cause.downcast_ref::<KvError>().is_some_and(KvError::is_damage) =>
            {
                Untold::Damaged(cause.to_string())
            }
            other => Untold::NotNow(other.to_string()),
        }
    }
}

/// Reads what a line shows of a collection at a revision, from its base on; for a branch at its base
/// and what it changed since.
///
/// # Errors
/// See [`Untold`].
pub async fn read(
    store: &dyn Store,
    line: BranchId,
    collection: &Collection,
    asked: Revision,
) -> Result<Past, Untold> {
    let history = store.history().expect("invariant: a replicated store has a history");
    let view = store.view();
    let mut steps = Vec::new();
    let mut at = (line, asked);
    while at.0 != BranchId::MAIN {
        let Some((_, branch)) = view.line(at.0) else { return Err(Untold::NoBranch) };
        steps.push((at.0, branch.at.base.revision, at.1));
        at = (branch.at.from, branch.at.base.revision);
    }
    let main = match steps.is_empty() {
        true => history.collection_at(BranchId::MAIN, collection, None, at.1).await?,
        // As the API reads it: what is not kept any more of a kind is not there.
        false => history.state_at(at.1).await?,
    };
    let mut revision = main.revision;
    let objects = main.list(collection, None, None).cloned();
    let mut objects: BTreeMap<ObjectKey, Arc<StoredObject>> =
        objects.map(|object| (object.key.clone(), object)).collect();
    let prefix = collection.prefix();
    for (branch, base, through) in steps.into_iter().rev() {
        revision = history.collection_at(branch, collection, None, through).await?.revision;
        for changed in history.changed_between(branch, base, through).await? {
            if !changed.key.as_str().starts_with(&prefix) {
                continue;
            }
            let Some(after) = changed.after else {
                objects.remove(&changed.key);
                continue;
            };
            let Some(object) = history.version(after).await? else {
                return Err(Untold::Damaged(format!("{} has no revision {after}", changed.key)));
            };
            objects.insert(changed.key, object);
        }
    }
    let created = objects.values().map(|object| object.created).collect();
    let objects =
        objects.into_values().map(|one| (one.key.clone(), one.revision, one.bytes.clone()));
    Ok(Past { asked, seen: Seen { revision, objects: objects.collect() }, created })
}
