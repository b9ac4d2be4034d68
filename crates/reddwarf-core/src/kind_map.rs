//! The served kinds, found by what an owner reference or a key says.

use crate::{Collection, ObjectKey, ServedKind};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use std::sync::Arc;

/// The kinds that are served at one time. Cheap to clone; the map after a change shares all but
/// the kinds that changed with the one before.
#[derive(Clone, Debug, Default)]
pub struct KindMap {
    /// By `apiVersion`, then by kind.
    by_reference: OrdMap<Box<str>, OrdMap<Box<str>, Arc<ServedKind>>>,
    by_collection: OrdMap<Collection, Arc<ServedKind>>,
}

impl KindMap {
    /// Adds a kind. One that was added before is kept where both have the same place.
    pub fn add(&mut self, served: ServedKind) {
        let served = Arc::new(served);
        self.by_collection.entry(served.collection.clone()).or_insert_with(|| served.clone());
        let version = self.by_reference.entry(served.api_version().into()).or_default();
        version.entry(served.kind.clone()).or_insert(served);
    }

    /// Takes a kind out; another one that has its place stays.
    pub fn remove(&mut self, served: &ServedKind) {
        let is_it = |found: Option<&Arc<ServedKind>>| found.is_some_and(|found| **found == *served);
        if is_it(self.by_collection.get(&served.collection)) {
            self.by_collection.remove(&served.collection);
        }
        let api_version = served.api_version();
        let Some(version) = self.by_reference.get_mut(api_version.as_str()) else { return };
        if is_it(version.get(&served.kind)) {
            version.remove(&served.kind);
        }
        if version.is_empty() {
            self.by_reference.remove(api_version.as_str());
        }
    }

    /// The kind that an owner reference names.
    pub fn referred(&self, api_version: &str, kind: &str) -> Option<&Arc<ServedKind>> {
        self.by_reference.get(api_version)?.get(kind)
    }

    /// The kind of the object at `key`, in the version in which it is best asked for.
    pub fn of_key(&self, key: &ObjectKey) -> Option<&Arc<ServedKind>> {
        self.by_collection.get(key.collection())
    }

    /// All kinds in all served versions.
    pub fn kinds(&self) -> impl Iterator<Item = &Arc<ServedKind>> {
        self.by_reference.values().flat_map(OrdMap::values)
    }

    /// The kinds, one for each collection, that are here and were not the same in `before`. Costs
    /// as much as there are differences, where one map was made from the other.
    pub fn changed_since<'m>(
        &'m self,
        before: &'m KindMap,
    ) -> impl Iterator<Item = &'m Arc<ServedKind>> {
        before.by_collection.diff(&self.by_collection).filter_map(|difference| match difference {
            DiffItem::Add(_, kind) | DiffItem::Update { new: (_, kind), .. } => Some(kind),
            DiffItem::Remove(..) => None,
        })
    }
}

impl FromIterator<ServedKind> for KindMap {
    fn from_iter<I: IntoIterator<Item = ServedKind>>(kinds: I) -> Self {
        let mut map = KindMap::default();
        kinds.into_iter().for_each(|served| map.add(served));
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(version: &str, kind: &str, plural: &str) -> ServedKind {
        ServedKind {
            group: "example.com".into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced: true,
            collection: Collection::new("example.com", plural),
            deletable: true,
            scalable: false,
        }
    }

    #[test]
    fn the_first_of_two_keeps_its_place() {
        let [preferred, older] =
            ["v1", "v1beta1"].map(|version| kind(version, "Widget", "widgets"));
        let twin = kind("v1", "Widget", "gadgets");
        let mut map: KindMap = [preferred.clone(), older, twin.clone()].into_iter().collect();
        let key = ObjectKey::new("example.com", "widgets", "shop", "w");
        assert_eq!(map.of_key(&key).map(|kind| &*kind.version), Some("v1"));
        assert!(map.referred("example.com/v1beta1", "Widget").is_some());
        map.remove(&twin);
        let found = map.referred("example.com/v1", "Widget").expect("it was another one's");
        assert_eq!(**found, preferred);
        map.remove(&preferred);
        assert!(map.referred("example.com/v1", "Widget").is_none());
        assert!(map.of_key(&key).is_none());
    }

    #[test]
    fn what_changed_is_told() {
        let before: KindMap = [kind("v1", "A", "as"), kind("v1", "B", "bs")].into_iter().collect();
        let mut after = before.clone();
        after.remove(&kind("v1", "A", "as"));
        after.add(kind("v1", "C", "cs"));
        let changed: Vec<&str> = after.changed_since(&before).map(|kind| &*kind.kind).collect();
        assert_eq!(changed, ["C"]);
        assert_eq!(before.changed_since(&before).count(), 0);
        assert_eq!(after.changed_since(&KindMap::default()).count(), 2);
    }
}
