//! Immutable views of the stored objects.

use crate::{
    Ancestry, Branch, BranchId, Collection, CommitPoint, FeatureLevel, Floors, Lost, ObjectKey,
    Place, Revision, StoredObject,
};
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;

/// The stored objects of `main` at one commit's end; cheap to clone and to hold.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The revision of this state.
    pub revision: Revision,
    /// The cluster clock: milliseconds that committed ticks have counted.
    pub clock_ms: u64,
    /// All objects by key.
    pub objects: OrdMap<ObjectKey, Arc<StoredObject>>,
    /// The newest commit of main; a state of the past does not say.
    pub head: CommitPoint,
    /// The branches by name; a state of the past has none.
    pub branches: OrdMap<Arc<str>, Arc<Branch>>,
    /// Removed branches that others began at or have merged.
    pub held: OrdMap<BranchId, Arc<Branch>>,
    /// What main and the branches have of each other.
    pub ancestry: Arc<Ancestry>,
    /// From where on the past is kept; a state of the past does not say.
    pub floors: Arc<Floors>,
    /// Which revision the cluster clock had reached when, oldest first: `(clock in milliseconds,
    /// commit end)`, thinner the longer ago; a state of the past does not say.
    pub marks: Arc<Vec<(u64, Revision)>>,
    /// What was lost with earlier groups, oldest first; a state of the past does not say.
    pub lost: Arc<Vec<Lost>>,
    /// The group's feature level; a state of the past does not say.
    pub level: FeatureLevel,
}

impl View {
    /// The object at `key`.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<StoredObject>> {
        self.objects.get(key)
    }

    /// The branch of this number, with its name unless it was removed.
    pub fn line(&self, id: BranchId) -> Option<(Option<&Arc<str>>, &Arc<Branch>)> {
        let mut named = self.branches.iter().filter(|(_, branch)| branch.at.id == id);
        match named.next() {
            Some((name, branch)) => Some((Some(name), branch)),
            None => self.held.get(&id).map(|branch| (None, branch)),
        }
    }

    /// The line whose own commit a place is: a branch that has no commit up to there stands at one of
    /// the line where it began.
    pub fn own_place(&self, mut place: Place) -> Place {
        while let Some((_, branch)) = self.line(place.line)
            && branch.at.base.revision >= place.revision
        {
            place = Place { line: branch.at.from, revision: branch.at.base.revision };
        }
        place
    }

    /// Whether a group that is gone may have told `revision`, and this one has not.
    pub fn is_lost(&self, revision: Revision) -> bool {
        self.lost.iter().any(|lost| lost.covers(revision))
    }

    /// Where counting went on after the last loss; watches cannot resume from before.
    pub fn counted_from(&self) -> Revision {
        self.lost.last().map_or(Revision::ZERO, |lost| lost.through)
    }

    /// Objects of `collection`, only those in `namespace` when it is given, in key order,
    /// beginning after the key `after`.
    pub fn list<'a>(
        &'a self,
        collection: &Collection,
        namespace: Option<&str>,
        after: Option<&ObjectKey>,
    ) -> impl Iterator<Item = &'a Arc<StoredObject>> + use<'a> {
        let prefix = match namespace {
            Some(namespace) => collection.namespace_prefix(namespace),
            None => collection.prefix(),
        };
        let from = match after {
            Some(key) if key.as_str() >= prefix.as_str() => {
                Bound::Excluded(key.as_str().to_owned())
            }
            _ => Bound::Included(prefix.clone()),
        };
        let bounds = (from.as_ref().map(String::as_str), Bound::Unbounded);
        self.objects
            .range::<_, str>(bounds)
            .take_while(move |(key, _)| key.as_str().starts_with(&prefix))
            .map(|(_, object)| object)
    }
}
