//! Whether something is in use, and what that means for its finalizer.

use crate::meta::Meta;
use memchr::memmem;
use reddwarf_core::{Collection, ObjectKey, StoredObject, View};
use serde_json::Value;

/// A kind that is protected while it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// `PersistentVolumeClaim`
    Claim,
    /// `PersistentVolume`
    Volume,
    /// `VolumeAttributesClass`
    Class,
}

impl Protected {
    /// All kinds.
    pub const ALL: [Protected; 3] = [Protected::Claim, Protected::Volume, Protected::Class];

    /// Where objects of the kind are stored.
    pub fn collection(self) -> Collection {
        match self {
            Protected::Claim => Collection::new("", "persistentvolumeclaims"),
            Protected::Volume => Collection::new("", "persistentvolumes"),
            Protected::Class => Collection::new("storage.k8s.io", "volumeattributesclasses"),
        }
    }

    /// The kind of the object at `key`.
    pub fn of(key: &ObjectKey) -> Option<Protected> {
        Protected::ALL.into_iter().find(|kind| kind.collection().as_str() == key.collection())
    }

    /// What holds an object that is being deleted.
    pub fn finalizer(self) -> &'static str {
        match self {
            Protected::Claim => "kubernetes.io/pvc-protection",
            Protected::Volume => "kubernetes.io/pv-protection",
            Protected::Class => "kubernetes.io/vac-protection",
        }
    }
}

/// What is to be done with an object's finalizer.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Nothing,
    /// The object is to have these finalizers.
    Finalizers(Vec<Box<str>>),
}

/// Decides on the object at `key`.
pub fn step(view: &View, kind: Protected, key: &ObjectKey) -> Step {
    let Some(stored) = view.get(key) else { return Step::Nothing };
    let meta = Meta::read(stored);
    let (going, held) = (meta.terminating(), meta.has(kind.finalizer()));
    let mut finalizers = meta.finalizers;
    if !going && !held {
        finalizers.push(kind.finalizer().into());
    } else if going && held && !in_use(view, kind, stored) {
        finalizers.retain(|held| **held != *kind.finalizer());
    } else {
        return Step::Nothing;
    }
    Step::Finalizers(finalizers)
}

fn in_use(view: &View, kind: Protected, stored: &StoredObject) -> bool {
    match kind {
        Protected::Claim => {
            let pods = Collection::new("", "pods");
            let mut pods = view.list(&pods, Some(stored.key.namespace()), None);
            pods.any(|pod| uses(pod, stored.key.name()))
        }
        Protected::Volume => parsed(stored)["status"]["phase"] == "Bound",
        Protected::Class => [Protected::Claim, Protected::Volume].iter().any(|kind| {
            let mut all = view.list(&kind.collection(), None, None);
            all.any(|user| classes(user).any(|class| *class == *stored.key.name()))
        }),
    }
}

fn parsed(stored: &StoredObject) -> Value {
    serde_json::from_slice(&stored.bytes).unwrap_or_default()
}

/// Whether a pod uses a claim. One that no node was found for does not: a node starts no pod
/// whose claim is being deleted.
fn uses(pod: &StoredObject, claim: &str) -> bool {
    if !may_use_claims(pod) {
        return false;
    }
    let (name, pod) = (pod.key.name(), parsed(pod));
    let scheduled = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    scheduled && claim_names(name, &pod).any(|name| name == claim)
}

/// Whether the pod may name claims; one that does not need not be parsed.
fn may_use_claims(pod: &StoredObject) -> bool {
    let holds = |text: &[u8]| memmem::find(&pod.bytes, text).is_some();
    holds(b"\"persistentVolumeClaim\":") || holds(b"\"ephemeral\":")
}

/// The names of the claims that a pod's volumes name, in the pod's namespace.
fn claim_names<'a>(pod_name: &'a str, pod: &'a Value) -> impl Iterator<Item = String> + 'a {
    pod["spec"]["volumes"].as_array().into_iter().flatten().filter_map(move |volume| {
        let claim = &volume["persistentVolumeClaim"]["claimName"];
        match claim.as_str() {
            Some(claim) => Some(claim.to_owned()),
            None if volume["ephemeral"].is_object() => {
                Some(format!("{pod_name}-{}", volume["name"].as_str()?))
            }
            None => None,
        }
    })
}

/// The claims that a pod uses.
pub fn claims_of(pod: &StoredObject) -> Vec<ObjectKey> {
    if !may_use_claims(pod) {
        return Vec::new();
    }
    let key = |name: String| Protected::Claim.collection().key(pod.key.namespace(), &name);
    claim_names(pod.key.name(), &parsed(pod)).map(key).collect()
}

/// The attribute classes that a claim or a volume names.
pub fn classes(user: &StoredObject) -> impl Iterator<Item = Box<str>> {
    const PATHS: [&str; 3] = [
        "/spec/volumeAttributesClassName",
        "/status/currentVolumeAttributesClassName",
        "/status/modifyVolumeStatus/targetVolumeAttributesClassName",
    ];
    let named = memmem::find(&user.bytes, b"olumeAttributesClassName\":").is_some();
    let user = if named { parsed(user) } else { Value::Null };
    PATHS.into_iter().filter_map(move |path| {
        let name = user.pointer(path)?.as_str().filter(|name| !name.is_empty())?;
        Some(name.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{going, key, view};
    use serde_json::json;

    fn claim(class: &str) -> Value {
        json!({"kind": "PersistentVolumeClaim",
            "metadata": {"namespace": "ns", "name": "data", "uid": "u"},
            "spec": {"volumeAttributesClassName": class}})
    }

    fn pod(node: &str, volume: Value) -> Value {
        json!({"kind": "Pod", "metadata": {"namespace": "ns", "name": "p", "uid": "p"},
            "spec": {"nodeName": node, "volumes": [volume]}})
    }

    fn volume(phase: &str) -> Value {
        json!({"kind": "PersistentVolume", "metadata": {"name": "v", "uid": "v"},
            "status": {"phase": phase}})
    }

    fn class() -> Value {
        json!({"kind": "VolumeAttributesClass", "metadata": {"name": "fast", "uid": "c"}})
    }

    fn steps(kind: Protected, object: &Value, others: &[Value]) -> Step {
        let all: Vec<Value> = std::iter::once(object).chain(others).cloned().collect();
        step(&view(&all), kind, &key(object))
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let by_name = json!({"name": "d", "persistentVolumeClaim": {"claimName": "data"}});
        let other = json!({"name": "d", "persistentVolumeClaim": {"claimName": "other"}});
        let (claims, volumes, classes) = (Protected::Claim, Protected::Volume, Protected::Class);
        for (kind, object, other, stays) in [
            (claims, claim(""), None, false),
            (claims, claim(""), Some(pod("n", by_name.clone())), true),
            (claims, claim(""), Some(pod("", by_name)), false),
            (claims, claim(""), Some(pod("n", other)), false),
            (volumes, volume("Bound"), None, true),
            (volumes, volume("Released"), None, false),
            (classes, class(), Some(claim("fast")), true),
            (classes, class(), Some(claim("slow")), false),
        ] {
            let object = going(object, &["mine", kind.finalizer()]);
            let others: Vec<Value> = other.into_iter().collect();
            let expected = match stays {
                true => Step::Nothing,
                false => Step::Finalizers(vec!["mine".into()]),
            };
            assert_eq!(steps(kind, &object, &others), expected, "{object} {others:?}");
        }
    }

    #[test]
    fn a_claim_made_for_a_pod_is_used_by_it() {
        let mut own = claim("");
        own["metadata"]["name"] = "p-scratch".into();
        let own = going(own, &[Protected::Claim.finalizer()]);
        let user = pod("n", json!({"name": "scratch", "ephemeral": {}}));
        assert_eq!(steps(Protected::Claim, &own, &[user]), Step::Nothing);
    }

    #[test]
    fn an_object_without_the_finalizer_gets_it_unless_it_is_going() {
        let mut object = class();
        object["metadata"]["finalizers"] = json!(["mine"]);
        let both = vec!["mine".into(), Protected::Class.finalizer().into()];
        assert_eq!(steps(Protected::Class, &object, &[]), Step::Finalizers(both));
        assert_eq!(steps(Protected::Class, &going(class(), &["mine"]), &[]), Step::Nothing);
    }
}
