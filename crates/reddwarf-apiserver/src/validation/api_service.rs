//! API services.

use super::read::{flag, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use crate::object;
use serde_json::Value;

const GROUP_PRIORITY_MAX: i64 = 20_000;
const VERSION_PRIORITY_MAX: i64 = 1_000;
const PORT_MAX: i64 = 65_535;
/// The port of a service that names none.
const HTTPS_PORT: i64 = 443;

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks an API service: its name is its version and group.
pub fn create(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    let mut errors = ErrorList::new();
    let (name, expected) = (object::name(object), format!("{version}.{group}"));
    if !name.is_empty() && names::path_segment(name).is_empty() && name != expected {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {expected:?}");
        errors.push(FieldError::invalid(FieldPath::new("metadata").child("name"), name, detail));
    }
    if !group.is_empty() {
        errors.extend(check::named(names::subdomain, group, &path().child("group")));
    } else if version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errors.push(FieldError::required(path().child("group"), detail));
    }
    errors.extend(check::named(names::dns_1035_label, version, &path().child("version")));
    errors.extend(priority(spec, "groupPriorityMinimum", GROUP_PRIORITY_MAX));
    errors.extend(priority(spec, "versionPriority", VERSION_PRIORITY_MAX));
    errors.extend(if has(spec, "service") { remote(spec) } else { local(spec) });
    errors
}

fn priority(spec: &Value, field: &str, max: i64) -> Option<FieldError> {
    let value = int(spec, field).unwrap_or_default();
    let detail = format!("must be positive and less than {max}");
    let fits = (1..=max).contains(&value);
    (!fits).then(|| FieldError::invalid(path().child(field), value, detail))
}

fn remote(spec: &Value) -> ErrorList {
    let service = path().child("service");
    let mut errors: ErrorList = ["namespace", "name"]
        .into_iter()
        .filter_map(|f| check::required(text(&spec["service"], f), service.child(f)))
        .collect();
    let port = int(&spec["service"], "port").unwrap_or(HTTPS_PORT);
    if !(1..=PORT_MAX).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(service.child("port"), port, detail));
    }
    if flag(spec, "insecureSkipTLSVerify") && !text(spec, "caBundle").is_empty() {
        let detail = "may not be true if caBundle is present";
        errors.push(FieldError::invalid(path().child("insecureSkipTLSVerify"), true, detail));
    }
    errors
}

fn local(spec: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let bundle = text(spec, "caBundle").trim_end_matches('=');
    if !bundle.is_empty() {
        let shown = format!("{} bytes", bundle.len() * 3 / 4);
        let detail = "local APIServices may not have a caBundle";
        errors.push(FieldError::invalid(path().child("caBundle"), shown, detail));
    }
    if flag(spec, "insecureSkipTLSVerify") {
        let detail = "local APIServices may not have insecureSkipTLSVerify";
        errors.push(FieldError::invalid(path().child("insecureSkipTLSVerify"), true, detail));
    }
    errors
}

/// Checks an update of an API service's status.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let list = FieldPath::new("status").child("conditions");
    let conditions = items(&new["status"], "conditions").iter().enumerate();
    let known = ["True", "False", "Unknown"];
    conditions
        .map(|(at, condition)| (list.index(at).child("status"), text(condition, "status")))
        .filter(|(_, status)| !known.contains(status))
        .map(|(at, status)| FieldError::not_supported(at, status, &known))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn port_of_the_service() {
        let ports = |port: Value| {
            let service = json!({"namespace": "a", "name": "b", "port": port});
            let spec = json!({"service": service});
            remote(&spec).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(ports(json!(443)).is_empty());
        assert!(ports(Value::Null).is_empty());
        assert_eq!(
            ports(json!(0)),
            [
                "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive"
            ]
        );
    }

    #[test]
    fn named_by_version_and_group() {
        let service = |name: &str, spec: Value| {
            let mut object = json!({"metadata": {"name": name}, "spec": spec});
            object["spec"]["groupPriorityMinimum"] = json!(100);
            object["spec"]["versionPriority"] = json!(10);
            create(&object).iter().map(|e| e.field.to_string()).collect::<Vec<_>>()
        };
        assert!(service("v1.apps", json!({"version": "v1", "group": "apps"})).is_empty());
        assert!(service("v1.", json!({"version": "v1"})).is_empty());
        assert_eq!(service("v2.", json!({"version": "v2"})), ["spec.group"]);
        assert_eq!(
            service("v1.x", json!({"version": "v1", "group": "apps", "caBundle": "Cg=="})),
            ["metadata.name", "spec.caBundle"]
        );
    }
}
