//! Probes and lifecycle hooks of a container.

use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];
const NUMBERS: [&str; 5] = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
];

/// Checks the hooks and probes of a container that runs on.
pub fn all(container: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    for hook in ["postStart", "preStop"] {
        if let Some(handler) = container["lifecycle"].get(hook) {
            let path = path.child("lifecycle").child(hook);
            errors.extend(one_handler(handler, &HOOK_HANDLERS, &path));
        }
    }
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get(kind).filter(|p| !p.is_null()) {
            errors.extend(one(probe, kind, &path.child(kind)));
        }
    }
    errors
}

fn one(probe: &Value, kind: &str, path: &FieldPath) -> ErrorList {
    let mut errors = one_handler(probe, &HANDLERS, path);
    errors.extend(NUMBERS.iter().filter_map(|field| check::not_negative(probe, field, path)));
    if kind != "readinessProbe"
        && let Some(threshold) = int(probe, "successThreshold").filter(|n| *n != 1)
    {
        let path = path.child("successThreshold");
        errors.push(FieldError::invalid(path, threshold, "must be 1"));
    }
    errors
}

/// Exactly one way to act, and that one well formed.
fn one_handler(handler: &Value, kinds: &[&str], path: &FieldPath) -> ErrorList {
    let mut present = kinds.iter().filter(|kind| has(handler, kind));
    let Some(first) = present.next() else {
        return vec![FieldError::required(path.clone(), "must specify a handler type")];
    };
    let mut errors = action(first, &handler[*first], &path.child(first));
    errors.extend(present.map(|more| {
        FieldError::forbidden(path.child(more), "may not specify more than 1 handler type")
    }));
    errors
}

fn action(kind: &str, action: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    match kind {
        "exec" if items(action, "command").is_empty() => {
            errors.push(FieldError::required(path.child("command"), ""));
        }
        "httpGet" => {
            errors.extend(check::required(text(action, "path"), path.child("path")));
            errors.extend(port(action, path));
            errors.extend(check::one_of(action, "scheme", &["HTTP", "HTTPS"], path));
        }
        "tcpSocket" | "grpc" => errors.extend(port(action, path)),
        _ => {}
    }
    errors
}

fn port(action: &Value, path: &FieldPath) -> ErrorList {
    let path = path.child("port");
    match &action["port"] {
        Value::String(name) => check::named(crate::validation::names::port_name, name, &path),
        number => check::port(number.as_i64().unwrap_or_default(), &path).into_iter().collect(),
    }
}

/// An init container that ends before the others begin is not probed.
pub fn forbidden_in_init(container: &Value, path: &FieldPath) -> ErrorList {
    let detail = "may not be set for init containers without restartPolicy=Always";
    ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"]
        .into_iter()
        .filter(|field| has(container, field))
        .map(|field| FieldError::forbidden(path.child(field), detail))
        .collect()
}
