//! Pods and pod templates.

mod annotations;
mod container;
mod environment;
mod hooks;
mod mount;
mod network;
mod placement;
mod projected;
mod ratchet;
mod resize;
mod resources;
mod restart;
mod security;
mod spread;
mod status;
mod update;
mod volume;
mod windows;

pub use annotations::{APP_ARMOR_OF, app_armor_profile};
pub use placement::{node_selector, tolerations};
pub use ratchet::containers;
pub use resize::resize;
pub use resources::{all_limit, amounts, are_set, together};
pub use security::app_armor;
pub use status::status;
pub use update::{ephemeral_containers, update};

use super::read::{has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use container::Surroundings;
use ratchet::Ratchet;
use serde_json::Value;

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const DNS_POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const PREEMPTION_POLICIES: [&str; 2] = ["PreemptLowerPriority", "Never"];

/// Checks a new pod.
pub fn create(pod: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let mut errors = whole(pod, &Ratchet::NONE);
    if !items(&pod["spec"], "ephemeralContainers").is_empty() {
        let detail = "cannot be set on create";
        errors.push(FieldError::forbidden(path.child("ephemeralContainers"), detail));
    }
    let gated = !items(&pod["spec"], "schedulingGates").is_empty();
    if gated && !text(&pod["spec"], "nodeName").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        errors.push(FieldError::forbidden(path.child("nodeName"), detail));
    }
    errors.extend(annotations::match_fields(pod, &path));
    errors
}

/// Checks a pod, new or not.
fn whole(pod: &Value, ratchet: &Ratchet) -> ErrorList {
    let (meta, path) = (&pod["metadata"], FieldPath::new("spec"));
    let at = FieldPath::new("metadata").child("annotations");
    let mut errors = annotations::all(meta, &pod["spec"], ratchet, &at);
    errors.extend(spec(&pod["spec"], Some(meta), ratchet, &path));
    errors.extend(projected::tokens_of_nobody(&pod["spec"], &path));
    for list in ["containers", "initContainers"] {
        let containers = items(&pod["spec"], list).iter().enumerate();
        let list = path.child(list);
        errors.extend(containers.filter_map(|(at, c)| container::spaces(c, &list.index(at))));
    }
    errors
}

/// Checks a new pod template; `path` is the template's.
pub fn template(template: &Value, path: &FieldPath) -> ErrorList {
    checked_template(template, &Ratchet::NONE, path)
}

/// Checks a pod template that replaces `old`.
pub fn template_update(template: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    checked_template(template, &Ratchet::of(old), path)
}

fn checked_template(template: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let meta = &template["metadata"];
    let (at, of_spec) = (path.child("annotations"), path.child("spec"));
    let mut errors = labels::labels(&meta["labels"], &path.child("labels"));
    errors.extend(labels::annotations(&meta["annotations"], &at));
    errors.extend(annotations::all(meta, &template["spec"], ratchet, &at));
    errors.extend(spec(&template["spec"], None, ratchet, &of_spec));
    errors.extend(annotations::match_fields(template, &of_spec));
    if !items(&template["spec"], "ephemeralContainers").is_empty() {
        let path = of_spec.child("ephemeralContainers");
        errors
            .push(FieldError::forbidden(path, "ephemeral containers not allowed in pod template"));
    }
    errors
}

/// Checks a specification: of the pod with this metadata, or of a template.
fn spec(spec: &Value, meta: Option<&Value>, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let pod = meta.map(|meta| text(meta, "name"));
    let (volumes, mut errors) = volume::volumes(spec, pod, ratchet, path);
    let claims = volume::claim_names(spec);
    errors.extend(volume::device_claims(spec, meta, path));
    let around = Surroundings { spec, volumes, claims, ratchet: *ratchet };
    errors.extend(container::all(&around, path));
    errors.extend(resources::of_pod(spec, &around.claims, ratchet, path));
    errors.extend(network::host_ports(spec, meta.is_some(), path));
    errors.extend(policies(spec, path));
    errors.extend(labels::labels(&spec["nodeSelector"], &path.child("nodeSelector")));
    errors.extend(security::of_pod(spec, ratchet, path));
    errors.extend(placement::affinity(spec, ratchet, path));
    errors.extend(network::dns(spec, path));
    errors.extend(gates(spec, path));
    errors.extend(placement::spreading(spec, ratchet, path));
    errors.extend(windows::host_processes(spec, path));
    errors.extend(security::own_users(spec, ratchet, path));
    errors.extend(network::own_name(spec, path));
    errors.extend(names_of(spec, &["serviceAccountName", "nodeName"], path));
    errors.extend(deadline(spec, 1, path));
    errors.extend(names_of(spec, &["hostname", "subdomain"], path));
    errors.extend(placement::tolerations(spec, path));
    errors.extend(network::aliases(spec, path));
    errors.extend(names_of(spec, &["priorityClassName", "runtimeClassName"], path));
    errors.extend(check::one_of(spec, "preemptionPolicy", &PREEMPTION_POLICIES, path));
    if has(spec, "overhead") {
        errors.extend(amounts(&spec["overhead"], &path.child("overhead")));
    }
    errors.extend(windows::system(spec, path));
    errors.extend(environment::file_volumes(spec, path));
    errors
}

/// A pod's time to live.
fn deadline(spec: &Value, min: i64, path: &FieldPath) -> Option<FieldError> {
    let seconds = int(spec, "activeDeadlineSeconds")?;
    check::within(seconds, min, i32::MAX.into(), &path.child("activeDeadlineSeconds"))
}

fn policies(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    match text(spec, "restartPolicy") {
        "" => errors.push(FieldError::required(path.child("restartPolicy"), "")),
        _ => errors.extend(check::one_of(spec, "restartPolicy", &RESTART_POLICIES, path)),
    }
    errors.extend(check::one_of(spec, "dnsPolicy", &DNS_POLICIES, path));
    errors
}

/// Conditions that a ready pod has, and gates that must open before it is scheduled.
fn gates(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let list = path.child("readinessGates");
    for (at, gate) in items(spec, "readinessGates").iter().enumerate() {
        let at = list.index(at).child("conditionType");
        errors.extend(check::named(names::qualified_name, text(gate, "conditionType"), &at));
    }
    let list = path.child("schedulingGates");
    let gates = items(spec, "schedulingGates");
    for (at, gate) in gates.iter().enumerate() {
        let (name, path) = (text(gate, "name"), list.index(at));
        errors.extend(check::named(names::qualified_name, name, &path));
        if gates[..at].iter().any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(path, name));
        }
    }
    errors
}

fn names_of(spec: &Value, fields: &[&str], path: &FieldPath) -> ErrorList {
    let rule = |field: &str| -> names::NameRule {
        if ["hostname", "subdomain"].contains(&field) { names::label } else { names::subdomain }
    };
    // The runtime class may be given as an empty text, which names none.
    let given = |field: &&&str| match **field {
        "runtimeClassName" => has(spec, field),
        field => !text(spec, field).is_empty(),
    };
    let fields = fields.iter().filter(given);
    fields
        .flat_map(|field| check::named(rule(field), text(spec, field), &path.child(field)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn a_new_pod() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {
            "restartPolicy": "Always", "nodeName": "n", "runtimeClassName": "",
            "containers": [{"name": "c", "image": " i"}],
            "schedulingGates": [{"name": "a/b"}, {"name": "a/b"}],
            "readinessGates": [{"conditionType": "a b"}],
            "volumes": [{"name": "t", "projected": {"sources": [
                {"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}]}}],
        }});
        assert_eq!(
            fields(&create(&pod)),
            [
                "spec.readinessGates[0].conditionType FieldValueInvalid",
                "spec.schedulingGates[1] FieldValueDuplicate",
                "spec.runtimeClassName FieldValueInvalid",
                "spec.volumes[0].projected.sources[0].serviceAccountToken FieldValueForbidden",
                "spec.containers[0].image FieldValueInvalid",
                "spec.nodeName FieldValueForbidden",
            ]
        );
    }

    #[test]
    fn a_stored_template_keeps_its_mistakes() {
        let template_of = |value: &str| {
            let term = json!({"topologyKey": "k", "labelSelector": {"matchExpressions": [
                {"key": "a", "operator": "In", "values": [value]}]}});
            json!({"spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}],
                "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}})
        };
        let path = FieldPath::new("t");
        let (bad, good) = (template_of("a b"), template_of("a"));
        assert_eq!(template(&bad, &path).len(), 1);
        assert_eq!(template_update(&bad, &good, &path).len(), 1);
        assert!(template_update(&bad, &bad, &path).is_empty());
    }
}
