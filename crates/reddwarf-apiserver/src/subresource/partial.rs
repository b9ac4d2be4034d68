//! Subresources through which a part of the main object is written: `namespaces/finalize`,
//! `pods/ephemeralcontainers`, `pods/resize`, `certificatesigningrequests/approval`.

use crate::object;
use crate::registry::prepare::condition_times;
use crate::validation::read::{has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, invalid, meta};
use reddwarf_core::Status;
use serde_json::Value;

/// Takes the whole namespace but its status, which is how its finalizers are written.
pub fn finalize(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let list = FieldPath::new("spec").child("finalizers");
    let errors: ErrorList = items(&form["spec"], "finalizers")
        .iter()
        .enumerate()
        .flat_map(|(at, name)| meta::finalizer(name.as_str().unwrap_or_default(), &list.index(at)))
        .collect();
    if !errors.is_empty() {
        return Err(Box::new(invalid("", "Namespace", object::name(current), &errors)));
    }
    let mut namespace = form.clone();
    set(&mut namespace, "status", current.get("status"));
    Ok(namespace)
}

/// Takes the ephemeral containers; those that are there may be neither changed nor removed.
pub fn ephemeral_containers(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let mut pod = current.clone();
    let containers = form["spec"].get("ephemeralContainers").filter(|v| !v.is_null());
    set(&mut pod["spec"], "ephemeralContainers", containers);
    let mut errors = crate::validation::ephemeral_containers(&pod["spec"]);
    if errors.is_empty() {
        errors.extend(kept_ephemeral_containers(&pod, current));
    }
    if errors.is_empty() {
        return Ok(pod);
    }
    Err(Box::new(invalid("", "Pod", object::name(current), &errors)))
}

fn kept_ephemeral_containers(pod: &Value, current: &Value) -> ErrorList {
    let path = FieldPath::new("spec").child("ephemeralContainers");
    let new = items(&pod["spec"], "ephemeralContainers");
    items(&current["spec"], "ephemeralContainers")
        .iter()
        .filter_map(|old| {
            let name = text(old, "name");
            let what = match new.iter().find(|c| text(c, "name") == name) {
                Some(same) if same == old => return None,
                Some(_) => "changed",
                None => "removed",
            };
            let detail = format!("existing ephemeral containers {name:?} may not be {what}\n");
            Some(FieldError::forbidden(path.clone(), detail))
        })
        .collect()
}

/// Takes the resources of containers, as long as the pod stays in its class of service.
pub fn resize(form: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let mut pod = current.clone();
    for list in ["containers", "initContainers"] {
        let wanted = items(&form["spec"], list);
        let Some(containers) = pod["spec"].get_mut(list).and_then(Value::as_array_mut) else {
            continue;
        };
        for container in containers {
            let Some(new) = wanted.iter().find(|w| text(w, "name") == text(container, "name"))
            else {
                continue;
            };
            for field in ["resources", "resizePolicy"] {
                set(container, field, new.get(field));
            }
        }
    }
    let before = text(&current["status"], "qosClass");
    let after = quality_of_service(&pod["spec"]);
    if !before.is_empty() && after != before {
        let detail = "Pod QOS Class may not change as a result of resizing";
        let errors = [FieldError::invalid(FieldPath::new("spec"), before, detail)];
        return Err(Box::new(invalid("", "Pod", object::name(current), &errors)));
    }
    Ok(pod)
}

/// The class of service that a pod's resources put it into.
pub fn quality_of_service(spec: &Value) -> &'static str {
    let containers = || items(spec, "containers").iter().chain(items(spec, "initContainers"));
    let named = |container: &Value, list: &str, resource: &str| {
        has(&container["resources"][list], resource)
    };
    let resources = ["cpu", "memory"];
    let any = containers()
        .any(|c| resources.iter().any(|r| named(c, "requests", r) || named(c, "limits", r)));
    let limited = containers().all(|c| {
        resources.iter().all(|r| {
            let (limit, request) = (&c["resources"]["limits"][*r], &c["resources"]["requests"][*r]);
            !limit.is_null() && (request.is_null() || request == limit)
        })
    });
    match (any, limited) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
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
        let current = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]},
            "status": {"qosClass": "BestEffort"}});
        let form = json!({"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}});
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
