//! Annotations of pods that mean something.

use super::placement;
use super::ratchet::{Ratchet, containers};
use crate::validation::read::{entries, has, text};
use crate::validation::volume_source::descending;
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::{Value, json};

/// Marks the pod that shows a static one.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF: &str = "container.seccomp.security.alpha.kubernetes.io/";
/// Prefix of the annotation with the AppArmor profile of a container.
pub const APP_ARMOR_OF: &str = "container.apparmor.security.beta.kubernetes.io/";
const LOCAL: &str = "localhost/";

/// Checks the annotations of a pod or template.
pub fn all(meta: &Value, spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let annotations = &meta["annotations"];
    let mut errors = ErrorList::new();
    if has(annotations, MIRROR) && text(spec, "nodeName").is_empty() {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        let value = text(annotations, MIRROR);
        errors.push(FieldError::invalid(path.key(MIRROR), value, detail));
    }
    errors.extend(tolerations(text(annotations, TOLERATIONS), path));
    if !ratchet.deletion_cost {
        errors.extend(deletion_cost(meta, path));
    }
    errors.extend(seccomp(annotations, path));
    errors.extend(app_armor(annotations, spec, path));
    errors
}

fn tolerations(written: &str, path: &FieldPath) -> ErrorList {
    if written.is_empty() {
        return ErrorList::new();
    }
    match serde_json::from_str::<Vec<Value>>(written) {
        Err(error) => {
            vec![FieldError::invalid(path.clone(), TOLERATIONS, error.to_string())]
        }
        Ok(list) => placement::toleration_list(&list, &path.child(TOLERATIONS)),
    }
}

/// What it costs to delete a pod is a whole number, written without frills.
pub fn deletion_cost(meta: &Value, path: &FieldPath) -> Option<FieldError> {
    let written = meta["annotations"].get(DELETION_COST)?.as_str()?;
    let plain = written == "0" || written.starts_with('-') || {
        written.starts_with(|c: char| ('1'..='9').contains(&c))
    };
    let detail = "must be a 32bit integer";
    (!plain || written.parse::<i32>().is_err())
        .then(|| FieldError::invalid(path.key(DELETION_COST), written, detail))
}

fn seccomp(annotations: &Value, path: &FieldPath) -> ErrorList {
    let of_containers =
        annotations.as_object().into_iter().flatten().filter(|(k, _)| k.starts_with(SECCOMP_OF));
    let of_pod = annotations.get(SECCOMP).map(|profile| (SECCOMP, profile));
    let all = of_pod.into_iter().chain(of_containers.map(|(key, value)| (key.as_str(), value)));
    all.flat_map(|(key, profile)| {
        seccomp_profile(profile.as_str().unwrap_or_default(), &path.child(key))
    })
    .collect()
}

fn seccomp_profile(profile: &str, path: &FieldPath) -> ErrorList {
    if ["runtime/default", "docker/default", "unconfined"].contains(&profile) {
        return ErrorList::new();
    }
    match profile.strip_prefix(LOCAL) {
        Some(file) => descending(file, path),
        None => {
            let detail = "must be a valid seccomp profile";
            vec![FieldError::invalid(path.clone(), profile, detail)]
        }
    }
}

fn app_armor(annotations: &Value, spec: &Value, path: &FieldPath) -> ErrorList {
    let containers = containers(spec, path);
    let mut errors = ErrorList::new();
    for (key, profile) in annotations.as_object().into_iter().flatten() {
        let Some(name) = key.strip_prefix(APP_ARMOR_OF) else { continue };
        if !containers.iter().any(|(container, _)| text(container, "name") == name) {
            errors.push(FieldError::invalid(path.key(key), name, "container not found"));
        }
        let profile = profile.as_str().unwrap_or_default();
        let known = ["", "runtime/default", "unconfined"].contains(&profile);
        if !known && !profile.starts_with(LOCAL) {
            let detail = format!("invalid AppArmor profile name: {profile:?}");
            errors.push(FieldError::invalid(path.key(key), profile, detail));
        }
    }
    errors
}

/// Checks what an update does to annotations that stay as they are, and all the rest once more.
pub fn updated(new: &Value, old: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let (new_meta, old_meta) = (&new["metadata"], &old["metadata"]);
    let mut errors = ErrorList::new();
    let mut refuse = |key: &str, what: &str| {
        let kept = [(APP_ARMOR_OF, "AppArmor annotations"), (MIRROR, "mirror pod annotation")];
        let kept = kept.into_iter().find(|(prefix, _)| match *prefix {
            MIRROR => key == MIRROR,
            prefix => key.starts_with(prefix),
        });
        if let Some((_, noun)) = kept {
            errors.push(FieldError::forbidden(path.key(key), format!("may not {what} {noun}")));
        }
    };
    for (key, value) in entries(old_meta, "annotations") {
        if new_meta["annotations"].get(key) != Some(value) {
            refuse(key, "remove or update");
        }
    }
    for (key, _) in entries(new_meta, "annotations") {
        if !has(&old_meta["annotations"], key) {
            refuse(key, "add");
        }
    }
    errors.extend(all(new_meta, &new["spec"], ratchet, path));
    errors
}

/// What annotations and fields say of the same profile must agree.
pub fn match_fields(object: &Value, path: &FieldPath) -> ErrorList {
    let (annotations, spec) = (&object["metadata"]["annotations"], &object["spec"]);
    let of_pod = &spec["securityContext"];
    let mut errors = ErrorList::new();
    let at = |owner: &FieldPath, field: &str| owner.child("securityContext").child(field);
    let written = |key: &str| annotations.get(key).and_then(Value::as_str);
    if let Some(text) = written(SECCOMP) {
        let at = at(path, "seccompProfile");
        errors.extend(differing(text, &of_pod["seccompProfile"], "seccomp", &at));
    }
    let all = containers(spec, path);
    for (container, place) in &all {
        if let Some(text) = written(&format!("{SECCOMP_OF}{}", name(container))) {
            let profile = &container["securityContext"]["seccompProfile"];
            errors.extend(differing(text, profile, "seccomp", &at(place, "seccompProfile")));
        }
    }
    if text(&spec["os"], "name") == "windows" {
        return errors;
    }
    for (container, place) in &all {
        if let Some(text) = written(&format!("{APP_ARMOR_OF}{}", name(container))) {
            let own = &container["securityContext"]["appArmorProfile"];
            let profile = if own.is_null() { &of_pod["appArmorProfile"] } else { own };
            errors.extend(differing(text, profile, "apparmor", &at(place, "appArmorProfile")));
        }
    }
    errors
}

fn name(container: &Value) -> &str {
    text(container, "name")
}

/// An annotation that says another thing than the field `profile`.
fn differing(written: &str, profile: &Value, what: &str, path: &FieldPath) -> Option<FieldError> {
    let other = |field: &str, noun: &str| {
        let detail = format!("{what} {noun} in annotation and field must match");
        Some(FieldError::forbidden(path.child(field), detail))
    };
    let default = written == "runtime/default" || what == "seccomp" && written == "docker/default";
    match text(profile, "type") {
        "Unconfined" if written != "unconfined" => other("type", "type"),
        "RuntimeDefault" if !default => other("type", "type"),
        "Localhost" => match written.strip_prefix(LOCAL) {
            None => other("type", "type"),
            Some(file) if profile["localhostProfile"] != file => {
                other("localhostProfile", "profile")
            }
            Some(_) => None,
        },
        _ => None,
    }
}

/// The AppArmor profile that an annotation stands for.
pub fn app_armor_profile(written: &str) -> Option<Value> {
    match written {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        _ => {
            let file = written.strip_prefix(LOCAL).filter(|file| !file.is_empty())?;
            Some(json!({"type": "Localhost", "localhostProfile": file}))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn meaningful_annotations() {
        let meta = json!({"annotations": {
            MIRROR: "x", DELETION_COST: "+1", SECCOMP: "odd",
            format!("{APP_ARMOR_OF}c"): "odd", format!("{APP_ARMOR_OF}d"): "unconfined",
        }});
        let spec = json!({"containers": [{"name": "c"}]});
        let errors = all(&meta, &spec, &Ratchet::NONE, &FieldPath::new("a"));
        assert_eq!(errors.len(), 5, "{:?}", fields(&errors));
        for (cost, ok) in
            [("0", true), ("-5", true), ("007", false), ("", false), ("3000000000", false)]
        {
            let meta = json!({"annotations": {DELETION_COST: cost}});
            assert_eq!(deletion_cost(&meta, &FieldPath::new("a")).is_none(), ok, "{cost}");
        }
    }

    #[test]
    fn annotations_that_stay() {
        let old = json!({"metadata": {"annotations": {MIRROR: "x"}}, "spec": {"nodeName": "n"}});
        let new = json!({"metadata": {"annotations": {format!("{APP_ARMOR_OF}c"): "unconfined"}},
            "spec": {"nodeName": "n", "containers": [{"name": "c"}]}});
        let errors = updated(&new, &old, &Ratchet::NONE, &FieldPath::new("a"));
        assert_eq!(
            errors.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>(),
            ["may not remove or update mirror pod annotation", "may not add AppArmor annotations"]
        );
    }

    #[test]
    fn two_ways_to_say_it() {
        let pod = json!({
            "metadata": {"annotations": {SECCOMP: "localhost/a", format!("{APP_ARMOR_OF}c"): "runtime/default"}},
            "spec": {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "b"},
                "appArmorProfile": {"type": "Unconfined"}}, "containers": [{"name": "c"}]},
        });
        assert_eq!(
            fields(&match_fields(&pod, &FieldPath::new("spec"))),
            [
                "spec.securityContext.seccompProfile.localhostProfile FieldValueForbidden",
                "spec.containers[0].securityContext.appArmorProfile.type FieldValueForbidden",
            ]
        );
    }
}
