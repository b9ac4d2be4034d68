//! Defaults of access, limits, priorities, flow control and devices.

use super::amounts::round;
use super::fill::{at, each, entries, fill, fill_empty, list, put, remove, text, within};
use serde_json::{Value, json};

const RBAC: &str = "rbac.authorization.k8s.io";

/// A binding of a role.
pub fn role_binding(object: &mut Value) {
    if at(object, "roleRef").is_some() {
        fill_empty(object, "roleRef.apiGroup", RBAC);
    }
    each(object, "subjects", |subject| {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill_empty(subject, "apiGroup", RBAC);
        }
    });
}

/// A limit range: for containers the maximum is the default, and the default the request.
pub fn limit_range(object: &mut Value) {
    each(object, "spec.limits", |limit| {
        if text(limit, "type") == "Container" {
            inherit(limit, "max", "default");
            inherit(limit, "default", "defaultRequest");
            inherit(limit, "min", "defaultRequest");
        }
        for amounts in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            round(limit, amounts);
        }
    });
}

/// Entries of the map `from` that `to` does not have.
fn inherit(limit: &mut Value, from: &str, to: &str) {
    let Some(Value::Object(given)) = at(limit, from).cloned() else { return };
    if let Some(target) = entries(limit, to) {
        for (name, quantity) in given {
            target.entry(name).or_insert(quantity);
        }
    }
}

/// A priority class.
pub fn priority_class(object: &mut Value) {
    fill(object, "preemptionPolicy", "PreemptLowerPriority");
}

/// A secret. What `stringData` gives is written to `data`.
pub fn secret(object: &mut Value) {
    fill_empty(object, "type", "Opaque");
    let Some(Value::Object(texts)) = remove(object, "stringData") else { return };
    for (name, text) in texts {
        use base64::Engine as _;
        let Some(text) = text.as_str() else { continue };
        let bytes = base64::engine::general_purpose::STANDARD.encode(text);
        if let Some(data) = entries(object, "data") {
            data.insert(name, bytes.into());
        }
    }
}

/// A namespace: it bears its name as a label.
pub fn namespace(object: &mut Value) {
    let name = text(object, "metadata.name").to_owned();
    if !name.is_empty()
        && let Some(labels) = entries(object, "metadata.labels")
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
    }
    fill_empty(object, "status.phase", "Active");
}

/// A quota.
pub fn resource_quota(object: &mut Value) {
    for amounts in ["spec.hard", "status.hard", "status.used"] {
        round(object, amounts);
    }
}

/// A node: what it has can be allocated unless it says otherwise, and the first of its ranges of
/// addresses has a field of its own, which wins when the two differ.
pub fn node(object: &mut Value) {
    if let Some(capacity) = at(object, "status.capacity").cloned() {
        fill(object, "status.allocatable", capacity);
    }
    round(object, "status.capacity");
    round(object, "status.allocatable");
    let (single, first) = (text(object, "spec.podCIDR"), list(object, "spec.podCIDRs").first());
    let first = first.and_then(Value::as_str).unwrap_or_default();
    match (single.to_owned(), first.to_owned()) {
        (single, first) if single.is_empty() && !first.is_empty() => {
            put(object, "spec.podCIDR", first);
        }
        (single, first) if single != first => put(object, "spec.podCIDRs", json!([single])),
        _ => (),
    }
}

/// A flow schema.
pub fn flow_schema(object: &mut Value) {
    fill_empty(object, "spec.matchingPrecedence", 1000);
}

/// A priority level.
pub fn priority_level(object: &mut Value) {
    within(object, "spec.limited", |limited| {
        fill(limited, "nominalConcurrencyShares", 30);
        fill(limited, "lendablePercent", 0);
        within(limited, "limitResponse.queuing", |queuing| {
            fill_empty(queuing, "queues", 64);
            fill_empty(queuing, "handSize", 8);
            fill_empty(queuing, "queueLengthLimit", 50);
        });
    });
    within(object, "spec.exempt", |exempt| {
        fill(exempt, "nominalConcurrencyShares", 0);
        fill(exempt, "lendablePercent", 0);
    });
}

/// A request for devices.
pub fn resource_claim(object: &mut Value) {
    within(object, "spec", device_claim);
}

/// A template of requests for devices.
pub fn resource_claim_template(object: &mut Value) {
    within(object, "spec.spec", device_claim);
}

fn device_claim(spec: &mut Value) {
    each(spec, "devices.requests", |request| {
        within(request, "exactly", device_request);
        each(request, "firstAvailable", device_request);
    });
}

fn device_request(request: &mut Value) {
    fill_empty(request, "allocationMode", "ExactCount");
    if text(request, "allocationMode") == "ExactCount" {
        fill_empty(request, "count", 1);
    }
    tolerations(request);
}

fn tolerations(request: &mut Value) {
    each(request, "tolerations", |toleration| fill_empty(toleration, "operator", "Equal"));
}

/// The devices of a node or driver.
pub fn resource_slice(object: &mut Value) {
    each(object, "spec.devices", |device| {
        each(device, "taints", |taint| {
            if at(taint, "timeAdded").is_none() {
                put(taint, "timeAdded", super::now());
            }
        });
    });
}
