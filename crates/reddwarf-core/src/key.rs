//! Keys of stored objects.

use crate::BranchId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The set of objects of one stored resource: `group/resource`, e.g. `apps/deployments`; the
/// core group is empty (`/pods`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Collection(Arc<str>);

impl Collection {
    /// Builds the collection of `resource` (plural, lower case) in `group` (empty for core).
    pub fn new(group: &str, resource: &str) -> Self {
        Collection(format!("{group}/{resource}").into())
    }

    /// `group/resource`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which the changes of this collection on a branch are told from those on
    /// main and on other branches: `7@apps/deployments`. No keys begin with it.
    pub fn on(self, branch: BranchId) -> Collection {
        match branch {
            BranchId::MAIN => self,
            BranchId(number) => Collection(format!("{number}@{}", self.0).into()),
        }
    }

    /// The prefix shared by the keys of all objects of this collection.
    pub fn prefix(&self) -> String {
        format!("{}/", self.0)
    }

    /// The prefix shared by the keys of this collection's objects in `namespace`.
    pub fn namespace_prefix(&self, namespace: &str) -> String {
        format!("{}/{namespace}/", self.0)
    }

    /// The key of one object; `namespace` is empty for a cluster-scoped resource.
    pub fn key(&self, namespace: &str, name: &str) -> ObjectKey {
        ObjectKey(format!("{}/{namespace}/{name}", self.0).into())
    }
}

impl fmt::Debug for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Collection {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Where an object is stored: `group/resource/namespace/name`.
///
/// The core group and the namespace of a cluster-scoped object are empty, so there are always
/// exactly three slashes (no part may contain one). Byte order is the order of Kubernetes
/// lists: within a collection by namespace, then by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Builds a key from its parts; see [`Collection::key`].
    pub fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        ObjectKey(format!("{group}/{resource}/{namespace}/{name}").into())
    }

    /// Takes `text` as a key when it has the four parts of one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let shaped = parts.next().is_some()
            && parts.next().is_some_and(|r| !r.is_empty())
            && parts.next().is_some()
            && parts.next().is_some_and(|n| !n.is_empty())
            && parts.next().is_none();
        shaped.then(|| ObjectKey(text.into()))
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn part(&self, n: usize) -> &str {
        self.0.split('/').nth(n).unwrap_or_default()
    }

    /// API group of the stored resource, empty for core.
    pub fn group(&self) -> &str {
        self.part(0)
    }

    /// Plural resource name.
    pub fn resource(&self) -> &str {
        self.part(1)
    }

    /// Namespace, empty for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        self.part(2)
    }

    /// Object name.
    pub fn name(&self) -> &str {
        self.part(3)
    }

    /// `group/resource`, the text of this key's [`Collection`].
    pub fn collection(&self) -> &str {
        let mut slashes = self.0.match_indices('/').map(|(at, _)| at);
        let end = slashes.nth(1).unwrap_or(self.0.len());
        &self.0[..end]
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for ObjectKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        ObjectKey::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("not an object key: {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key() {
        let key = ObjectKey::new("apps", "deployments", "shop", "web");
        assert_eq!(key.as_str(), "apps/deployments/shop/web");
        assert_eq!(
            (key.group(), key.resource(), key.namespace(), key.name()),
            ("apps", "deployments", "shop", "web")
        );
        assert_eq!(key.collection(), "apps/deployments");
        let node = Collection::new("", "nodes").key("", "n1");
        assert_eq!((node.collection(), node.namespace(), node.name()), ("/nodes", "", "n1"));
    }

    #[test]
    fn text_that_is_no_key() {
        for bad in ["", "pods", "/pods/ns", "a/b/c/d/e", "//ns/x", "/pods/ns/"] {
            assert_eq!(ObjectKey::parse(bad), None, "{bad}");
        }
    }
}
