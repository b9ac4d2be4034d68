//! Pods and pod templates.

mod container;
mod placement;
mod probe;
mod update;
pub mod volume;

pub use container::amounts;
pub use placement::{node_selector, tolerations};
pub use update::{status, update};

use super::read::{has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::Value;

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const DNS_POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const SECONDS_MAX: i64 = 2_147_483_647;

/// Checks a new pod.
pub fn create(pod: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let mut errors = spec(&pod["spec"], &path);
    if !items(&pod["spec"], "ephemeralContainers").is_empty() {
        let detail = "cannot be set on create";
        errors.push(FieldError::forbidden(path.child("ephemeralContainers"), detail));
    }
    errors.extend(image_spaces(&pod["spec"], &path));
    errors
}

/// Checks the ephemeral containers of a pod's specification.
pub fn ephemeral_containers(spec: &Value) -> ErrorList {
    container::ephemeral(spec, &FieldPath::new("spec"))
}

/// Checks a pod template; `path` is the template's.
pub fn template(template: &Value, path: &FieldPath) -> ErrorList {
    let meta = &template["metadata"];
    let mut errors = labels::labels(&meta["labels"], &path.child("labels"));
    errors.extend(labels::annotations(&meta["annotations"], &path.child("annotations")));
    errors.extend(spec(&template["spec"], &path.child("spec")));
    if !items(&template["spec"], "ephemeralContainers").is_empty() {
        let path = path.child("spec").child("ephemeralContainers");
        errors
            .push(FieldError::forbidden(path, "ephemeral containers not allowed in pod template"));
    }
    errors
}

/// Checks a pod's specification.
pub fn spec(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = volume::volumes(spec, path);
    errors.extend(container::containers(spec, path));
    errors.extend(container::ephemeral(spec, path));
    errors.extend(policies(spec, path));
    errors.extend(labels::labels(&spec["nodeSelector"], &path.child("nodeSelector")));
    errors.extend(placement::affinity(spec, path));
    if text(spec, "dnsPolicy") == "None" && !has(spec, "dnsConfig") {
        let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
        errors.push(FieldError::required(path.child("dnsConfig"), detail));
    }
    errors.extend(placement::spreading(spec, path));
    errors.extend(names_of(spec, path));
    if let Some(seconds) = int(spec, "activeDeadlineSeconds") {
        errors.extend(check::within(seconds, 1, SECONDS_MAX, &path.child("activeDeadlineSeconds")));
    }
    errors.extend(placement::tolerations(spec, path));
    errors.extend(windows(spec, path));
    errors
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

fn names_of(spec: &Value, path: &FieldPath) -> ErrorList {
    let rules: [(&str, names::NameRule); 6] = [
        ("serviceAccountName", names::subdomain),
        ("nodeName", names::subdomain),
        ("hostname", names::label),
        ("subdomain", names::label),
        ("priorityClassName", names::subdomain),
        ("runtimeClassName", names::subdomain),
    ];
    let given = rules.into_iter().filter(|(field, _)| !text(spec, field).is_empty());
    given
        .flat_map(|(field, rule)| check::named(rule, text(spec, field), &path.child(field)))
        .collect()
}

/// What a pod for Windows may not ask for.
fn windows(spec: &Value, path: &FieldPath) -> ErrorList {
    if text(&spec["os"], "name") != "windows" {
        return ErrorList::new();
    }
    const POD: [&str; 8] = [
        "seLinuxOptions",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
    ];
    const CONTAINER: [&str; 9] = [
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    let forbidden = |context: &Value, fields: &[&str], path: FieldPath| -> ErrorList {
        let detail = "cannot be set for a windows pod";
        let set = fields.iter().filter(|field| has(context, field));
        set.map(|field| FieldError::forbidden(path.child(field), detail)).collect()
    };
    let mut errors = forbidden(&spec["securityContext"], &POD, path.child("securityContext"));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            let path = path.child(list).index(at).child("securityContext");
            errors.extend(forbidden(&container["securityContext"], &CONTAINER, path));
        }
    }
    errors
}

/// Images whose names begin or end with white space.
fn image_spaces(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for list in ["initContainers", "containers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            let image = text(container, "image");
            if image.trim() != image {
                let path = path.child(list).index(at).child("image");
                let detail = "must not have leading or trailing whitespace";
                errors.push(FieldError::invalid(path, image, detail));
            }
        }
    }
    errors
}
