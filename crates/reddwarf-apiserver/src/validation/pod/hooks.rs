//! Probes and lifecycle hooks of a container.

use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOK_HANDLERS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];
const SCHEMES: [&str; 2] = ["HTTP", "HTTPS"];
const NUMBERS: [&str; 5] = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
];
const GRACE: &str = "terminationGracePeriodSeconds";
const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

/// Checks the hooks and probes of a container that runs on.
pub fn all(container: &Value, spec: &Value, path: &FieldPath) -> ErrorList {
    let grace = int(spec, GRACE);
    let mut errors = ErrorList::new();
    for hook in ["postStart", "preStop"] {
        if has(&container["lifecycle"], hook) {
            let path = path.child("lifecycle").child(hook);
            let handler = &container["lifecycle"][hook];
            errors.extend(one_handler(handler, &HOOK_HANDLERS, grace, &path));
        }
    }
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if has(container, kind) {
            errors.extend(probe(&container[kind], kind, grace, &path.child(kind)));
        }
    }
    errors
}

fn probe(probe: &Value, kind: &str, grace: Option<i64>, path: &FieldPath) -> ErrorList {
    let mut errors = one_handler(probe, &HANDLERS, grace, path);
    errors.extend(NUMBERS.iter().filter_map(|field| check::not_negative(probe, field, path)));
    let seconds = int(probe, GRACE);
    if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
        let detail = "must be greater than 0";
        errors.push(FieldError::invalid(path.child(GRACE), seconds, detail));
    }
    if kind == "readinessProbe" {
        let detail = "must not be set for readinessProbes";
        errors.extend(seconds.map(|n| FieldError::invalid(path.child(GRACE), n, detail)));
    } else if let Some(threshold) = int(probe, "successThreshold").filter(|n| *n != 1) {
        let path = path.child("successThreshold");
        errors.push(FieldError::invalid(path, threshold, "must be 1"));
    }
    errors
}

/// Exactly one way to act, and that one well formed.
fn one_handler(handler: &Value, kinds: &[&str], grace: Option<i64>, path: &FieldPath) -> ErrorList {
    let mut present = kinds.iter().filter(|kind| has(handler, kind));
    let Some(first) = present.next() else {
        return vec![FieldError::required(path.clone(), "must specify a handler type")];
    };
    let mut errors = action(first, &handler[*first], grace, &path.child(first));
    errors.extend(present.map(|more| {
        FieldError::forbidden(path.child(more), "may not specify more than 1 handler type")
    }));
    errors
}

fn action(kind: &str, action: &Value, grace: Option<i64>, path: &FieldPath) -> ErrorList {
    match kind {
        "exec" if items(action, "command").is_empty() => {
            vec![FieldError::required(path.child("command"), "")]
        }
        "httpGet" => http_get(action, path),
        "tcpSocket" | "grpc" => port(action, path),
        "sleep" => sleep(action, grace, path).into_iter().collect(),
        _ => ErrorList::new(),
    }
}

fn http_get(action: &Value, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        check::required(text(action, "path"), path.child("path")).into_iter().collect();
    errors.extend(port(action, path));
    let scheme = text(action, "scheme");
    if !SCHEMES.contains(&scheme) {
        errors.push(FieldError::not_supported(path.child("scheme"), scheme, &SCHEMES));
    }
    for header in items(action, "httpHeaders") {
        let name = text(header, "name");
        let ok = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !ok {
            errors.push(FieldError::invalid(path.child("httpHeaders"), name, HEADER));
        }
    }
    errors
}

fn port(action: &Value, path: &FieldPath) -> ErrorList {
    let path = path.child("port");
    match &action["port"] {
        Value::String(name) => check::named(names::port_name, name, &path),
        number => check::port(number.as_i64().unwrap_or_default(), &path).into_iter().collect(),
    }
}

fn sleep(action: &Value, grace: Option<i64>, path: &FieldPath) -> Option<FieldError> {
    let (grace, seconds) = (grace?, int(action, "seconds").unwrap_or_default());
    let detail =
        format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
    let fits = (0..=grace).contains(&seconds);
    (!fits).then(|| FieldError::invalid(path.clone(), seconds, detail))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hooks_and_probes() {
        let container = json!({
            "lifecycle": {"preStop": {"sleep": {"seconds": 31}}, "postStart": {}},
            "livenessProbe": {"httpGet": {"path": "/", "port": 0, "scheme": "HTTP",
                "httpHeaders": [{"name": "a b"}]}, "successThreshold": 2},
            "readinessProbe": {"grpc": {"port": 1}, "terminationGracePeriodSeconds": 1},
            "startupProbe": {"tcpSocket": {"port": "x"}, "successThreshold": 1, "exec": {"command": ["a"]}},
        });
        let spec = json!({"terminationGracePeriodSeconds": 30});
        let errors = all(&container, &spec, &FieldPath::new("c"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "c.lifecycle.postStart",
                "c.lifecycle.preStop.sleep",
                "c.livenessProbe.httpGet.port",
                "c.livenessProbe.httpGet.httpHeaders",
                "c.livenessProbe.successThreshold",
                "c.readinessProbe.terminationGracePeriodSeconds",
                "c.startupProbe.tcpSocket",
            ]
        );
    }
}
