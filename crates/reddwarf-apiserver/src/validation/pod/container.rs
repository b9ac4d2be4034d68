//! Containers of a pod.

use super::probe;
use crate::validation::read::{flag, has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use reddwarf_core::quantity::Quantity;
use serde_json::Value;
use std::collections::HashSet;

const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];
const USER_ID_MAX: i64 = 2_147_483_647;
const ENVIRONMENT_SOURCES: [&str; 5] =
    ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
const FIELD_PATHS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// Checks the containers and init containers of a pod's specification.
pub fn containers(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if items(spec, "containers").is_empty() {
        errors.push(FieldError::required(path.child("containers"), ""));
    }
    let volumes = volumes(spec);
    let mut seen: HashSet<&str> = HashSet::new();
    for list in ["containers", "initContainers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            let at = path.child(list).index(at);
            let name = text(container, "name");
            if !seen.insert(name) && !name.is_empty() {
                errors.push(FieldError::duplicate(at.child("name"), name));
            }
            errors.extend(one(container, &volumes, &at));
            let plain_init =
                list == "initContainers" && text(container, "restartPolicy").is_empty();
            if plain_init {
                errors.extend(probe::forbidden_in_init(container, &at));
            } else {
                errors.extend(probe::all(container, &at));
            }
        }
    }
    errors
}

/// The names of a pod's volumes.
fn volumes(spec: &Value) -> HashSet<&str> {
    items(spec, "volumes").iter().map(|volume| text(volume, "name")).collect()
}

/// Checks what all kinds of containers have in common; `volumes` are the pod's.
fn one(container: &Value, volumes: &HashSet<&str>, path: &FieldPath) -> ErrorList {
    let mut errors =
        check::required_name(names::label, text(container, "name"), &path.child("name"));
    errors.extend(check::required(text(container, "image"), path.child("image")));
    errors.extend(check::one_of(container, "terminationMessagePolicy", &MESSAGE_POLICIES, path));
    errors.extend(ports(container, path));
    errors.extend(environment(container, path));
    errors.extend(mounts(container, volumes, path));
    errors.extend(check::one_of(container, "imagePullPolicy", &PULL_POLICIES, path));
    errors.extend(resources(&container["resources"], &path.child("resources")));
    errors.extend(security(container, path));
    errors
}

fn ports(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ports");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, port) in items(container, "ports").iter().enumerate() {
        let at = list.index(at);
        let name = text(port, "name");
        if !name.is_empty() {
            errors.extend(check::named(names::port_name, name, &at.child("name")));
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(at.child("name"), name));
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

fn environment(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("env");
    let mut errors = ErrorList::new();
    for (at, variable) in items(container, "env").iter().enumerate() {
        let at = list.index(at);
        let name = text(variable, "name");
        errors.extend(check::required_name(names::environment_name, name, &at.child("name")));
        if has(variable, "valueFrom") {
            errors.extend(environment_source(variable, &at.child("valueFrom")));
        }
    }
    errors
}

fn environment_source(variable: &Value, path: &FieldPath) -> ErrorList {
    let source = &variable["valueFrom"];
    let mut errors = ErrorList::new();
    let given: Vec<&str> =
        ENVIRONMENT_SOURCES.into_iter().filter(|kind| has(source, kind)).collect();
    for kind in &given {
        errors.extend(one_environment_source(kind, &source[*kind], &path.child(kind)));
    }
    let detail = match given.len() {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        }
        _ if !text(variable, "value").is_empty() => {
            "may not be specified when `value` is not empty"
        }
        1 => return errors,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(path.clone(), "", detail));
    errors
}

fn one_environment_source(kind: &str, source: &Value, path: &FieldPath) -> ErrorList {
    match kind {
        "fieldRef" => field_reference(source, path),
        "configMapKeyRef" | "secretKeyRef" => {
            let mut errors: ErrorList =
                check::required(text(source, "name"), path.child("name")).into_iter().collect();
            let key = text(source, "key");
            errors.extend(check::required_name(names::config_key, key, &path.child("key")));
            errors
        }
        "resourceFieldRef" => {
            check::required(text(source, "resource"), path.child("resource")).into_iter().collect()
        }
        _ => ErrorList::new(),
    }
}

fn field_reference(source: &Value, path: &FieldPath) -> ErrorList {
    let field = text(source, "fieldPath");
    let path = path.child("fieldPath");
    if field.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let keyed = ["metadata.labels['", "metadata.annotations['"]
        .iter()
        .any(|prefix| field.starts_with(prefix) && field.ends_with("']"));
    if keyed || FIELD_PATHS.contains(&field) {
        return ErrorList::new();
    }
    let detail = format!("error converting fieldPath: field label not supported: {field}");
    vec![FieldError::invalid(path, field, detail)]
}

fn mounts(container: &Value, volumes: &HashSet<&str>, path: &FieldPath) -> ErrorList {
    let list = path.child("volumeMounts");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, mount) in items(container, "volumeMounts").iter().enumerate() {
        let at = list.index(at);
        let name = text(mount, "name");
        let known = volumes.contains(name);
        if name.is_empty() {
            errors.push(FieldError::required(at.child("name"), ""));
        } else if !known {
            errors.push(FieldError::not_found(at.child("name"), name));
        }
        let place = text(mount, "mountPath");
        if place.is_empty() {
            errors.push(FieldError::required(at.child("mountPath"), ""));
        } else if !seen.insert(place) {
            errors.push(FieldError::invalid(at.child("mountPath"), place, "must be unique"));
        }
    }
    errors
}

fn resources(resources: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = amounts(&resources["limits"], &path.child("limits"));
    let requests = path.child("requests");
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let parsed = |value: &Value| value.as_str().and_then(|text| Quantity::parse(text).ok());
        let limit = &resources["limits"][name];
        if let (Some(asked), Some(most)) = (parsed(request), parsed(limit))
            && asked > most
        {
            let detail = format!("must be less than or equal to {name} limit of {most}");
            let value = request.clone();
            errors.push(FieldError::invalid(requests.clone(), value, detail));
        }
        errors.extend(amount(name, request, &requests));
    }
    errors
}

/// Checks a map of amounts of resources.
pub fn amounts(map: &Value, path: &FieldPath) -> ErrorList {
    let entries = map.as_object().into_iter().flatten();
    entries.flat_map(|(name, value)| amount(name, value, path)).collect()
}

/// Checks the name and the value of one resource of a container.
fn amount(name: &str, value: &Value, path: &FieldPath) -> ErrorList {
    let at = path.key(name);
    let mut errors = check::named(names::qualified_name, name, &at);
    let standard = ["cpu", "memory", "ephemeral-storage"].contains(&name)
        || name.starts_with("hugepages-")
        || name.contains('/');
    if !standard {
        let detail = "must be a standard resource for containers";
        errors.push(FieldError::invalid(at.clone(), name, detail));
    }
    let text = value.as_str().unwrap_or_default();
    if Quantity::parse(text).is_ok_and(|q| q.is_negative()) {
        errors.push(FieldError::invalid(at, text, crate::validation::NEGATIVE));
    }
    errors
}

fn security(container: &Value, path: &FieldPath) -> ErrorList {
    let context = &container["securityContext"];
    let path = path.child("securityContext");
    let mut errors = ErrorList::new();
    for field in ["runAsUser", "runAsGroup"] {
        if let Some(id) = int(context, field) {
            errors.extend(check::within(id, 0, USER_ID_MAX, &path.child(field)));
        }
    }
    let kept = context.get("allowPrivilegeEscalation") == Some(&Value::Bool(false));
    if kept && flag(context, "privileged") {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::invalid(path, context.clone(), detail));
    }
    errors
}

/// Checks the containers that were added to a running pod.
pub fn ephemeral(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("ephemeralContainers");
    let others = || items(spec, "containers").iter().chain(items(spec, "initContainers"));
    let mut errors = ErrorList::new();
    let volumes = volumes(spec);
    let known: HashSet<&str> = others().map(|c| text(c, "name")).collect();
    let mut seen: HashSet<&str> = others().map(|c| text(c, "name")).collect();
    for (at, container) in items(spec, "ephemeralContainers").iter().enumerate() {
        let at = list.index(at);
        let name = text(container, "name");
        if !seen.insert(name) && !name.is_empty() {
            errors.push(FieldError::duplicate(at.child("name"), name));
        }
        errors.extend(one(container, &volumes, &at));
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !known.contains(target) {
            errors.push(FieldError::not_found(at.child("targetContainerName"), target));
        }
        let detail = "cannot be set for an Ephemeral Container";
        let refused =
            ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resources"]
                .into_iter()
                .filter(|field| {
                    container.get(*field).is_some_and(|v| !crate::validation::read::is_empty(v))
                });
        errors.extend(refused.map(|field| FieldError::forbidden(at.child(field), detail)));
    }
    errors
}
