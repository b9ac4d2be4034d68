//! The status of a pod.

use super::annotations;
use super::ratchet::Ratchet;
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath, address, check, names};
use serde_json::{Value, json};

/// Conditions that the system itself sets.
const OF_THE_SYSTEM: [&str; 3] = ["PodScheduled", "Ready", "Initialized"];
const STATUSES: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];
const ID_MAX: i64 = 2_147_483_647;
const NEGATIVE: &str = "must be a non-negative integer";

/// Checks an update of a pod's status.
pub fn status(new: &Value, old: &Value) -> ErrorList {
    let at = FieldPath::new("metadata").child("annotations");
    let mut errors = annotations::updated(new, old, &Ratchet::of(old), &at);
    let (spec, path) = (&new["spec"], FieldPath::new("status"));
    let bound = !text(&old["spec"], "nodeName").is_empty();
    let (new, old) = (&new["status"], &old["status"]);
    errors.extend(conditions(new, &path));
    errors.extend(nominated(new, old, bound, &path));
    if let Some(generation) = int(new, "observedGeneration").filter(|g| *g < 0) {
        let at = path.child("observedGeneration");
        errors.push(FieldError::invalid(at, generation, NEGATIVE));
    }
    errors.extend(check::immutable(new, old, "qosClass", path.child("qosClass")));
    for (statuses, containers) in STATUSES {
        errors.extend(revived(new, old, spec, statuses, containers, &path));
    }
    errors.extend(device_claims(new, spec, &path.child("resourceClaimStatuses")));
    errors.extend(extended_claim(new, spec, &path.child("extendedResourceClaimStatus")));
    errors.extend(addresses(new, old, "podIPs", &path));
    errors.extend(host_addresses(new, old, &path));
    for (statuses, _) in STATUSES {
        errors.extend(users(new, spec, statuses, &path));
    }
    for (statuses, containers) in STATUSES {
        errors.extend(allocated(new, spec, statuses, containers, &path));
    }
    errors
}

fn conditions(status: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("conditions");
    let mut errors = ErrorList::new();
    for (at, condition) in items(status, "conditions").iter().enumerate() {
        let (at, kind) = (list.index(at), text(condition, "type"));
        if let Some(generation) = int(condition, "observedGeneration").filter(|g| *g < 0) {
            let at = at.child("observedGeneration");
            errors.push(FieldError::invalid(at, generation, NEGATIVE));
        }
        if !OF_THE_SYSTEM.contains(&kind) {
            errors.extend(check::named(names::qualified_name, kind, &at.child("Type")));
        }
    }
    errors
}

/// The node that is being made free for the pod.
fn nominated(new: &Value, old: &Value, bound: bool, path: &FieldPath) -> ErrorList {
    let name = text(new, "nominatedNodeName");
    let at = path.child("nominatedNodeName");
    if name.is_empty() || name == text(old, "nominatedNodeName") {
        return ErrorList::new();
    }
    let mut errors = check::named(names::subdomain, name, &at);
    if bound {
        let detail = "may not be set on pods that are already bound to a node";
        errors.push(FieldError::forbidden(at, detail));
    }
    errors
}

/// A container that ended for good stays so.
fn revived(
    new: &Value,
    old: &Value,
    spec: &Value,
    statuses: &str,
    containers: &str,
    path: &FieldPath,
) -> ErrorList {
    let detail = "may not be transitioned to non-terminated state";
    let mut errors = ErrorList::new();
    for (at, before) in items(old, statuses).iter().enumerate() {
        let Some(end) = before["state"].get("terminated").filter(|t| !t.is_null()) else {
            continue;
        };
        let name = text(before, "name");
        let lives = |s: &&Value| text(s, "name") == name && !has(&s["state"], "terminated");
        if !items(new, statuses).iter().any(|status| lives(&status)) {
            continue;
        }
        let code = int(end, "exitCode").unwrap_or_default();
        let container = items(spec, containers).iter().find(|c| text(c, "name") == name);
        let restarts = containers != "ephemeralContainers"
            && container.is_some_and(|container| is_restarted(container, spec, code));
        if !restarts {
            let at = path.child(statuses).index(at).child("state");
            errors.push(FieldError::forbidden(at, detail));
        }
    }
    errors
}

/// Whether a container that ended with this code starts again.
fn is_restarted(container: &Value, spec: &Value, code: i64) -> bool {
    let policy = text(container, "restartPolicy");
    if !policy.is_empty() {
        let by_rule = items(container, "restartPolicyRules").iter().any(|rule| {
            let codes = &rule["exitCodes"];
            let listed = items(codes, "values").iter().any(|v| v.as_i64() == Some(code));
            match text(codes, "operator") {
                "In" => listed,
                "NotIn" => has(rule, "exitCodes") && !listed,
                _ => false,
            }
        });
        if by_rule {
            return true;
        }
    }
    match if policy.is_empty() { text(spec, "restartPolicy") } else { policy } {
        "Always" => true,
        "OnFailure" => code != 0,
        _ => false,
    }
}

/// What became of the pod's claims for devices.
fn device_claims(status: &Value, spec: &Value, list: &FieldPath) -> ErrorList {
    let statuses = items(status, "resourceClaimStatuses");
    let mut errors = ErrorList::new();
    for (at, claim) in statuses.iter().enumerate() {
        let (path, name) = (list.index(at), text(claim, "name"));
        if !items(spec, "resourceClaims").iter().any(|of| text(of, "name") == name) {
            let detail = "must match the name of an entry in `spec.resourceClaims`";
            errors.push(FieldError::invalid(path.child("name"), name, detail));
        }
        if statuses[..at].iter().any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(path.child("name"), name));
        }
        if has(claim, "resourceClaimName") {
            let (made, at) = (text(claim, "resourceClaimName"), path.child("resourceClaimName"));
            errors.extend(check::named(names::subdomain, made, &at));
        }
    }
    errors
}

/// The claim that was made for resources that containers ask for by an extended name.
fn extended_claim(status: &Value, spec: &Value, path: &FieldPath) -> ErrorList {
    let claim = &status["extendedResourceClaimStatus"];
    if claim.is_null() {
        return ErrorList::new();
    }
    let list = path.child("requestMappings");
    let mappings = items(claim, "requestMappings");
    let mut errors = ErrorList::new();
    if mappings.is_empty() {
        let detail = "at least one request mapping is required";
        errors.push(FieldError::required(list.clone(), detail));
    }
    let fields = ["containerName", "resourceName", "requestName"];
    for (at, mapping) in mappings.iter().enumerate() {
        let at_mapping = list.index(at);
        let [container, resource, request] = fields.map(|field| text(mapping, field));
        let of = |list| items(spec, list).iter().find(|c| text(c, "name") == container);
        match of("containers").or_else(|| of("initContainers")) {
            None => {
                let detail = "must match the name of an entry in spec.initContainers.name or spec.containers.name";
                let at = at_mapping.child("containerName");
                errors.push(FieldError::invalid(at, container, detail));
            }
            Some(found) if !has(&found["resources"]["requests"], resource) => {
                let detail = "must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests";
                let at = at_mapping.child("resourceName");
                errors.push(FieldError::invalid(at, resource, detail));
            }
            Some(_) => {}
        }
        errors.extend(check::named(names::label, request, &path.child("requestName")));
        let alike = |before: &Value| fields.iter().all(|f| text(before, f) == text(mapping, f));
        if mappings[..at].iter().any(alike) {
            let again = fields.iter();
            errors.extend(
                again.map(|f| FieldError::duplicate(at_mapping.child(f), text(mapping, f))),
            );
        }
    }
    let (name, at) = (text(claim, "resourceClaimName"), path.child("resourceClaimName"));
    errors.extend(check::required_name(names::subdomain, name, &at));
    errors
}

fn host_addresses(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let Some(first) = items(new, "hostIPs").first() else { return ErrorList::new() };
    let mut errors = ErrorList::new();
    if text(first, "ip") != text(new, "hostIP") {
        let at = path.child("hostIPs").index(0).child("ip");
        errors.push(FieldError::invalid(at, text(first, "ip"), "must be equal to `hostIP`"));
    }
    errors.extend(addresses(new, old, "hostIPs", path));
    errors
}

/// An address of each family at most; malformed ones may stay.
fn addresses(new: &Value, old: &Value, field: &str, path: &FieldPath) -> ErrorList {
    let list = path.child(field);
    let of =
        |status| -> Vec<&str> { items(status, field).iter().map(|ip| text(ip, "ip")).collect() };
    let (ips, known) = (of(new), of(old));
    let mut errors = ErrorList::new();
    for (at, ip) in ips.iter().enumerate().filter(|(_, ip)| !known.contains(ip)) {
        errors.extend(address::ip(ip, &list.index(at)));
    }
    if ips.len() < 2 {
        return errors;
    }
    let parsed: Vec<_> = ips.iter().map(|ip| address::sloppy_ip(ip)).collect();
    let bad = parsed.iter().position(Option::is_none);
    if let Some(bad) = bad {
        let detail =
            format!("failed to check for dual stack with error:invalid IP[{bad}]: {}", ips[bad]);
        let (kind, field) = (ErrorKind::Internal, list.clone());
        errors.push(FieldError { kind, field, value: None, detail });
    }
    let sixes = parsed.iter().flatten().filter(|ip| ip.is_ipv6()).count();
    let dual = bad.is_none() && sixes > 0 && sixes < ips.len();
    if !dual || ips.len() > 2 {
        let shown: Vec<Value> = ips.iter().map(|ip| json!({"IP": ip})).collect();
        let detail = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(list, shown, detail));
    }
    errors
}

/// As whom containers run.
fn users(status: &Value, spec: &Value, statuses: &str, path: &FieldPath) -> ErrorList {
    let windows = text(&spec["os"], "name") == "windows";
    let mut errors = ErrorList::new();
    for (at, container) in items(status, statuses).iter().enumerate() {
        let user = &container["user"]["linux"];
        let at = path.child(statuses).index(at).child("user").child("linux");
        if user.is_null() {
            continue;
        }
        if windows {
            errors.push(FieldError::forbidden(at, "cannot be set for a windows pod"));
            continue;
        }
        for field in ["uid", "gid"] {
            let id = int(user, field).unwrap_or_default();
            errors.extend(check::within(id, 0, ID_MAX, &at.child(field)));
        }
        for (i, group) in items(user, "supplementalGroups").iter().enumerate() {
            let at = at.child("supplementalGroups").index(i);
            errors.extend(check::within(group.as_i64().unwrap_or_default(), 0, ID_MAX, &at));
        }
    }
    errors
}

/// How devices that a container got are doing.
fn allocated(
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
            errors.extend(health(resource, &at.child("resources")));
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

fn health(resource: &Value, list: &FieldPath) -> ErrorList {
    let devices = items(resource, "resources");
    let supported = ["Healthy", "Unhealthy", "Unknown"];
    let mut errors = ErrorList::new();
    for (at, device) in devices.iter().enumerate() {
        let (path, state, id) =
            (list.index(at), text(device, "health"), text(device, "resourceID"));
        if !supported.contains(&state) {
            errors.push(FieldError::not_supported(path.child("health"), state, &supported));
        }
        if devices[..at].iter().any(|before| text(before, "resourceID") == id) {
            errors.push(FieldError::duplicate(path.child("resourceID"), id));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(new: Value, old: Value, spec: Value) -> Vec<String> {
        let new = json!({"status": new, "spec": spec});
        let old = json!({"status": old, "spec": spec});
        status(&new, &old).iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn an_address_of_each_family() {
        let of = |ips: &[&str]| {
            let ips: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
            json!({ "podIPs": ips })
        };
        assert_eq!(
            fields(of(&["10.0.0.1", "10.0.0.1", "zz"]), json!({}), json!({})),
            [
                "status.podIPs[2] FieldValueInvalid",
                "status.podIPs InternalError",
                "status.podIPs FieldValueInvalid",
            ]
        );
        assert!(fields(of(&["10.0.0.1", "::1"]), json!({}), json!({})).is_empty());
        assert!(fields(of(&["zz"]), of(&["zz"]), json!({})).is_empty());
        let host = json!({"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]});
        assert_eq!(fields(host, json!({}), json!({})), ["status.hostIPs[0].ip FieldValueInvalid"]);
    }

    #[test]
    fn the_dead_stay_dead() {
        let ended = |code: i64| json!({"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": code}}}]});
        let running = json!({"containerStatuses": [{"name": "c", "state": {"running": {}}}]});
        let spec = |policy: &str| json!({"restartPolicy": policy, "containers": [{"name": "c"}]});
        let refused = ["status.containerStatuses[0].state FieldValueForbidden"];
        assert_eq!(fields(running.clone(), ended(1), spec("Never")), refused);
        assert_eq!(fields(running.clone(), ended(0), spec("OnFailure")), refused);
        assert!(fields(running.clone(), ended(1), spec("OnFailure")).is_empty());
        let own = json!({"restartPolicy": "Never", "containers": [{"name": "c", "restartPolicy": "Never",
            "restartPolicyRules": [{"exitCodes": {"operator": "In", "values": [42]}}]}]});
        assert!(fields(running.clone(), ended(42), own.clone()).is_empty());
        assert_eq!(fields(running, ended(41), own), refused);
    }

    #[test]
    fn what_a_status_says() {
        let status = json!({
            "conditions": [{"type": "Ready", "observedGeneration": -1}, {"type": "a b"}],
            "nominatedNodeName": "N", "observedGeneration": -1,
            "resourceClaimStatuses": [{"name": "x", "resourceClaimName": "X"}],
            "containerStatuses": [{"name": "c", "user": {"linux": {"uid": -1, "gid": 0}},
                "allocatedResourcesStatus": [{"name": "claim:x", "resources": [{"health": "Odd"}]}]}],
        });
        assert_eq!(
            fields(status, json!({}), json!({"containers": [{"name": "c"}]})),
            [
                "status.conditions[0].observedGeneration FieldValueInvalid",
                "status.conditions[1].Type FieldValueInvalid",
                "status.nominatedNodeName FieldValueInvalid",
                "status.observedGeneration FieldValueInvalid",
                "status.resourceClaimStatuses[0].name FieldValueInvalid",
                "status.resourceClaimStatuses[0].resourceClaimName FieldValueInvalid",
                "status.containerStatuses[0].user.linux.uid FieldValueInvalid",
                "status.containerStatuses[0].allocatedResourcesStatus[0].name FieldValueInvalid",
                "status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health FieldValueNotSupported",
            ]
        );
    }
}
