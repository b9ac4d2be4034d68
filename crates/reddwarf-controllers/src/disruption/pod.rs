//! Pods as a disruption budget sees them.

use crate::meta::{OwnerRef, owner_references};
use jiff::Timestamp;
use memchr::memmem;
use reddwarf_core::StoredObject;
use serde::Deserialize;
use serde_json::{Value, json};

/// The condition by which a pod's disruption is announced.
const DISRUPTION_TARGET: &str = "DisruptionTarget";
/// Seconds after which a disruption that was announced is no longer expected.
const STALE_SECONDS: i64 = 120;

/// What counts of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFacts {
    /// Its name.
    pub name: Box<str>,
    /// Whether it is being deleted.
    pub going: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// The owner that manages it.
    pub controller: Option<OwnerRef>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    metadata: RawMeta,
    status: RawStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawMeta {
    deletion_timestamp: Option<Box<str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawStatus {
    conditions: Vec<RawCondition>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawCondition {
    r#type: Box<str>,
    status: Box<str>,
    last_transition_time: Option<Box<str>>,
}

impl Raw {
    fn read(stored: &StoredObject) -> Self {
        // What is stored was encoded from a checked value.
        serde_json::from_slice(&stored.bytes).unwrap_or_default()
    }

    fn true_condition(&self, name: &str) -> Option<&RawCondition> {
        self.status.conditions.iter().find(|c| &*c.r#type == name && &*c.status == "True")
    }
}

impl PodFacts {
    /// Reads a stored pod.
    pub fn read(stored: &StoredObject) -> Self {
        let raw = Raw::read(stored);
        PodFacts {
            name: stored.key.name().into(),
            going: raw.metadata.deletion_timestamp.is_some(),
            ready: raw.true_condition("Ready").is_some(),
            controller: owner_references(stored).into_iter().find(|o| o.controller == Some(true)),
        }
    }
}

/// When the announcement of the pod's disruption is to be taken back; `None` without one, and when
/// the pod is on its way.
pub fn stale_at(stored: &StoredObject) -> Option<Timestamp> {
    memmem::find(&stored.bytes, DISRUPTION_TARGET.as_bytes())?;
    let raw = Raw::read(stored);
    if raw.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let since = raw.true_condition(DISRUPTION_TARGET)?.last_transition_time.as_deref();
    let since: Timestamp = since.and_then(|t| t.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    Timestamp::from_second(since.as_second().saturating_add(STALE_SECONDS)).ok()
}

/// The pod with the announcement taken back.
pub fn without_announcement(stored: &StoredObject, now: &str) -> Option<Value> {
    let mut pod: Value = serde_json::from_slice(&stored.bytes).ok()?;
    let generation = pod["metadata"]["generation"].as_i64().unwrap_or_default();
    let conditions = pod["status"]["conditions"].as_array_mut()?;
    let told = conditions.iter_mut().find(|c| c["type"] == DISRUPTION_TARGET)?;
    *told = json!({"type": DISRUPTION_TARGET, "status": "False", "lastProbeTime": null,
        "lastTransitionTime": now});
    if generation > 0 {
        told["observedGeneration"] = generation.into();
    }
    Some(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::stored;

    fn pod(meta: Value, conditions: Value) -> Value {
        let mut pod = json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "p", "namespace": "ns", "uid": "P"},
            "status": {"conditions": conditions}});
        for (field, value) in meta.as_object().expect("an object") {
            pod["metadata"][field] = value.clone();
        }
        pod
    }

    #[test]
    fn what_counts_of_a_pod() {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "R",
            "controller": true});
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "C"});
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let pod = pod(json!({"ownerReferences": [other, owner]}), ready);
        let facts = PodFacts::read(&stored(&pod, 1));
        assert!(facts.ready && !facts.going);
        assert_eq!(&*facts.controller.expect("managed").uid, "R");
    }

    #[test]
    fn an_announcement_is_taken_back_after_a_while() {
        let since = "2024-01-01T00:00:00Z";
        let told = json!([{"type": "DisruptionTarget", "status": "True", "reason": "x",
            "lastTransitionTime": since}]);
        let held = stored(&pod(json!({}), told.clone()), 1);
        assert_eq!(stale_at(&held), "2024-01-01T00:02:00Z".parse().ok());
        let back = without_announcement(&held, "2024-01-01T00:03:00Z").expect("told");
        assert_eq!(back["status"]["conditions"][0]["status"], "False");
        assert_eq!(stale_at(&stored(&back, 2)), None);
        assert_eq!(stale_at(&stored(&pod(json!({"deletionTimestamp": since}), told), 1)), None);
    }
}
