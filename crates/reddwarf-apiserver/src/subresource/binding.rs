//! `pods/binding` and `bindings`: a pod gets its node.

use super::reply::{bad_request, conflict, created, now, unclassified};
use super::{Effect, Post};
use crate::admission::refusal::not_found;
use crate::object;
use crate::validation::read::{entries, has, items, text};
use crate::validation::{FieldError, FieldPath};
use reddwarf_core::Status;
use serde_json::{Value, json};

const RESOURCE: &str = "pods/binding";

/// A POST to `bindings` is one to the binding of the pod that it names.
pub fn redirect(request: &Post<'_>) -> Effect {
    let name = object::name(request.body).to_owned();
    Effect::Redirect { resource: "pods", subresource: "binding", name }
}

/// Binds the pod.
pub fn bind(request: &Post<'_>) -> Result<Effect, Box<Status>> {
    if object::name(request.body) != request.name {
        return Err(bad_request("name in URL does not match name in Binding object"));
    }
    let node = target(&request.body["target"])?;
    let pod = request.current.ok_or_else(|| not_found("", "pods", request.name))?;
    same_pod(request, pod)?;
    free(request.name, pod)?;
    let object = bound(pod, node, request.body);
    Ok(Effect::Update { object, also: Vec::new(), reply: created() })
}

fn target(target: &Value) -> Result<&str, Box<Status>> {
    let path = FieldPath::new("target");
    let kind = text(target, "kind");
    if !kind.is_empty() && kind != "Node" {
        let error = FieldError::not_supported(path.child("kind"), kind, &["Node", "<empty>"]);
        return Err(unclassified(error.to_string()));
    }
    let name = text(target, "name");
    if name.is_empty() {
        let error = FieldError::required(path.child("name"), "");
        return Err(unclassified(error.to_string()));
    }
    Ok(name)
}

/// The pod that the scheduler looked at, by uid and version, when it says which.
fn same_pod(request: &Post<'_>, pod: &Value) -> Result<(), Box<Status>> {
    for (field, shown) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (asked, found) = (object::meta(request.body, field), object::meta(pod, field));
        if !asked.is_empty() && asked != found {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: /registry/pods/{}/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: {shown} in precondition: {asked}, {shown} in object meta: {found}",
                request.namespace, request.name
            );
            return Err(conflict("pods", request.name, &why));
        }
    }
    Ok(())
}

fn free(name: &str, pod: &Value) -> Result<(), Box<Status>> {
    let spec = &pod["spec"];
    let why = if has(&pod["metadata"], "deletionTimestamp") {
        format!("pod {name} is being deleted, cannot be assigned to a host")
    } else if !text(spec, "nodeName").is_empty() {
        format!("pod {name} is already assigned to node {:?}", text(spec, "nodeName"))
    } else if !items(spec, "schedulingGates").is_empty() {
        format!("pod {name} has non-empty .spec.schedulingGates")
    } else {
        return Ok(());
    };
    Err(conflict(RESOURCE, name, &why))
}

fn bound(pod: &Value, node: &str, binding: &Value) -> Value {
    let mut pod = pod.clone();
    pod["spec"]["nodeName"] = node.into();
    for field in ["annotations", "labels"] {
        for (key, value) in entries(&binding["metadata"], field) {
            pod["metadata"][field][key] = value.clone();
        }
    }
    set_scheduled(&mut pod);
    pod
}

fn set_scheduled(pod: &mut Value) {
    let mut condition = json!({
        "type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": now(),
    });
    let status = &mut pod["status"];
    let Some(list) = status["conditions"].as_array_mut() else {
        status["conditions"] = json!([condition]);
        return;
    };
    match list.iter_mut().find(|c| c["type"] == "PodScheduled") {
        None => list.push(condition),
        Some(old) => {
            if old["status"] == "True" {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = condition;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_pod_has_node_and_condition() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {}, "status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
        let binding = json!({"metadata": {"annotations": {"a": "b"}}});
        let pod = bound(&pod, "n", &binding);
        assert_eq!(pod["spec"]["nodeName"], "n");
        assert_eq!(pod["metadata"]["annotations"], json!({"a": "b"}));
        let condition = &pod["status"]["conditions"][0];
        assert_eq!((&condition["status"], condition.get("reason")), (&json!("True"), None));
        assert!(pod["metadata"].get("labels").is_none());
    }

    #[test]
    fn targets() {
        assert_eq!(target(&json!({"name": "n"})).expect("a node"), "n");
        let refused = target(&json!({"kind": "Pod", "name": "n"})).expect_err("a pod is no target");
        assert_eq!(
            refused.message,
            "target.kind: Unsupported value: \"Pod\": supported values: \"Node\", \"<empty>\""
        );
        assert_eq!((refused.code, refused.reason), (500, None));
        assert_eq!(target(&json!({})).expect_err("no name").message, "target.name: Required value");
    }

    #[test]
    fn a_pod_is_bound_once() {
        let bound = json!({"metadata": {}, "spec": {"nodeName": "n"}});
        assert_eq!(
            free("p", &bound).expect_err("bound").message,
            "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n\""
        );
        let gated = json!({"metadata": {}, "spec": {"schedulingGates": [{"name": "g"}]}});
        assert!(free("p", &gated).is_err());
    }
}
