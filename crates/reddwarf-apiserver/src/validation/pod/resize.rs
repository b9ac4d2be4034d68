//! What a resize may change of a pod: the CPU and memory of its containers, and of itself.

use super::ratchet::Ratchet;
use super::restart::is_sidecar;
use super::{annotations, whole};
use crate::registry::prepare::qos_class;
use crate::validation::read::{entries, has, items, text};
use crate::validation::semantic::{same, same_field};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::{Map, Value, json};

const RESIZED: [&str; 2] = ["cpu", "memory"];

/// Checks a resized pod.
pub fn resize(new: &Value, old: &Value) -> ErrorList {
    let everything = FieldPath::new("[]");
    if has(&old["metadata"]["annotations"], annotations::MIRROR) {
        return vec![FieldError::forbidden(everything, "static pods cannot be resized")];
    }
    if text(&old["spec"]["os"], "name") == "windows" {
        return vec![FieldError::forbidden(everything, "windows pods cannot be resized")];
    }
    let path = FieldPath::new("spec");
    let mut errors = whole(new, &Ratchet::of(old));
    errors.extend(possible(new, old, &path));
    errors.extend(of_pod(new, old, &path));
    let order = ordering(&new["spec"], &old["spec"], &path);
    let disordered = !order.is_empty();
    errors.extend(order);
    if disordered {
        return errors;
    }
    errors.extend(removed(&new["spec"], &old["spec"], &path));
    errors.extend(others(&new["spec"], &old["spec"], &path));
    if errors.is_empty() && !same(&masked(&new["spec"], &old["spec"]), &old["spec"]) {
        let detail = "only cpu and memory resources are mutable";
        errors.push(FieldError::forbidden(path, detail));
    }
    errors
}

/// A pod keeps its class of service, and its node must be able to resize.
fn possible(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let class = match text(&old["status"], "qosClass") {
        "" => qos_class(old),
        class => class,
    };
    if class != qos_class(new) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.push(FieldError::invalid(path.clone(), class, detail));
    }
    let statuses = items(&old["status"], "containerStatuses");
    let running = statuses.iter().find(|status| has(&status["state"], "running"));
    if running.is_some_and(|status| !has(status, "resources")) {
        let detail = "Pod running on node without support for resize";
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors
}

/// The resources of the pod as a whole, once given, stay given.
fn of_pod(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let (new, old) = (&new["spec"]["resources"], &old["spec"]["resources"]);
    let at = path.child("resources");
    if new.is_null() && !old.is_null() && !same(new, old) {
        return vec![FieldError::forbidden(at, "pod-level resources cannot be removed")];
    }
    let mut errors = ErrorList::new();
    for list in ["requests", "limits"] {
        if is_removed(new, old, list) {
            let detail = format!("pod-level resource {list} cannot be removed");
            errors.push(FieldError::forbidden(at.child(list), detail));
        }
    }
    if !same(&as_before(new, old), old) {
        let detail = "only cpu and memory resources are mutable at pod-level";
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors
}

/// Containers stay where they are.
fn ordering(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for list in ["containers", "initContainers"] {
        let (now, before, at) = (items(new, list), items(old, list), path.child(list));
        if now.len() != before.len() {
            let detail = format!("{list} may not be added or removed on resize");
            errors.push(FieldError::forbidden(at, detail));
            continue;
        }
        for (i, (now, before)) in now.iter().zip(before).enumerate() {
            if text(now, "name") != text(before, "name") {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.push(FieldError::forbidden(at.index(i).child("name"), detail));
            }
        }
    }
    errors
}

fn pairs<'a>(new: &'a Value, old: &'a Value, list: &str) -> Vec<(&'a Value, &'a Value)> {
    items(new, list).iter().zip(items(old, list)).collect()
}

fn is_removed(new: &Value, old: &Value, list: &str) -> bool {
    entries(old, list).any(|(name, _)| !has(&new[list], name))
}

/// Requests and limits may change, not go.
fn removed(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for containers in ["initContainers", "containers"] {
        for (at, (now, before)) in pairs(new, old, containers).into_iter().enumerate() {
            if containers == "initContainers" && !is_sidecar(before) {
                continue;
            }
            let at = path.child(containers).index(at).child("resources");
            for list in ["requests", "limits"] {
                if is_removed(&now["resources"], &before["resources"], list) {
                    let detail = format!("resource {list} cannot be removed");
                    errors.push(FieldError::forbidden(at.child(list), detail));
                }
            }
        }
    }
    errors
}

/// Nothing but CPU and memory changes, and that of no init container that ends.
fn others(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for (now, before) in pairs(new, old, "containers") {
        if !same(&container_as_before(now, before), before) {
            let detail = "only cpu and memory resources are mutable";
            errors.push(FieldError::forbidden(path.clone(), detail));
        }
    }
    for (at, (now, before)) in pairs(new, old, "initContainers").into_iter().enumerate() {
        if !is_sidecar(now) {
            if !same(now, before) {
                let detail = "resources for non-sidecar init containers are immutable";
                errors.push(FieldError::forbidden(path.clone(), detail));
            }
        } else if !same(&container_as_before(now, before), before) {
            let detail = "only cpu and memory resources for init or sidecar containers are mutable";
            let at = path.child("initContainers").index(at);
            errors.push(FieldError::forbidden(at, detail));
        }
    }
    errors
}

/// Requirements with the CPU and memory that were asked for before.
fn as_before(new: &Value, old: &Value) -> Value {
    let mut masked = if new.is_null() { json!({}) } else { new.clone() };
    for list in ["requests", "limits"] {
        let mut amounts = new[list].as_object().cloned().unwrap_or_default();
        for name in RESIZED {
            amounts.shift_remove(name);
            if let Some(amount) = old[list].get(name) {
                amounts.insert(name.to_owned(), amount.clone());
            }
        }
        masked[list] = amounts.into();
    }
    let nothing = |value: &Value| value.as_object().is_none_or(Map::is_empty);
    let empty = masked.as_object().is_some_and(|m| m.values().all(nothing));
    if empty && old.is_null() { Value::Null } else { masked }
}

fn container_as_before(new: &Value, old: &Value) -> Value {
    let mut masked = new.clone();
    masked["resources"] = as_before(&new["resources"], &old["resources"]);
    // Claims are left as they were stored: upstream compares without them.
    if !same_field(&old["resources"], &json!({}), "claims") {
        masked["resources"]["claims"] = new["resources"]["claims"].clone();
    }
    masked
}

/// The specification with all that may change as it was.
fn masked(new: &Value, old: &Value) -> Value {
    let mut masked = new.clone();
    masked["resources"] = as_before(&new["resources"], &old["resources"]);
    for list in ["containers", "initContainers"] {
        let containers: Vec<Value> = pairs(new, old, list)
            .into_iter()
            .map(|(now, before)| container_as_before(now, before))
            .collect();
        masked[list] = containers.into();
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(resources: Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"restartPolicy": "Always",
            "containers": [{"name": "c", "image": "i", "resources": resources}]}})
    }

    fn shown(new: Value, old: Value) -> Vec<String> {
        resize(&pod(new), &pod(old)).iter().map(|e| format!("{}: {}", e.field, e.detail)).collect()
    }

    #[test]
    fn cpu_and_memory_change() {
        let asks = |cpu: &str| json!({"requests": {"cpu": cpu}});
        assert!(shown(asks("2"), asks("1")).is_empty());
        assert_eq!(
            shown(json!({"requests": {"memory": "1"}}), asks("1")),
            ["spec.containers[0].resources.requests: resource requests cannot be removed"]
        );
        assert_eq!(
            shown(json!({"requests": {"cpu": "1", "ephemeral-storage": "1"}}), asks("1")),
            ["spec: only cpu and memory resources are mutable"]
        );
        assert_eq!(
            shown(asks("1"), json!({})),
            ["spec: Pod QOS Class may not change as a result of resizing"]
        );
    }

    #[test]
    fn containers_stay() {
        let old = pod(json!({"requests": {"cpu": "1"}}));
        let mut renamed = old.clone();
        renamed["spec"]["containers"][0]["name"] = json!("d");
        assert_eq!(resize(&renamed, &old)[0].field.to_string(), "spec.containers[0].name");
        let mut windows = old.clone();
        windows["spec"]["os"] = json!({"name": "windows"});
        assert_eq!(resize(&old, &windows)[0].detail, "windows pods cannot be resized");
    }

    #[test]
    fn the_pod_as_a_whole() {
        let with = |cpu: Value| {
            let mut pod = pod(json!({"requests": {"cpu": "1"}}));
            pod["spec"]["resources"] = cpu;
            pod
        };
        let old = with(json!({"requests": {"cpu": "1"}}));
        assert!(resize(&with(json!({"requests": {"cpu": "2"}})), &old).is_empty());
        let gone = resize(&with(Value::Null), &old);
        assert!(
            gone.iter().any(|e| e.detail == "pod-level resources cannot be removed"),
            "{gone:?}"
        );
    }
}
