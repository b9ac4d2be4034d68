//! Fields of features that are off: they are dropped unless the stored object has them.

use crate::defaults::fill::{at, each, list, remove, within};
use serde_json::{Map, Value};

const CONTAINERS: [&str; 3] =
    ["spec.initContainers", "spec.containers", "spec.ephemeralContainers"];
const SOURCES: [&str; 2] = ["clusterTrustBundle", "podCertificate"];

/// Drops fields of a pod or template; `old` is null at a creation.
pub fn pod(pod: &mut Value, old: &Value) {
    for field in ["spec.schedulingGroup", "spec.workloadRef"] {
        if at(old, field).is_none() {
            remove(pod, field);
        }
    }
    if !has_stop_signal(old) {
        CONTAINERS.iter().for_each(|containers| each(pod, containers, without_stop_signal));
    }
    let dropped = SOURCES.map(|source| (source, !has_source(old, source)));
    each(pod, "spec.volumes", |volume| {
        each(volume, "projected.sources", |source| {
            for (field, _) in dropped.iter().filter(|(_, dropped)| *dropped) {
                remove(source, field);
            }
        });
        remove(volume, "ephemeral.volumeClaimTemplate.spec.resources.claims");
    });
}

/// See [`pod`].
pub fn pod_template_create(object: &mut Value) {
    within(object, "template", |template| pod(template, &Value::Null));
}

/// See [`pod`].
pub fn pod_template_update(new: &mut Value, old: &Value) {
    within(new, "template", |template| pod(template, &old["template"]));
}

/// See [`pod`].
pub fn replication_controller_create(object: &mut Value) {
    within(object, "spec.template", |template| pod(template, &Value::Null));
}

/// See [`pod`].
pub fn replication_controller_update(new: &mut Value, old: &Value) {
    within(new, "spec.template", |template| pod(template, &old["spec"]["template"]));
}

fn has_stop_signal(pod: &Value) -> bool {
    let mut containers = CONTAINERS.iter().flat_map(|containers| list(pod, containers));
    containers.any(|container| at(container, "lifecycle.stopSignal").is_some())
}

fn without_stop_signal(container: &mut Value) {
    if remove(container, "lifecycle.stopSignal").is_some()
        && at(container, "lifecycle").and_then(Value::as_object).is_some_and(Map::is_empty)
    {
        remove(container, "lifecycle");
    }
}

fn has_source(pod: &Value, source: &str) -> bool {
    let mut volumes = list(pod, "spec.volumes").iter();
    volumes.any(|v| list(v, "projected.sources").iter().any(|s| at(s, source).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn features_that_are_off() {
        let full = json!({"spec": {
            "schedulingGroup": {"podGroupName": "g"},
            "containers": [{"lifecycle": {"stopSignal": "SIGUSR1"}}],
            "volumes": [{"projected": {"sources": [{"podCertificate": {}}]}}],
        }});
        let mut created = full.clone();
        pod(&mut created, &Value::Null);
        assert_eq!(
            created,
            json!({"spec": {"containers": [{}], "volumes": [{"projected": {"sources": [{}]}}]}})
        );
        let mut updated = full.clone();
        pod(&mut updated, &full);
        assert_eq!(updated, full);
    }
}
