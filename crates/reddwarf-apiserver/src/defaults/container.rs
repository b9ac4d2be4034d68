//! Defaults of containers.

use super::amounts::round_resources;
use super::fill::{at, each, entries, fill, fill_empty, text, within};
use serde_json::Value;

/// Any kind of container.
pub(super) fn container(container: &mut Value) {
    round_resources(container);
    let policy = pull_policy(text(container, "image"));
    fill_empty(container, "imagePullPolicy", policy);
    fill_empty(container, "terminationMessagePath", "/dev/termination-log");
    fill_empty(container, "terminationMessagePolicy", "File");
    each(container, "ports", |port| fill_empty(port, "protocol", "TCP"));
    each(container, "env", |env| {
        within(env, "valueFrom.fieldRef", field_ref);
        within(env, "valueFrom.resourceFieldRef", resource_field_ref);
        within(env, "valueFrom.fileKeyRef", |file| fill(file, "optional", false));
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        within(container, probe, probe_defaults);
    }
    for hook in ["lifecycle.postStart.httpGet", "lifecycle.preStop.httpGet"] {
        within(container, hook, http_get);
    }
}

/// Requests that are not given are those of the limits.
pub(super) fn requests_from_limits(container: &mut Value) {
    let Some(Value::Object(limits)) = at(container, "resources.limits").cloned() else { return };
    for (name, limit) in limits {
        // A resource name may hold dots, so it is no path.
        if let Some(requests) = entries(container, "resources.requests") {
            requests.entry(name).or_insert(limit);
        }
    }
}

pub(super) fn field_ref(field: &mut Value) {
    fill_empty(field, "apiVersion", "v1");
}

pub(super) fn resource_field_ref(field: &mut Value) {
    fill_empty(field, "divisor", "0");
}

fn probe_defaults(probe: &mut Value) {
    fill_empty(probe, "timeoutSeconds", 1);
    fill_empty(probe, "periodSeconds", 10);
    fill_empty(probe, "successThreshold", 1);
    fill_empty(probe, "failureThreshold", 3);
    within(probe, "httpGet", http_get);
    within(probe, "grpc", |grpc| fill(grpc, "service", ""));
}

fn http_get(action: &mut Value) {
    fill_empty(action, "path", "/");
    fill_empty(action, "scheme", "HTTP");
}

/// `Always` for the tag `latest`, which an image without tag and digest has.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let latest = match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => digest.is_none() && !last.is_empty(),
    };
    if latest { "Always" } else { "IfNotPresent" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pull_policy_by_tag() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1", "IfNotPresent"),
            ("registry:5000/nginx", "Always"),
            ("registry:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:0", "IfNotPresent"),
            ("nginx:latest@sha256:0", "Always"),
            ("", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn given_requests_stay() {
        let mut c = json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}});
        requests_from_limits(&mut c);
        assert_eq!(c["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
    }
}
