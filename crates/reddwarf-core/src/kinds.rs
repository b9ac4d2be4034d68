//! Which kinds the API serves, as the leader's controllers ask.

use crate::gvk::api_version;
use crate::{Collection, KindMap, ObjectKey};
use async_trait::async_trait;

/// One kind in one served version, as far as a controller that knows nothing of the kind needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedKind {
    /// API group, empty for core.
    pub group: Box<str>,
    /// Served version.
    pub version: Box<str>,
    /// Kind in upper camel case.
    pub kind: Box<str>,
    /// Plural, as in the path.
    pub plural: Box<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Where the objects are stored, whichever version names them.
    pub collection: Collection,
    /// Whether objects can be listed, watched and deleted.
    pub deletable: bool,
    /// Whether objects have the subresource `scale`.
    pub scalable: bool,
}

impl ServedKind {
    /// `group/version`, or only the version for the core group.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// `plural.group`, or only the plural for the core group.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// The path of the collection, in `namespace` when that is not empty.
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let (version, plural) = (self.api_version(), &self.plural);
        match namespace {
            "" => format!("{root}/{version}/{plural}"),
            namespace => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
        }
    }

    /// The path of the object that is stored at `key`.
    pub fn path(&self, key: &ObjectKey) -> String {
        format!("{}/{}", self.collection_path(key.namespace()), key.name())
    }

    /// The key of the object `name`, seen from an object in `namespace`.
    pub fn key(&self, namespace: &str, name: &str) -> ObjectKey {
        self.collection.key(if self.namespaced { namespace } else { "" }, name)
    }
}

/// The served kinds, which may change while the member runs.
#[async_trait]
pub trait Kinds: Send + Sync + 'static {
    /// All kinds whose objects are stored, in all served versions; of versions of one collection
    /// the preferred one has its place. Cheap, however many kinds there are.
    fn served(&self) -> KindMap;

    /// A number that moves whenever [`Kinds::served`] answers something else.
    fn generation(&self) -> u64 {
        0
    }

    /// Returns once the generation is not `seen`; never where the kinds are fixed. Cancel safe.
    async fn changed(&self, seen: u64) {
        let _ = seen;
        std::future::pending().await
    }
}
