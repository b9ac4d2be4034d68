//! Ingresses and their classes.

use super::read::{entries, has, items, text};
use super::{ErrorList, FieldError, FieldPath, address, check, names};
use serde_json::Value;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];
const PATH_PARTS_REFUSED: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const PATH_ENDS_REFUSED: [&str; 2] = ["/..", "/."];
const CONTROLLER_BYTES_MAX: usize = 250;
const NO_PATH: &str =
    "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";

/// What an update may leave as it is, as the stored ingress has it so.
#[derive(Clone, Copy, Default)]
struct Kept {
    /// Names of secrets that are none.
    secret_names: bool,
    /// Paths of hosts with a wildcard.
    wildcard_rules: bool,
}

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a new ingress.
pub fn ingress(object: &Value) -> ErrorList {
    let mut errors = ingress_spec(object, Kept::default());
    let annotated =
        entries(&object["metadata"], "annotations").find(|(k, _)| *k == CLASS_ANNOTATION);
    if let Some((_, class)) = annotated
        && has(&object["spec"], "ingressClassName")
        && *class != object["spec"]["ingressClassName"]
    {
        let at = FieldPath::new("annotations").child(CLASS_ANNOTATION);
        let detail = "must match `ingressClassName` when both are specified";
        errors.push(FieldError::invalid(at, class.clone(), detail));
    }
    errors
}

/// Checks an update of an ingress.
pub fn ingress_update(new: &Value, old: &Value) -> ErrorList {
    let old = &old["spec"];
    let root = path();
    let secret_names = items(old, "tls").iter().any(|tls| !secret_name(tls, &root).is_empty());
    let wildcard_rules = items(old, "rules")
        .iter()
        .any(|rule| text(rule, "host").contains('*') && !rule_paths(rule, &root).is_empty());
    ingress_spec(new, Kept { secret_names, wildcard_rules })
}

fn ingress_spec(object: &Value, kept: Kept) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    if !has(spec, "defaultBackend") && items(spec, "rules").is_empty() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid(path(), Value::Null, detail));
    }
    if has(spec, "defaultBackend") {
        errors.extend(backend(&spec["defaultBackend"], &path().child("defaultBackend")));
    }
    for (at, rule) in items(spec, "rules").iter().enumerate() {
        errors.extend(ingress_rule(rule, kept, &path().child("rules").index(at)));
    }
    for (at, tls) in items(spec, "tls").iter().enumerate() {
        errors.extend(ingress_tls(tls, kept, &path().child("tls").index(at)));
    }
    if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
        errors.extend(check::named(names::subdomain, class, &path().child("ingressClassName")));
    }
    errors
}

fn ingress_tls(tls: &Value, kept: Kept, at: &FieldPath) -> ErrorList {
    let list = at.child("hosts");
    let mut errors = ErrorList::new();
    for (i, host) in items(tls, "hosts").iter().enumerate() {
        errors.extend(host_name(host.as_str().unwrap_or_default(), &list.index(i)));
    }
    if !kept.secret_names {
        errors.extend(secret_name(tls, at));
    }
    errors
}

fn secret_name(tls: &Value, at: &FieldPath) -> ErrorList {
    match text(tls, "secretName") {
        "" => ErrorList::new(),
        name => check::named(names::subdomain, name, &at.child("secretName")),
    }
}

fn host_name(host: &str, at: &FieldPath) -> ErrorList {
    let rule: names::NameRule =
        if host.contains('*') { names::wildcard_subdomain } else { names::subdomain };
    check::named(rule, host, at)
}

fn ingress_rule(rule: &Value, kept: Kept, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let host = text(rule, "host");
    if address::sloppy_ip(host).is_some() {
        let detail = "must be a DNS name, not an IP address";
        errors.push(FieldError::invalid(at.child("host"), host, detail));
    }
    if !host.is_empty() {
        errors.extend(host_name(host, &at.child("host")));
    }
    if !(kept.wildcard_rules && host.contains('*')) {
        errors.extend(rule_paths(rule, at));
    }
    errors
}

fn rule_paths(rule: &Value, at: &FieldPath) -> ErrorList {
    if !has(rule, "http") {
        return ErrorList::new();
    }
    let list = at.child("http").child("paths");
    let paths = items(&rule["http"], "paths");
    if paths.is_empty() {
        return vec![FieldError::required(list, "")];
    }
    let each = paths.iter().enumerate();
    each.flat_map(|(at, path)| ingress_path(path, &list.index(at))).collect()
}

fn ingress_path(path: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let place = text(path, "path");
    match path.get("pathType").and_then(Value::as_str) {
        None => {
            let detail = "pathType must be specified";
            return vec![FieldError::required(at.child("pathType"), detail)];
        }
        Some("Exact" | "Prefix") => errors.extend(matched_path(place, &at.child("path"))),
        Some("ImplementationSpecific") => {
            if !place.is_empty() && !place.starts_with('/') {
                let detail = "must be an absolute path";
                errors.push(FieldError::invalid(at.child("path"), place, detail));
            }
        }
        Some(_) => errors.extend(check::one_of(path, "pathType", &PATH_TYPES, at)),
    }
    errors.extend(backend(&path["backend"], &at.child("backend")));
    errors
}

/// Checks a path that is compared with those of requests.
fn matched_path(place: &str, at: &FieldPath) -> ErrorList {
    let absolute = (!place.starts_with('/')).then(|| "must be an absolute path".to_owned());
    let parts = PATH_PARTS_REFUSED.into_iter().filter(|part| place.contains(part));
    let parts = parts.map(|part| format!("must not contain '{part}'"));
    let ends = PATH_ENDS_REFUSED.into_iter().filter(|end| place.ends_with(end));
    let ends = ends.map(|end| format!("cannot end with '{end}'"));
    let details = absolute.into_iter().chain(parts).chain(ends);
    details.map(|detail| FieldError::invalid(at.clone(), place, detail)).collect()
}

fn backend(backend: &Value, at: &FieldPath) -> ErrorList {
    match (has(backend, "service"), has(backend, "resource")) {
        (true, true) => {
            let detail = "cannot set both resource and service backends";
            vec![FieldError::invalid(at.clone(), "", detail)]
        }
        (false, false) => {
            let detail = "resource or service backend is required";
            vec![FieldError::invalid(at.clone(), "", detail)]
        }
        (true, false) => service_backend(&backend["service"], at),
        (false, true) => {
            let (resource, at) = (&backend["resource"], at.child("resource"));
            let mut errors = api_group(resource, &at);
            errors.extend(kind_and_name(resource, &at));
            errors
        }
    }
}

fn service_backend(service: &Value, at: &FieldPath) -> ErrorList {
    let of_service = at.child("service");
    let name = text(service, "name");
    let mut errors = check::required_name(names::label, name, &of_service.child("name"));
    let port = &service["port"];
    let of_port = of_service.child("port");
    match (port["number"].as_i64().unwrap_or_default(), text(port, "name")) {
        (0, "") => {
            errors.push(FieldError::required(at.clone(), "port name or number is required"));
        }
        (0, name) => {
            errors.extend(check::named(names::port_name, name, &of_port.child("name")));
        }
        (number, "") => errors.extend(check::port(number, &of_port.child("number"))),
        _ => {
            let detail = "cannot set both port name & port number";
            errors.push(FieldError::invalid(at.clone(), "", detail));
        }
    }
    errors
}

fn api_group(reference: &Value, at: &FieldPath) -> ErrorList {
    match reference.get("apiGroup").and_then(Value::as_str) {
        None => ErrorList::new(),
        Some(group) => check::named(names::subdomain, group, &at.child("apiGroup")),
    }
}

fn kind_and_name(reference: &Value, at: &FieldPath) -> ErrorList {
    let fields = ["kind", "name"].into_iter();
    fields
        .flat_map(|f| check::required_name(names::path_segment, text(reference, f), &at.child(f)))
        .collect()
}

/// Checks an update of an ingress's status.
pub fn ingress_status(new: &Value, old: &Value) -> ErrorList {
    let list = FieldPath::new("status").child("loadBalancer").child("ingress");
    let points = |object: &Value| items(&object["status"]["loadBalancer"], "ingress").to_vec();
    let stored: Vec<String> = points(old).iter().map(|p| text(p, "ip").to_owned()).collect();
    let mut errors = ErrorList::new();
    for (at, point) in points(new).iter().enumerate() {
        let at = list.index(at);
        let (ip, host) = (text(point, "ip"), text(point, "hostname"));
        if !ip.is_empty() && !stored.iter().any(|stored| stored == ip) {
            errors.extend(address::ip(ip, &at.child("ip")));
        }
        if host.is_empty() {
            continue;
        }
        let at = at.child("hostname");
        errors.extend(check::named(names::subdomain, host, &at));
        if address::sloppy_ip(host).is_some() {
            let detail = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(at, host, detail));
        }
    }
    errors
}

/// Checks an ingress class.
pub fn ingress_class(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = controller(text(spec, "controller"), &path().child("controller"));
    if has(spec, "parameters") {
        errors.extend(class_parameters(&spec["parameters"], &path().child("parameters")));
    }
    errors
}

fn controller(name: &str, at: &FieldPath) -> ErrorList {
    if name.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let mut errors = ErrorList::new();
    if name.len() > CONTROLLER_BYTES_MAX {
        errors.push(FieldError::too_long(at.clone(), CONTROLLER_BYTES_MAX));
    }
    match name.split_once('/') {
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => {
            errors.extend(check::named(names::subdomain, host, at));
            if !rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b))
            {
                errors.push(FieldError::invalid(at.clone(), rest, NO_PATH));
            }
        }
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.push(FieldError::invalid(at.clone(), name, detail));
        }
    }
    errors
}

fn class_parameters(parameters: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = api_group(parameters, at);
    errors.extend(kind_and_name(parameters, at));
    errors.extend(check::one_of(parameters, "scope", &["Cluster", "Namespace"], at));
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    let at = at.child("namespace");
    match (text(parameters, "scope"), namespace) {
        ("Namespace", None) => {
            let detail = "`parameters.scope` is set to 'Namespace'";
            errors.push(FieldError::required(at, detail));
        }
        ("Namespace", Some(namespace)) => {
            errors.extend(check::named(names::label, namespace, &at));
        }
        ("Cluster", Some(_)) => {
            let detail = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden(at, detail));
        }
        _ => {}
    }
    errors
}

/// Checks an update of an ingress class.
pub fn ingress_class_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ingress_class(new);
    let at = path().child("controller");
    errors.extend(check::immutable(&new["spec"], &old["spec"], "controller", at));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_path(path: Value) -> Value {
        json!({"spec": {"rules": [{"host": "*.a.com", "http": {"paths": [path]}}]}})
    }

    fn details(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|e| e.detail.as_str()).collect()
    }

    #[test]
    fn paths_by_their_type() {
        let service = json!({"service": {"name": "s", "port": {"number": 80}}});
        let path = |place: &str, kind: &str| {
            with_path(json!({"path": place, "pathType": kind, "backend": service}))
        };
        assert!(ingress(&path("/a", "Prefix")).is_empty());
        assert!(ingress(&path("", "ImplementationSpecific")).is_empty());
        assert_eq!(
            details(&ingress(&path("a/./b/..", "Exact"))),
            ["must be an absolute path", "must not contain '/./'", "cannot end with '/..'"]
        );
        assert_eq!(
            details(&ingress(&path("a", "ImplementationSpecific"))),
            ["must be an absolute path"]
        );
    }

    #[test]
    fn ports_of_backends() {
        let port = |port: Value| {
            let errors = ingress(
                &json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": port}}}}),
            );
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(port(json!({"name": "http"})).is_empty());
        assert_eq!(
            port(json!({})),
            ["spec.defaultBackend: Required value: port name or number is required"]
        );
        assert_eq!(
            port(json!({"name": "http", "number": 80})),
            ["spec.defaultBackend: Invalid value: \"\": cannot set both port name & port number"]
        );
    }

    #[test]
    fn what_is_stored_may_stay() {
        let tls = json!({"spec": {"defaultBackend": {"resource": {"kind": "a", "name": "b"}},
            "tls": [{"secretName": "Bad_"}]}});
        assert_eq!(ingress(&tls)[0].field.to_string(), "spec.tls[0].secretName");
        assert!(ingress_update(&tls, &tls).is_empty());
        let rule = with_path(json!({"path": "x"}));
        assert_eq!(ingress(&rule)[0].field.to_string(), "spec.rules[0].http.paths[0].pathType");
        assert!(ingress_update(&rule, &rule).is_empty());
    }

    #[test]
    fn classes_name_their_controller() {
        let class = |controller: &str| {
            let object = json!({"spec": {"controller": controller}});
            ingress_class(&object).iter().map(|e| e.kind).collect::<Vec<_>>()
        };
        use super::super::ErrorKind::{Invalid, Required, TooLong};
        assert!(class("example.com/a/b").is_empty());
        assert_eq!(class(""), [Required]);
        assert_eq!(class("nothing"), [Invalid]);
        assert_eq!(class("Bad_/a b"), [Invalid, Invalid]);
        assert_eq!(class(&format!("a.b/{}", "c".repeat(250))), [TooLong]);
    }
}
