//! What an update may change of a pod.

use super::{image_spaces, spec};
use crate::validation::read::{differs, entries, has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::{Value, json};
use std::collections::HashSet;

const ALLOWED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Checks an update of a pod's main resource.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let (new, old) = (&new["spec"], &old["spec"]);
    let mut errors = spec(new, &path);
    for list in ["containers", "initContainers"] {
        if items(new, list).len() != items(old, list).len() {
            let detail = "pod updates may not add or remove containers";
            errors.push(FieldError::forbidden(path.child(list), detail));
            return errors;
        }
    }
    errors.extend(images(new, &path));
    errors.extend(deadline(new, old, &path));
    errors.extend(tolerations(new, old, &path));
    errors.extend(gates(new, old, &path));
    errors.extend(the_rest(new, old, &path));
    errors
}

fn images(new: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for list in ["containers", "initContainers"] {
        for (at, container) in items(new, list).iter().enumerate() {
            let path = path.child(list).index(at).child("image");
            errors.extend(check::required(text(container, "image"), path));
        }
    }
    errors.extend(image_spaces(new, path));
    errors
}

fn deadline(new: &Value, old: &Value, path: &FieldPath) -> Option<FieldError> {
    let path = path.child("activeDeadlineSeconds");
    let before = int(old, "activeDeadlineSeconds")?;
    match int(new, "activeDeadlineSeconds") {
        None => {
            let detail = "must not update from a positive integer to nil value";
            Some(FieldError::invalid(path, Value::Null, detail))
        }
        Some(now) if now > before => {
            let detail = "must be less than or equal to previous value";
            Some(FieldError::invalid(path, now, detail))
        }
        Some(_) => None,
    }
}

/// Tolerations may be added, and the seconds of one that is there may change.
fn tolerations(new: &Value, old: &Value, path: &FieldPath) -> Option<FieldError> {
    let identity = |one: &'_ Value| {
        ["key", "operator", "value", "effect"].map(|field| text(one, field).to_owned())
    };
    let there: HashSet<[String; 4]> = items(new, "tolerations").iter().map(identity).collect();
    let kept = items(old, "tolerations").iter().all(|old| there.contains(&identity(old)));
    let detail = "existing toleration can not be modified except its tolerationSeconds";
    (!kept).then(|| FieldError::forbidden(path.child("tolerations"), detail))
}

/// Scheduling gates may only go.
fn gates(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("schedulingGates");
    let known: HashSet<&str> =
        items(old, "schedulingGates").iter().map(|gate| text(gate, "name")).collect();
    let mut errors = ErrorList::new();
    for (at, gate) in items(new, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !known.contains(name) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(FieldError::forbidden(list.index(at).child("name"), detail));
        }
    }
    errors
}

/// Everything else stays as it was, but for a gated pod's node selector and affinity, which
/// may become narrower.
fn the_rest(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut expected = old.clone();
    for list in ["containers", "initContainers"] {
        for (at, container) in items(new, list).iter().enumerate() {
            match container.get("image") {
                Some(image) => expected[list][at]["image"] = image.clone(),
                None => {
                    expected[list][at].as_object_mut().map(|c| c.remove("image"));
                }
            }
        }
    }
    let mut free = vec!["activeDeadlineSeconds", "tolerations", "schedulingGates"];
    let shortened = int(old, "terminationGracePeriodSeconds").is_some_and(|n| n < 0)
        && int(new, "terminationGracePeriodSeconds") == Some(1);
    if shortened {
        free.push("terminationGracePeriodSeconds");
    }
    if !items(old, "schedulingGates").is_empty() {
        free.extend(["nodeSelector", "affinity"]);
        errors.extend(narrower(new, old, path));
    }
    let fields = new.as_object().into_iter().chain(expected.as_object()).flat_map(|o| o.keys());
    let mut changed: Vec<&str> = fields
        .map(String::as_str)
        .filter(|field| !free.contains(field) && differs(new, &expected, field))
        .collect();
    changed.sort_unstable();
    changed.dedup();
    if !changed.is_empty() && errors.is_empty() {
        let detail = format!("{ALLOWED}\nchanged: {}", changed.join(", "));
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors
}

fn narrower(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let kept = entries(old, "nodeSelector").all(|(k, v)| new["nodeSelector"].get(k) == Some(v));
    if !kept {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        let value = new.get("nodeSelector").cloned().unwrap_or_default();
        errors.push(FieldError::invalid(path.child("nodeSelector"), value, detail));
    }
    let required = |spec: &Value| {
        spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"].clone()
    };
    let (now, before) = (required(new), required(old));
    let terms = |selector: &Value| items(selector, "nodeSelectorTerms").len();
    if !before.is_null() && terms(&now) != terms(&before) {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let path = path
            .child("affinity")
            .child("nodeAffinity")
            .child("requiredDuringSchedulingIgnoredDuringExecution")
            .child("nodeSelectorTerms");
        errors.push(FieldError::invalid(path, now["nodeSelectorTerms"].clone(), detail));
    }
    errors
}

/// Checks an update of a pod's status.
pub fn status(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("status");
    let (new, old) = (&new["status"], &old["status"]);
    let mut errors = ErrorList::new();
    if has(old, "qosClass") && differs(new, old, "qosClass") {
        errors.extend(check::immutable(new, old, "qosClass", path.child("qosClass")));
    }
    for (at, condition) in items(new, "conditions").iter().enumerate() {
        let at = path.child("conditions").index(at).child("Type");
        errors.extend(check::named(names::qualified_name, text(condition, "type"), &at));
    }
    errors.extend(addresses(new, &path.child("podIPs")));
    errors
}

fn addresses(status: &Value, path: &FieldPath) -> ErrorList {
    let ips: Vec<&str> = items(status, "podIPs").iter().map(|ip| text(ip, "ip")).collect();
    let mut errors = ErrorList::new();
    for (at, ip) in ips.iter().enumerate() {
        errors.extend(check::ip(ip, &path.index(at)));
    }
    if let Some(bad) = ips.iter().position(|ip| ip.parse::<std::net::IpAddr>().is_err())
        && ips.len() > 1
    {
        let detail =
            format!("failed to check for dual stack with error:invalid IP[{bad}]: {}", ips[bad]);
        errors.push(FieldError {
            kind: crate::validation::ErrorKind::Internal,
            field: path.clone(),
            value: None,
            detail,
        });
    }
    let sixes = ips.iter().filter(|ip| ip.contains(':')).count();
    if sixes > 1 || ips.len() - sixes > 1 {
        let shown: Vec<Value> = ips.iter().map(|ip| json!({"IP": ip})).collect();
        let detail = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(path.clone(), shown, detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(extra: Value) -> Value {
        let mut spec =
            json!({"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]});
        for (key, value) in extra.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({ "spec": spec })
    }

    fn shown(new: Value, old: Value) -> Vec<String> {
        update(&pod(new), &pod(old)).iter().map(|e| e.to_string()).collect()
    }

    #[test]
    fn what_may_change() {
        let image = json!({"containers": [{"name": "c", "image": "other"}]});
        assert!(shown(image, json!({})).is_empty());
        let more = json!({"tolerations": [{"key": "k", "operator": "Exists"}]});
        assert!(shown(more.clone(), json!({})).is_empty());
        assert_eq!(
            shown(json!({}), more),
            [
                "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
            ]
        );
        assert_eq!(
            shown(json!({}), json!({"activeDeadlineSeconds": 5})),
            [
                "spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"
            ]
        );
    }

    #[test]
    fn what_may_not() {
        let refused = shown(json!({"nodeName": "n"}), json!({}));
        assert!(
            refused.len() == 1 && refused[0].starts_with("spec: Forbidden: pod updates may not")
        );
        let two = json!({"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]});
        assert_eq!(
            shown(two, json!({})),
            ["spec.containers: Forbidden: pod updates may not add or remove containers"]
        );
        let gated =
            |selector: Value| json!({"schedulingGates": [{"name": "g"}], "nodeSelector": selector});
        assert!(shown(gated(json!({"a": "b"})), gated(json!({}))).is_empty());
        assert_eq!(shown(gated(json!({})), gated(json!({"a": "b"}))).len(), 1);
    }

    #[test]
    fn an_address_of_each_family() {
        let new =
            json!({"status": {"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}, {"ip": "zz"}]}});
        let kinds: Vec<_> =
            status(&new, &json!({"status": {}})).iter().map(|e| e.kind.reason()).collect();
        assert_eq!(kinds, ["FieldValueInvalid", "InternalError", "FieldValueInvalid"]);
    }
}
