//! Containers of a pod.

use super::ratchet::{Ratchet, has_host_users};
use super::volume::Volumes;
use super::{environment, hooks, mount, resources, restart, security};
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];

/// What the checks of a container depend on besides itself.
pub struct Surroundings<'a> {
    /// The specification of the pod.
    pub spec: &'a Value,
    /// Its well-formed volumes.
    pub volumes: Volumes<'a>,
    /// The names of its claims for devices.
    pub claims: Vec<&'a str>,
    /// The rules that are not applied.
    pub ratchet: Ratchet,
}

/// Checks all containers of a pod's specification.
pub fn all(around: &Surroundings<'_>, path: &FieldPath) -> ErrorList {
    let mut errors = plain(around, &path.child("containers"));
    errors.extend(initial(around, &path.child("initContainers")));
    errors.extend(ephemeral(around, path));
    errors
}

fn plain(around: &Surroundings<'_>, list: &FieldPath) -> ErrorList {
    let containers = items(around.spec, "containers");
    if containers.is_empty() {
        return vec![FieldError::required(list.clone(), "")];
    }
    let mut errors = ErrorList::new();
    for (at, container) in containers.iter().enumerate() {
        let path = list.index(at);
        let name = text(container, "name");
        errors.extend(one(container, around, &path));
        if containers[..at].iter().any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(path.child("name"), name));
        }
        errors.extend(hooks::all(container, around.spec, &path));
        errors.extend(restart::policy(container, false, &path));
    }
    errors.extend(host_ports(containers, list));
    errors
}

fn initial(around: &Surroundings<'_>, list: &FieldPath) -> ErrorList {
    let mut seen: Vec<&str> =
        items(around.spec, "containers").iter().map(|c| text(c, "name")).collect();
    let mut errors = ErrorList::new();
    for (at, container) in items(around.spec, "initContainers").iter().enumerate() {
        let path = list.index(at);
        let name = text(container, "name");
        errors.extend(one(container, around, &path));
        errors.extend(restart::policy(container, true, &path));
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(path.child("name"), name));
        } else if !name.is_empty() {
            seen.push(name);
        }
        // They run one by one, so each is looked at alone, as if it were the first.
        errors.extend(host_ports(std::slice::from_ref(container), list));
        let stays = restart::is_sidecar(container);
        errors.extend(match stays {
            true => hooks::all(container, around.spec, &path),
            false => hooks::forbidden_in_init(container, &path),
        });
        if !stays && !around.ratchet.restarted_init {
            errors.extend(restart::not_in_init(container, &path));
        }
    }
    errors
}

/// Checks what all kinds of containers have in common.
fn one(container: &Value, around: &Surroundings<'_>, path: &FieldPath) -> ErrorList {
    let (name, image) = (text(container, "name"), text(container, "image"));
    let mut errors = check::required_name(names::label, name, &path.child("name"));
    errors.extend(check::required(image, path.child("image")));
    errors.extend(check::one_of(container, "terminationMessagePolicy", &MESSAGE_POLICIES, path));
    errors.extend(ports(container, path));
    errors.extend(environment::variables(container, path));
    errors.extend(mount::all(container, &around.volumes, path));
    errors.extend(check::one_of(container, "imagePullPolicy", &PULL_POLICIES, path));
    let (claims, ratchet) = (&around.claims, &around.ratchet);
    let at = path.child("resources");
    errors.extend(resources::of_container(&container["resources"], claims, ratchet, &at));
    errors.extend(restart::resize(container, around.spec, path));
    errors.extend(security::of_container(container, has_host_users(around.spec), path));
    errors
}

fn ports(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ports");
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, port) in items(container, "ports").iter().enumerate() {
        let at = list.index(at);
        let name = text(port, "name");
        if !name.is_empty() {
            let wrong = check::named(names::port_name, name, &at.child("name"));
            if !wrong.is_empty() {
                errors.extend(wrong);
            } else if seen.contains(&name) {
                errors.push(FieldError::duplicate(at.child("name"), name));
            } else {
                seen.push(name);
            }
        }
        match int(port, "containerPort").unwrap_or_default() {
            0 => errors.push(FieldError::required(at.child("containerPort"), "")),
            number => errors.extend(check::port(number, &at.child("containerPort"))),
        }
        if let Some(number) = int(port, "hostPort").filter(|n| *n != 0) {
            errors.extend(check::port(number, &at.child("hostPort")));
        }
        match text(port, "protocol") {
            "" => errors.push(FieldError::required(at.child("protocol"), "")),
            _ => errors.extend(check::one_of(port, "protocol", &PROTOCOLS, &at)),
        }
    }
    errors
}

/// A port of the host is taken by one container.
fn host_ports(containers: &[Value], list: &FieldPath) -> ErrorList {
    let mut taken: Vec<String> = Vec::new();
    let mut errors = ErrorList::new();
    for (at, container) in containers.iter().enumerate() {
        for (i, port) in items(container, "ports").iter().enumerate() {
            let number = int(port, "hostPort").unwrap_or_default();
            if number == 0 {
                continue;
            }
            let shown = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
            if taken.contains(&shown) {
                let at = list.index(at).child("ports").index(i).child("hostPort");
                errors.push(FieldError::duplicate(at, shown));
            } else {
                taken.push(shown);
            }
        }
    }
    errors
}

/// What an ephemeral container may not have, in the order of upstream's fields.
const NOT_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

/// Checks the containers that were added to a running pod.
fn ephemeral(around: &Surroundings<'_>, path: &FieldPath) -> ErrorList {
    let spec = around.spec;
    let list = path.child("ephemeralContainers");
    let others = || items(spec, "containers").iter().chain(items(spec, "initContainers"));
    let detail = "cannot be set for an Ephemeral Container";
    let mut errors = ErrorList::new();
    let mut seen: Vec<&str> = others().map(|c| text(c, "name")).collect();
    for (at, container) in items(spec, "ephemeralContainers").iter().enumerate() {
        let at = list.index(at);
        let name = text(container, "name");
        errors.extend(one(container, around, &at));
        errors.extend(spaces(container, &at));
        if seen.contains(&name) {
            errors.push(FieldError::duplicate(at.child("name"), name));
        } else {
            seen.push(name);
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others().any(|c| text(c, "name") == target) {
            errors.push(FieldError::not_found(at.child("targetContainerName"), target));
        }
        let is_set = |field: &&str| match *field {
            // A struct that is always there, and lists; the others are pointers.
            "resources" | "ports" | "resizePolicy" | "restartPolicyRules" => {
                container.get(*field).is_some_and(|v| !crate::validation::read::is_empty(v))
            }
            field => has(container, field),
        };
        let refused = NOT_EPHEMERAL.into_iter().filter(is_set);
        errors.extend(refused.map(|field| FieldError::forbidden(at.child(field), detail)));
        for (i, mount) in items(container, "volumeMounts").iter().enumerate() {
            let set = ["subPath", "subPathExpr"].into_iter().filter(|f| !text(mount, f).is_empty());
            let at = at.child("volumeMounts").index(i);
            errors.extend(set.map(|field| FieldError::forbidden(at.child(field), detail)));
        }
    }
    errors
}

/// The name of an image that begins or ends with white space.
pub fn spaces(container: &Value, path: &FieldPath) -> Option<FieldError> {
    let image = text(container, "image");
    let detail = "must not have leading or trailing whitespace";
    (image.trim() != image).then(|| FieldError::invalid(path.child("image"), image, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(spec: Value) -> Vec<String> {
        let around = Surroundings {
            spec: &spec,
            volumes: Volumes::of(Vec::new()),
            claims: Vec::new(),
            ratchet: Ratchet::NONE,
        };
        let errors = all(&around, &FieldPath::new("spec"));
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn names_are_unique() {
        let c = json!({"name": "a", "image": "i"});
        assert_eq!(
            fields(
                json!({"containers": [c, c], "initContainers": [c], "ephemeralContainers": [c]})
            ),
            [
                "spec.containers[1].name FieldValueDuplicate",
                "spec.initContainers[0].name FieldValueDuplicate",
                "spec.ephemeralContainers[0].name FieldValueDuplicate",
            ]
        );
    }

    #[test]
    fn ports_of_the_host_are_unique() {
        let port = json!({"containerPort": 1, "hostPort": 1, "protocol": "TCP"});
        let with = |name: &str| json!({"name": name, "image": "i", "ports": [port]});
        assert_eq!(
            fields(json!({"containers": [with("a"), with("b")], "initContainers": [with("c")]})),
            ["spec.containers[1].ports[0].hostPort FieldValueDuplicate"]
        );
    }

    #[test]
    fn what_ephemeral_containers_lack() {
        let mount = json!({"name": "v", "mountPath": "/v", "subPath": "x"});
        let e = json!({"name": "e", "image": " i", "lifecycle": {}, "resources": {}, "volumeMounts": [mount]});
        assert_eq!(
            fields(
                json!({"containers": [{"name": "a", "image": "i"}], "ephemeralContainers": [e]})
            ),
            [
                "spec.ephemeralContainers[0].volumeMounts[0].name FieldValueNotFound",
                "spec.ephemeralContainers[0].image FieldValueInvalid",
                "spec.ephemeralContainers[0].lifecycle FieldValueForbidden",
                "spec.ephemeralContainers[0].volumeMounts[0].subPath FieldValueForbidden",
            ]
        );
    }
}
