//! How many pods a controller should have.

use crate::meta::{OwnerRef, Uid, owner_references};
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::{KindMap, ObjectKey, View};
use serde::Deserialize;

/// What is known of a controller's scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// So many pods; the uid is that of whoever decides it, such as a replica set's deployment.
    Of(Uid, i64),
    /// There is no such controller.
    Absent,
    /// The subresource at this path tells.
    Ask(String),
    /// It cannot be known.
    Failed(String),
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Raw {
    metadata: RawMeta,
    spec: RawSpec,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawMeta {
    uid: Box<str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSpec {
    replicas: Option<i64>,
}

/// Looks for the controller that a pod in `namespace` names.
pub fn find(view: &View, kinds: &KindMap, namespace: &str, controller: &OwnerRef) -> Scale {
    let Some((group, _)) = parse_api_version(&controller.api_version) else {
        let version = &controller.api_version;
        return Scale::Failed(format!("unexpected GroupVersion string: {version}"));
    };
    let known = match (group, &*controller.kind) {
        ("", "ReplicationController") => {
            stored(view, "", "replicationcontrollers", namespace, controller)
        }
        ("apps" | "extensions", "ReplicaSet") => replica_set(view, namespace, controller),
        ("apps", "StatefulSet") => stored(view, "apps", "statefulsets", namespace, controller),
        _ => None,
    };
    known.unwrap_or_else(|| through_subresource(kinds, namespace, controller))
}

/// A replica set's scale is that of its deployment, if it has one.
fn replica_set(view: &View, namespace: &str, controller: &OwnerRef) -> Option<Scale> {
    let key = ObjectKey::new("apps", "replicasets", namespace, &controller.name);
    let set = view.get(&key).filter(|set| *set.index.uid == *controller.uid)?;
    let owner = owner_references(set).into_iter().find(|o| o.controller == Some(true));
    let deployment = owner.filter(|o| &*o.kind == "Deployment").and_then(|owner| {
        let group = parse_api_version(&owner.api_version)?.0;
        let known = matches!(group, "apps" | "extensions");
        known.then(|| stored(view, "apps", "deployments", namespace, &owner)).flatten()
    });
    deployment.or_else(|| stored(view, "apps", "replicasets", namespace, controller))
}

fn stored(
    view: &View,
    group: &str,
    resource: &str,
    namespace: &str,
    controller: &OwnerRef,
) -> Option<Scale> {
    let key = ObjectKey::new(group, resource, namespace, &controller.name);
    let stored = view.get(&key).filter(|stored| *stored.index.uid == *controller.uid)?;
    let raw: Raw = serde_json::from_slice(&stored.bytes).unwrap_or_default();
    Some(Scale::Of(controller.uid.clone(), raw.spec.replicas.unwrap_or(1)))
}

fn through_subresource(kinds: &KindMap, namespace: &str, controller: &OwnerRef) -> Scale {
    let OwnerRef { api_version, kind, name, .. } = controller;
    let Some(served) = kinds.referred(api_version, kind) else {
        return Scale::Failed(format!("no matches for kind {kind:?} in version {api_version:?}"));
    };
    if !served.scalable {
        let resource = served.resource();
        return Scale::Failed(format!("{resource} does not implement the scale subresource"));
    }
    Scale::Ask(format!("{}/scale", served.path(&served.key(namespace, name))))
}

/// Reads the answer of the subresource `scale`.
pub fn answered(controller: &OwnerRef, answer: &[u8]) -> Scale {
    let raw: Raw = serde_json::from_slice(answer).unwrap_or_default();
    if *raw.metadata.uid == *controller.uid {
        Scale::Of(controller.uid.clone(), raw.spec.replicas.unwrap_or_default())
    } else {
        Scale::Absent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::view;
    use serde_json::{Value, json};

    fn workload(kind: &str, name: &str, uid: &str, replicas: i64) -> Value {
        json!({"kind": kind, "apiVersion": "apps/v1",
            "metadata": {"name": name, "namespace": "ns", "uid": uid},
            "spec": {"replicas": replicas}})
    }

    fn reference(kind: &str, name: &str, uid: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
    }

    fn scale(objects: &[Value], controller: Value) -> Scale {
        let controller = serde_json::from_value(controller).expect("a reference");
        find(&view(objects), &KindMap::default(), "ns", &controller)
    }

    #[test]
    fn a_replica_set_is_as_large_as_its_deployment() {
        let mut set = workload("ReplicaSet", "r", "R", 2);
        let named = reference("ReplicaSet", "r", "R");
        let lone = std::slice::from_ref(&set);
        assert_eq!(scale(lone, named.clone()), Scale::Of("R".into(), 2));
        set["metadata"]["ownerReferences"] = json!([reference("Deployment", "d", "D")]);
        let deployment = workload("Deployment", "d", "D", 5);
        let state = [set.clone(), deployment];
        assert_eq!(scale(&state, named.clone()), Scale::Of("D".into(), 5));
        assert_eq!(scale(&[set], named), Scale::Of("R".into(), 2));
    }

    #[test]
    fn what_is_not_known() {
        let missing = scale(&[], reference("Widget", "w", "W"));
        let text = "no matches for kind \"Widget\" in version \"apps/v1\"";
        assert_eq!(missing, Scale::Failed(text.into()));
        let controller: OwnerRef =
            serde_json::from_value(reference("Widget", "w", "W")).expect("a reference");
        let answer = json!({"metadata": {"uid": "W"}, "spec": {"replicas": 3}}).to_string();
        assert_eq!(answered(&controller, answer.as_bytes()), Scale::Of("W".into(), 3));
        assert_eq!(answered(&controller, b"{}"), Scale::Absent);
    }
}
