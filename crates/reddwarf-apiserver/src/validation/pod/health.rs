//! How the devices that containers got are doing.

use crate::validation::read::{has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath};
use serde_json::Value;
use std::collections::HashSet;

const MESSAGE_MAX: usize = 1024;

/// Checks what a status tells of the devices of one list of containers.
pub fn allocated(
    status: &Value,
    spec: &Value,
    statuses: &str,
    containers: &str,
    path: &FieldPath,
) -> ErrorList {
    let mut errors = ErrorList::new();
    for (at, container) in items(status, statuses).iter().enumerate() {
        let list = path.child(statuses).index(at).child("allocatedResourcesStatus");
        let given = items(container, "allocatedResourcesStatus");
        if containers == "ephemeralContainers" {
            let detail = "must not be specified in container status";
            let refused = (!given.is_empty()).then(|| FieldError::forbidden(list, detail));
            errors.extend(refused);
            continue;
        }
        let of = items(spec, containers).iter().find(|c| c["name"] == container["name"]);
        for (i, resource) in given.iter().enumerate() {
            let at = list.index(i);
            errors.extend(of.and_then(|of| unasked(of, resource, &at.child("name"))));
            errors.extend(devices(resource, &at.child("resources")));
        }
    }
    errors
}

/// A resource that the container does not ask for.
fn unasked(container: &Value, resource: &Value, at: &FieldPath) -> Option<FieldError> {
    let name = text(resource, "name");
    let (known, detail) = match name.strip_prefix("claim:") {
        Some(claim) => {
            let is = |c: &Value| match text(c, "request") {
                "" => text(c, "name") == claim,
                request => format!("{}/{request}", text(c, "name")) == claim,
            };
            (
                items(&container["resources"], "claims").iter().any(is),
                "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
            )
        }
        None => (
            has(&container["resources"]["requests"], name),
            "must match one of the container's resource requests",
        ),
    };
    (!known).then(|| FieldError::invalid(at.clone(), name, detail))
}

fn devices(resource: &Value, list: &FieldPath) -> ErrorList {
    let devices = items(resource, "resources");
    let supported = ["Healthy", "Unhealthy", "Unknown"];
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, device) in devices.iter().enumerate() {
        let (path, state, id) =
            (list.index(at), text(device, "health"), text(device, "resourceID"));
        if !supported.contains(&state) {
            errors.push(FieldError::not_supported(path.child("health"), state, &supported));
        }
        if let Some(message) = device.get("message").and_then(Value::as_str) {
            let at = path.child("message");
            if message.is_empty() {
                errors.push(FieldError::required(at, "must be non-empty if specified"));
            } else if message.len() > MESSAGE_MAX {
                errors.push(FieldError::too_long(at, MESSAGE_MAX));
            }
        }
        if !seen.insert(id) {
            errors.push(FieldError::duplicate(path.child("resourceID"), id));
        }
    }
    errors
}
