//! What an update may change of a pod.

use super::ratchet::Ratchet;
use super::{annotations, container, deadline, placement, whole};
use crate::validation::read::{entries, has, int, items, text};
use crate::validation::semantic::{same, same_field};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::{Value, json};

const ALLOWED: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const GRACE: &str = "terminationGracePeriodSeconds";

/// Checks an update of a pod's main resource.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let (path, ratchet) = (FieldPath::new("spec"), Ratchet::of(old));
    let mut errors = meaning(new, old, &ratchet);
    let (new, old) = (&new["spec"], &old["spec"]);
    for list in ["containers", "initContainers"] {
        let (found, stop) = images(new, old, list, &path);
        errors.extend(found);
        if stop {
            return errors;
        }
    }
    let (found, stop) = time_to_live(new, old, &path);
    errors.extend(found);
    if stop {
        return errors;
    }
    errors.extend(tolerations(new, old, &path));
    errors.extend(gates(new, old, &path));
    if !same(new, old) {
        errors.extend(the_rest(new, old, &path));
    }
    errors
}

/// The pod as a whole, and what became of its annotations.
fn meaning(new: &Value, old: &Value, ratchet: &Ratchet) -> ErrorList {
    let at = FieldPath::new("metadata").child("annotations");
    let mut errors = whole(new, ratchet);
    errors.extend(annotations::updated(new, old, ratchet, &at));
    errors
}

/// Containers stay, with other images. Whether nothing more is to be said.
fn images(new: &Value, old: &Value, list: &str, path: &FieldPath) -> (ErrorList, bool) {
    let (containers, path) = (items(new, list), path.child(list));
    if containers.len() != items(old, list).len() {
        let detail = "pod updates may not add or remove containers";
        return (vec![FieldError::forbidden(path, detail)], true);
    }
    let mut errors = ErrorList::new();
    for (at, container) in containers.iter().enumerate() {
        let path = path.index(at);
        errors.extend(check::required(text(container, "image"), path.child("image")));
        errors.extend(container::spaces(container, &path));
    }
    (errors, false)
}

/// A time to live may be set, and made shorter. Whether nothing more is to be said.
fn time_to_live(new: &Value, old: &Value, path: &FieldPath) -> (Option<FieldError>, bool) {
    let at = path.child("activeDeadlineSeconds");
    let before = int(old, "activeDeadlineSeconds");
    match (int(new, "activeDeadlineSeconds"), before) {
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            (Some(FieldError::invalid(at, Value::Null, detail)), false)
        }
        (Some(now), Some(before)) if now > before && i32::try_from(now).is_ok() => {
            let detail = "must be less than or equal to previous value";
            (Some(FieldError::invalid(at, now, detail)), true)
        }
        _ => {
            let error = deadline(new, 0, path);
            let stop = error.is_some();
            (error, stop)
        }
    }
}

/// Tolerations may be added, and the seconds of one that is there may change.
fn tolerations(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let alike = |one: &Value, other: &Value| {
        ["key", "operator", "value", "effect"].iter().all(|f| text(one, f) == text(other, f))
    };
    let kept = items(old, "tolerations")
        .iter()
        .all(|old| items(new, "tolerations").iter().any(|new| alike(new, old)));
    if !kept {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        return vec![FieldError::forbidden(path.child("tolerations"), detail)];
    }
    placement::tolerations(new, path)
}

/// Scheduling gates may only go.
fn gates(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("schedulingGates");
    let known = |name: &str| items(old, "schedulingGates").iter().any(|g| text(g, "name") == name);
    let mut errors = ErrorList::new();
    for (at, gate) in items(new, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !known(name) {
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(FieldError::forbidden(list.index(at).child("name"), detail));
        }
    }
    errors
}

/// Everything else stays as it was, but for a gated pod's node selector and node affinity, which
/// may become narrower.
fn the_rest(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut expected = new.clone();
    for list in ["containers", "initContainers"] {
        for (at, container) in items(old, list).iter().enumerate() {
            set(&mut expected[list][at], "image", container.get("image"));
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        set(&mut expected, field, old.get(field));
    }
    if int(old, GRACE).is_some_and(|n| n < 0) && int(new, GRACE) == Some(1) {
        set(&mut expected, GRACE, old.get(GRACE));
    }
    if !items(old, "schedulingGates").is_empty() {
        errors.extend(narrower(new, old, path));
        set(&mut expected, "nodeSelector", old.get("nodeSelector"));
        keep_node_affinity(&mut expected, old);
    }
    let fields = expected.as_object().into_iter().chain(old.as_object()).flat_map(|o| o.keys());
    let mut changed: Vec<&str> =
        fields.map(String::as_str).filter(|field| !same_field(&expected, old, field)).collect();
    changed.sort_unstable();
    changed.dedup();
    if !changed.is_empty() {
        let detail = format!("{ALLOWED}\nchanged: {}", changed.join(", "));
        errors.push(FieldError::forbidden(path.clone(), detail));
    }
    errors
}

/// Sets a field, or takes it out.
fn set(object: &mut Value, field: &str, value: Option<&Value>) {
    let Some(fields) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            fields.insert(field.to_owned(), value.clone());
        }
        None => {
            fields.shift_remove(field);
        }
    }
}

fn keep_node_affinity(expected: &mut Value, old: &Value) {
    let before = old["affinity"].get("nodeAffinity").filter(|a| !a.is_null());
    if expected["affinity"].is_null() {
        if let Some(before) = before {
            expected["affinity"] = json!({ "nodeAffinity": before });
        }
        return;
    }
    set(&mut expected["affinity"], "nodeAffinity", before);
    let bare = expected["affinity"].as_object().is_some_and(|a| a.values().all(Value::is_null));
    if bare && !has(old, "affinity") {
        set(expected, "affinity", None);
    }
}

fn narrower(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let kept = entries(old, "nodeSelector").all(|(k, v)| new["nodeSelector"].get(k) == Some(v));
    if !kept {
        let detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        let value = new.get("nodeSelector").cloned().unwrap_or_default();
        errors.push(FieldError::invalid(path.child("nodeSelector"), value, detail));
    }
    let required = |spec: &Value| spec["affinity"]["nodeAffinity"][REQUIRED].clone();
    let (now, before) = (required(new), required(old));
    let path = path.child("affinity").child("nodeAffinity").child(REQUIRED);
    let path = path.child("nodeSelectorTerms");
    let (now, before) = (items(&now, "nodeSelectorTerms"), items(&before, "nodeSelectorTerms"));
    if !before.is_empty() && now.len() != before.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(FieldError::invalid(path, shown_list(now), detail));
        return errors;
    }
    for (at, (now, before)) in now.iter().zip(before).enumerate() {
        if !only_adds(now, before) {
            let detail = "only additions are allowed (no mutations or deletions)";
            errors.push(FieldError::invalid(path.index(at), now.clone(), detail));
        }
    }
    errors
}

fn shown_list(list: &[Value]) -> Value {
    if list.is_empty() { Value::Null } else { list.to_vec().into() }
}

/// Whether a term asks for more than before. A term that asked for nothing matched nothing, and
/// stays so.
fn only_adds(new: &Value, old: &Value) -> bool {
    let lists = ["matchExpressions", "matchFields"];
    let count = |term: &Value| lists.iter().map(|list| items(term, list).len()).sum::<usize>();
    if count(old) == 0 {
        return count(new) == 0;
    }
    lists.iter().all(|list| {
        let (new, old) = (items(new, list), items(old, list));
        new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| same(new, old))
    })
}

/// Checks an update of a pod that is to change its ephemeral containers only: those that are
/// there may be neither changed nor removed.
pub fn ephemeral_containers(new: &Value, old: &Value) -> ErrorList {
    let whole_object = FieldPath::new("[]");
    if has(&old["metadata"]["annotations"], annotations::MIRROR) {
        let detail = "static pods do not support ephemeral containers";
        return vec![FieldError::forbidden(whole_object, detail)];
    }
    let mut errors = meaning(new, old, &Ratchet::of(old));
    let path = FieldPath::new("spec").child("ephemeralContainers");
    let now = items(&new["spec"], "ephemeralContainers");
    for before in items(&old["spec"], "ephemeralContainers") {
        let name = text(before, "name");
        let what = match now.iter().rfind(|c| text(c, "name") == name) {
            Some(container) if same(container, before) => continue,
            Some(_) => "changed",
            None => "removed",
        };
        let detail = format!("existing ephemeral containers {name:?} may not be {what}\n");
        errors.push(FieldError::forbidden(path.clone(), detail));
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
        assert!(shown(json!({GRACE: 1}), json!({GRACE: -1})).is_empty());
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
    }

    #[test]
    fn a_gated_pod_becomes_narrower() {
        let gated = |mut extra: Value| {
            extra["schedulingGates"] = json!([{"name": "g"}]);
            extra
        };
        let selector = |selector: Value| gated(json!({"nodeSelector": selector}));
        assert!(shown(selector(json!({"a": "b"})), selector(json!({}))).is_empty());
        assert_eq!(shown(selector(json!({})), selector(json!({"a": "b"}))).len(), 1);
        let affinity = |keys: &[&str]| {
            let expressions: Vec<Value> =
                keys.iter().map(|key| json!({"key": key, "operator": "Exists"})).collect();
            let terms = json!({"nodeSelectorTerms": [{"matchExpressions": expressions}]});
            gated(json!({"affinity": {"nodeAffinity": {REQUIRED: terms}}}))
        };
        assert!(shown(affinity(&["a"]), gated(json!({}))).is_empty());
        assert!(shown(affinity(&["a", "b"]), affinity(&["a"])).is_empty());
        assert_eq!(
            shown(affinity(&["b"]), affinity(&["a"])).len(),
            1,
            "another requirement is no addition"
        );
        assert_eq!(shown(gated(json!({})), affinity(&["a"])).len(), 1);
        let spread =
            gated(json!({"affinity": {"podAffinity": {REQUIRED: [{"topologyKey": "k"}]}}}));
        assert_eq!(shown(spread, gated(json!({}))).len(), 1, "pod affinity stays");
    }

    #[test]
    fn ephemeral_containers_stay() {
        let with = |names: &[&str]| {
            let list: Vec<Value> =
                names.iter().map(|name| json!({"name": name, "image": "i"})).collect();
            pod(json!({ "ephemeralContainers": list }))
        };
        assert!(ephemeral_containers(&with(&["a", "b"]), &with(&["a"])).is_empty());
        assert_eq!(ephemeral_containers(&with(&["b"]), &with(&["a"])).len(), 1);
        let mut mirror = with(&[]);
        mirror["metadata"] = json!({"annotations": {annotations::MIRROR: "x"}});
        assert_eq!(ephemeral_containers(&with(&["a"]), &mirror)[0].field.to_string(), "[]");
    }
}
