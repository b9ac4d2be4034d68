//! The served kinds, found by what an owner reference or a key says.

use reddwarf_core::{Collection, Kinds, ObjectKey, ServedKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Collections whose objects the garbage collector leaves alone, as upstream's does: there are
/// many of them, and they expire.
const IGNORED: [&str; 2] = ["/events", "events.k8s.io/events"];

/// See the module's text.
#[derive(Debug, Default)]
pub struct KindMap {
    /// By `apiVersion`, then by kind.
    by_reference: HashMap<String, HashMap<Box<str>, Arc<ServedKind>>>,
    by_collection: HashMap<Collection, Arc<ServedKind>>,
}

impl KindMap {
    /// The kinds that are served now.
    pub fn of(kinds: &dyn Kinds) -> Self {
        let mut map = KindMap::default();
        for served in kinds.served() {
            let served = Arc::new(served);
            map.by_collection.entry(served.collection.clone()).or_insert_with(|| served.clone());
            let version = map.by_reference.entry(served.api_version()).or_default();
            version.entry(served.kind.clone()).or_insert(served);
        }
        map
    }

    /// The kind that an owner reference names.
    pub fn referred(&self, api_version: &str, kind: &str) -> Option<&Arc<ServedKind>> {
        self.by_reference.get(api_version)?.get(kind)
    }

    /// The kind of the object at `key`, in the version in which it is best asked for.
    pub fn of_key(&self, key: &ObjectKey) -> Option<&Arc<ServedKind>> {
        self.by_collection.get(key.collection())
    }

    /// The collections that the garbage collector follows.
    pub fn collected(&self) -> impl Iterator<Item = &Collection> {
        self.by_collection
            .iter()
            .filter(|(collection, kind)| kind.deletable && !IGNORED.contains(&collection.as_str()))
            .map(|(collection, _)| collection)
    }
}
