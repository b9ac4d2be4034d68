//! What a line shows at one of its commits: what it changed itself, over what the line where it began
//! changed, down to main.

use super::no_branch;
use crate::changesets::is_kept;
use crate::errors::history_error;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    Branch, BranchId, History, ObjectKey, Place, Revision, Status, StoredObject, View,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A version of an object; `None` where it does not exist.
pub(crate) type Version = Option<Arc<StoredObject>>;

/// The parts of lines that a state is made of, main's first.
pub(crate) struct Trace {
    /// What main has now.
    present: View,
    main: Revision,
    branches: Vec<Part>,
}

/// What a branch had changed up to a revision.
struct Part {
    branch: Arc<Branch>,
    through: Revision,
}

impl Part {
    /// Keys that the branch has changed after a revision, some perhaps later than this part ends.
    fn changed_after(&self, after: Revision) -> impl Iterator<Item = ObjectKey> {
        let changes = self.branch.changes.iter();
        changes.filter(move |(_, change)| change.revision > after).map(|(key, _)| key.clone())
    }

    /// What the branch had made of a key; `None` when it had not changed it.
    async fn version(
        &self,
        history: &dyn History,
        key: &ObjectKey,
    ) -> Result<Option<Version>, Box<Status>> {
        let Some(newest) = self.branch.changes.get(key) else { return Ok(None) };
        if newest.revision <= self.through {
            return Ok(Some(newest.object.clone()));
        }
        let (id, before) = (self.branch.at.id, Some(self.through.next()));
        let log = history.object_log(id, key, before, 1).await.map_err(history_error)?;
        match log.first() {
            None => Ok(None),
            Some(entry) if entry.deleted => Ok(Some(None)),
            Some(entry) => history.version(entry.revision).await.map(Some).map_err(history_error),
        }
    }
}

impl Trace {
    /// The state at a place; `present` is main's newest.
    ///
    /// # Errors
    /// 404 for a line that there is not.
    pub(crate) fn of(present: &View, place: Place) -> Result<Trace, Box<Status>> {
        let Place { mut line, revision: mut through } = place;
        let mut branches = Vec::new();
        while line != BranchId::MAIN {
            let (_, branch) = present.line(line).ok_or_else(|| no_branch("of that number"))?;
            branches.push(Part { branch: branch.clone(), through });
            (line, through) = (branch.at.from, branch.at.base.revision);
        }
        branches.reverse();
        Ok(Trace { present: present.clone(), main: through, branches })
    }

    /// The version of an object.
    ///
    /// # Errors
    /// The failure to be answered: 410 where the history does not reach back far enough.
    pub(crate) async fn version(
        &self,
        history: &dyn History,
        key: &ObjectKey,
    ) -> Result<Version, Box<Status>> {
        for part in self.branches.iter().rev() {
            if let Some(version) = part.version(history, key).await? {
                return Ok(version);
            }
        }
        match self.present.get(key) {
            Some(object) if object.revision <= self.main => Ok(Some(object.clone())),
            _ => history.object_at(BranchId::MAIN, key, self.main).await.map_err(history_error),
        }
    }

    /// Keys that may have changed since an ancestor, which `had` so much of each line; of what main
    /// changed, those that a line keeps.
    ///
    /// # Errors
    /// The failure to be answered.
    pub(crate) async fn changed_since(
        &self,
        history: &dyn History,
        had: impl Fn(BranchId) -> Revision,
    ) -> Result<BTreeSet<ObjectKey>, Box<Status>> {
        let mut keys = BTreeSet::new();
        let main = had(BranchId::MAIN);
        if main < self.main {
            keys = changed_on_main(history, main, self.main).await?;
        }
        for part in &self.branches {
            keys.extend(part.changed_after(had(part.branch.at.id)));
        }
        keys.retain(|key| key.collection() != BRANCHES);
        Ok(keys)
    }

    /// Keys at which two states may differ, by the parts that are not the same in both.
    ///
    /// # Errors
    /// The failure to be answered.
    pub(crate) async fn differing(
        &self,
        other: &Trace,
        history: &dyn History,
    ) -> Result<BTreeSet<ObjectKey>, Box<Status>> {
        let mut keys = BTreeSet::new();
        if self.main != other.main {
            keys = changed_on_main(history, self.main, other.main).await?;
        }
        let (mut ours, mut theirs) = (self.branches.iter(), other.branches.iter());
        let mut apart = self.main != other.main;
        loop {
            let (one, another) = (ours.next(), theirs.next());
            if one.is_none() && another.is_none() {
                break;
            }
            let from = match (one, another) {
                (Some(one), Some(another))
                    if !apart && one.branch.at.id == another.branch.at.id =>
                {
                    apart = one.through != another.through;
                    one.through.min(another.through)
                }
                _ => {
                    apart = true;
                    Revision::ZERO
                }
            };
            let changed = [one, another].into_iter().flatten();
            keys.extend(changed.flat_map(|part| part.changed_after(from)));
        }
        keys.retain(|key| key.collection() != BRANCHES);
        Ok(keys)
    }
}

/// What main changed between two revisions, of what a line keeps.
async fn changed_on_main(
    history: &dyn History,
    from: Revision,
    to: Revision,
) -> Result<BTreeSet<ObjectKey>, Box<Status>> {
    let changed = history.changed_between(BranchId::MAIN, from, to).await;
    let changed = changed.map_err(history_error)?.into_iter().map(|object| object.key);
    Ok(changed.filter(is_kept).collect())
}
