//! The registry as the leader's controllers see it.

use super::Kind;
use reddwarf_core::ServedKind;

pub(super) fn served(kind: &Kind) -> ServedKind {
    ServedKind {
        group: kind.group.as_ref().into(),
        version: kind.version.as_ref().into(),
        kind: kind.kind.as_ref().into(),
        plural: kind.plural.as_ref().into(),
        namespaced: kind.namespaced(),
        collection: kind.storage.collection.clone(),
        deletable: ["delete", "list", "watch"].iter().all(|verb| kind.verbs.has(verb)),
        scalable: kind.subresource("scale").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use crate::registry::LiveRegistry;
    use reddwarf_core::{Kinds, ObjectKey};

    #[test]
    fn kinds_are_told_with_their_paths() {
        let served = LiveRegistry::builtin().served();
        let find = |kind: &str| served.kinds().find(|k| &*k.kind == kind).expect("served");
        let set = find("ReplicaSet");
        assert!(set.namespaced && set.deletable && set.scalable);
        let key = ObjectKey::new("apps", "replicasets", "shop", "web");
        assert_eq!(set.path(&key), "/apis/apps/v1/namespaces/shop/replicasets/web");
        let node = find("Node");
        assert!(!node.namespaced && !node.scalable);
        assert_eq!(node.path(&node.key("shop", "n")), "/api/v1/nodes/n");
        assert!(served.kinds().all(|k| &*k.kind != "Binding"), "nothing is stored of it");
    }
}
