//! What became of an object since the version that a client has.

use crate::commits::fields::{between, with_topology, without_identity};
use crate::registry::Registry;
use crate::verbs::Exchange;
use reddwarf_core::{
    BranchId, Commit, CommitRef, FieldPath, History, ObjectKey, Revision, StoredObject,
};
use reddwarf_versioning::diff;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Changes of the object that are looked at, the newest first.
const CHANGES_MAX: usize = 64;

/// An object in the client's version and in the newest.
pub(super) struct Since<'x> {
    history: &'x dyn History,
    registry: &'x Registry,
    key: ObjectKey,
    /// The client's version.
    pub(super) base: Arc<StoredObject>,
    current: Arc<StoredObject>,
}

impl<'x> Since<'x> {
    /// Finds the client's version; `None` when that is not kept, or of another object.
    pub(super) async fn find(
        x: &'x Exchange<'_>,
        asked: Revision,
        current: &Arc<StoredObject>,
    ) -> Option<Self> {
        let history = x.server.store().history().filter(|_| asked < current.revision)?;
        let key = current.key.clone();
        let base = history.object_at(BranchId::MAIN, &key, asked).await.ok()??;
        let same = base.created == current.created && base.index.uid == current.index.uid;
        let current = current.clone();
        same.then_some(Since { history, registry: x.registry, key, base, current })
    }

    /// The fields that have changed.
    pub(super) fn changed(&self) -> Vec<FieldPath> {
        let changed = between(self.registry, &self.key, read(&self.base), read(&self.current));
        let mut paths: Vec<FieldPath> = Vec::new();
        for change in changed {
            // A list that changed in its order as well stands there twice.
            if paths.last() != Some(&change.path) {
                paths.push(change.path);
            }
        }
        paths
    }

    /// The newest change that touched each of the fields; `None` where it is older than those
    /// looked at.
    pub(super) async fn touched(&self, fields: &[FieldPath]) -> Option<Vec<Option<Revision>>> {
        let before = Some(self.current.revision.next());
        let log = self.history.object_log(BranchId::MAIN, &self.key, before, CHANGES_MAX).await;
        let log: Vec<Revision> = log.ok()?.iter().map(|entry| entry.revision).collect();
        let mut found = vec![None; fields.len()];
        let mut newer = without_identity(read(&self.current));
        for (at, revision) in log.iter().enumerate() {
            if *revision <= self.base.revision || found.iter().all(Option::is_some) {
                break;
            }
            let older = match log.get(at + 1) {
                Some(older) if *older > self.base.revision => self.version(*older).await?,
                None if log.len() == CHANGES_MAX => break,
                // What is older than the history may be gone from it.
                _ => self.base.clone(),
            };
            let older = without_identity(read(&older));
            let changed = with_topology(self.registry, &self.key, &newer, |topology| {
                diff(Some(&older), Some(&newer), topology)
            });
            for (field, found) in fields.iter().zip(&mut found) {
                if changed.iter().any(|change| overlap(&change.path, field)) {
                    found.get_or_insert(*revision);
                }
            }
            newer = older;
        }
        Some(found)
    }

    async fn version(&self, revision: Revision) -> Option<Arc<StoredObject>> {
        self.history.version(revision).await.ok()?
    }

    /// The commits that made these changes.
    pub(super) async fn commits(
        &self,
        revisions: impl IntoIterator<Item = Revision>,
    ) -> Option<BTreeMap<Revision, Commit>> {
        let mut commits = BTreeMap::new();
        for revision in revisions {
            if let Entry::Vacant(unknown) = commits.entry(revision) {
                let commit = self.history.commit(&CommitRef::Revision(revision)).await.ok()??;
                unknown.insert(commit);
            }
        }
        Some(commits)
    }
}

fn read(object: &StoredObject) -> Value {
    serde_json::from_slice(&object.bytes).unwrap_or_default()
}

/// Whether one of two places is the other, or is in it.
fn overlap(one: &FieldPath, other: &FieldPath) -> bool {
    one.segments().iter().zip(other.segments()).all(|(one, other)| one == other)
}
