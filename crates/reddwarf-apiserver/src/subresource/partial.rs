//! Subresources through which a part of the main object is written: `namespaces/finalize`,
//! `pods/ephemeralcontainers`, `pods/resize`, `certificatesigningrequests/approval`.

use crate::object;
use crate::registry::prepare::condition_times;
use crate::validation::read::{items, text};
use crate::validation::{self, FieldError, invalid, pod};
use reddwarf_core::Status;
use serde_json::Value;

/// Takes the whole namespace but its status, which is how its finalizers are written.
pub fn finalize(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    refused("Namespace", current, &validation::finalize(form))?;
    let mut namespace = form.clone();
    set(&mut namespace, "status", current.get("status"));
    Ok(namespace)
}

/// Takes the ephemeral containers; those that are there may be neither changed nor removed.
pub fn ephemeral_containers(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let mut pod = current.clone();
    let containers = form["spec"].get("ephemeralContainers").filter(|v| !v.is_null());
    set(&mut pod["spec"], "ephemeralContainers", containers);
    refused("Pod", current, &pod::ephemeral_containers(&pod, current))?;
    Ok(pod)
}

/// Takes the resources of the pod and its containers, as long as it stays in its class of
/// service.
pub fn resize(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let mut pod = current.clone();
    let count = |pod: &Value, list: &str| items(&pod["spec"], list).len();
    let lists = ["containers", "initContainers"];
    if lists.iter().any(|list| count(form, list) != count(current, list)) {
        // What is more or less than before is for the check to name.
        pod["spec"] = form["spec"].clone();
    } else {
        for list in lists {
            resized(&mut pod["spec"], &form["spec"], list);
        }
        set(&mut pod["spec"], "resources", form["spec"].get("resources"));
    }
    refused("Pod", current, &pod::resize(&pod, current))?;
    Ok(pod)
}

/// Brings the resources of the containers of one list into `spec`, or the whole list when the
/// containers are not those that were there.
fn resized(spec: &mut Value, form: &Value, list: &str) {
    let wanted = items(form, list);
    let named = |c: &Value| text(c, "name").to_owned();
    if wanted.iter().map(named).ne(items(spec, list).iter().map(named)) {
        set(spec, list, form.get(list));
        return;
    }
    let containers = spec.get_mut(list).and_then(Value::as_array_mut);
    for (container, new) in containers.into_iter().flatten().zip(wanted) {
        for field in ["resources", "resizePolicy"] {
            set(container, field, new.get(field));
        }
    }
}

/// The refusal of an object that is not valid.
fn refused(kind: &str, current: &Value, errors: &[FieldError]) -> Result<(), Box<Status>> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Box::new(invalid("", kind, object::name(current), errors))),
    }
}

/// Takes the conditions, which validation looks at.
pub fn approval(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let mut request = current.clone();
    set(&mut request["metadata"], "managedFields", form["metadata"].get("managedFields"));
    let conditions = form["status"].get("conditions").filter(|v| !v.is_null());
    set(&mut request["status"], "conditions", conditions);
    condition_times(&mut request, current);
    Ok(request)
}

/// Sets a field, or takes it out.
fn set(object: &mut Value, field: &str, value: Option<&Value>) {
    match (value, object.as_object_mut()) {
        (Some(value), _) => object[field] = value.clone(),
        (None, Some(fields)) => {
            fields.remove(field);
        }
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finalizers_of_a_namespace() {
        let current = json!({"metadata": {"name": "n"}, "status": {"phase": "Terminating"}});
        let form = json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["nope"]}});
        assert_eq!(
            finalize(&form, &current).expect_err("not qualified").message,
            "Namespace \"n\" is invalid: spec.finalizers[0]: Invalid value: \"nope\": name is neither a standard finalizer name nor is it fully qualified"
        );
        let form = json!({"metadata": {"name": "n"}, "spec": {}, "status": {"phase": "Active"}});
        assert_eq!(finalize(&form, &current).expect("valid")["status"]["phase"], "Terminating");
    }

    #[test]
    fn a_resize_keeps_the_class_of_service() {
        let of = |resources: Value| {
            let container = json!({"name": "c", "image": "i", "resources": resources});
            json!({"metadata": {"name": "p"}, "status": {"qosClass": "BestEffort"},
                "spec": {"restartPolicy": "Always", "containers": [container]}})
        };
        let (current, form) = (of(json!({})), of(json!({"requests": {"cpu": "1"}})));
        assert_eq!(
            resize(&form, &current).expect_err("burstable").message,
            "Pod \"p\" is invalid: spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing"
        );
    }

    #[test]
    fn a_decision_gets_a_time() {
        let form = json!({"status": {"conditions": [{"type": "Approved", "status": "True"}],
            "certificate": "x"}});
        let approved = approval(&form, &json!({"metadata": {}, "status": {}})).expect("approved");
        assert!(approved["status"]["conditions"][0]["lastUpdateTime"].is_string());
        assert_eq!(approved["status"].get("certificate"), None);
    }
}
