//! Environment variables of a container, and references to fields and resources.

use crate::validation::read::{has, items, text};
use crate::validation::resource_name::amount;
use crate::validation::volume_source::no_backsteps;
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const SOURCES: [&str; 5] =
    ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
/// Fields of a pod that a variable may show.
const VARIABLE_FIELDS: [&str; 9] = [
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
/// Fields of a pod that a file may show.
const FILE_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// Fields of a pod that have a name at all.
const FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const UNITS: [&str; 13] =
    ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// Where a reference to a field is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In an environment variable.
    Variable,
    /// In a file of a volume.
    File,
}

/// Checks the variables of a container.
pub fn variables(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("env");
    let mut errors = ErrorList::new();
    for (at, variable) in items(container, "env").iter().enumerate() {
        let at = list.index(at);
        let name = text(variable, "name");
        errors.extend(check::required_name(names::environment_name, name, &at.child("name")));
        if has(variable, "valueFrom") {
            errors.extend(source(variable, &at.child("valueFrom")));
        }
    }
    errors.extend(whole_sources(container, path));
    errors
}

fn source(variable: &Value, path: &FieldPath) -> ErrorList {
    let source = &variable["valueFrom"];
    let given: Vec<&str> = SOURCES.into_iter().filter(|kind| has(source, kind)).collect();
    let each = given.iter().flat_map(|kind| one_source(kind, &source[*kind], &path.child(kind)));
    let mut errors: ErrorList = each.collect();
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

fn one_source(kind: &str, source: &Value, path: &FieldPath) -> ErrorList {
    match kind {
        "fieldRef" => field(source, path, Place::Variable),
        "resourceFieldRef" => resource(source, path, Place::Variable),
        "fileKeyRef" => file_key(source, path),
        _ => {
            let mut errors =
                check::named(names::subdomain, text(source, "name"), &path.child("name"));
            let key = text(source, "key");
            errors.extend(check::required_name(names::config_key, key, &path.child("key")));
            errors
        }
    }
}

fn file_key(source: &Value, path: &FieldPath) -> ErrorList {
    let of = |field: &str| (text(source, field), path.child(field));
    let (key, at) = of("key");
    let mut errors = check::required_name(names::environment_name, key, &at);
    let (volume, at) = of("volumeName");
    errors.extend(check::required_name(names::label, volume, &at));
    let (file, at) = of("path");
    errors.extend(check::required(file, at.clone()));
    errors.extend(no_backsteps(file, &at));
    errors
}

/// Config maps and secrets that become variables as a whole.
fn whole_sources(container: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("envFrom");
    let mut errors = ErrorList::new();
    for (at, source) in items(container, "envFrom").iter().enumerate() {
        let at = list.index(at);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            errors.extend(check::named(names::environment_name, prefix, &at.child("prefix")));
        }
        let given = ["configMapRef", "secretRef"].into_iter().filter(|kind| has(source, kind));
        let given: Vec<&str> = given.collect();
        for kind in &given {
            let (name, at) = (text(&source[*kind], "name"), at.child(kind).child("name"));
            match name {
                "" => errors.push(FieldError::required(at, "")),
                _ => {
                    let wrong = names::prefix_of(names::subdomain, name).into_iter();
                    errors.extend(wrong.map(|why| FieldError::invalid(at.clone(), name, why)));
                }
            }
        }
        let detail = match given.len() {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        errors.push(FieldError::invalid(list.clone(), "", detail));
    }
    errors
}

/// `path['key']`.
fn subscripted(field: &str) -> Option<(&str, &str)> {
    let (path, key) = field.strip_suffix("']")?.split_once("['")?;
    (!path.is_empty()).then_some((path, key))
}

/// Checks a reference to a field of the pod.
pub fn field(source: &Value, path: &FieldPath, place: Place) -> ErrorList {
    let version = text(source, "apiVersion");
    if version.is_empty() {
        return vec![FieldError::required(path.child("apiVersion"), "")];
    }
    let name = text(source, "fieldPath");
    let at = path.child("fieldPath");
    if name.is_empty() {
        return vec![FieldError::required(at, "")];
    }
    if let Some(why) = unknown_field(version, name) {
        let detail = format!("error converting fieldPath: {why}");
        return vec![FieldError::invalid(at, name, detail)];
    }
    if let Some((map, key)) = subscripted(name) {
        let lower = key.to_lowercase();
        let key = if map == "metadata.annotations" { &lower } else { key };
        return check::named(names::qualified_name, key, path);
    }
    let supported: &[&str] = match place {
        Place::Variable => &VARIABLE_FIELDS,
        Place::File => &FILE_FIELDS,
    };
    let name = if name == "spec.host" { "spec.nodeName" } else { name };
    match supported.contains(&name) {
        true => ErrorList::new(),
        false => vec![FieldError::not_supported(at, name, supported)],
    }
}

fn unknown_field(version: &str, name: &str) -> Option<String> {
    if version != "v1" {
        return Some(format!("unsupported pod version: {version}"));
    }
    match subscripted(name) {
        Some(("metadata.annotations" | "metadata.labels", _)) => None,
        Some(_) => Some(format!("field label does not support subscript: {name}")),
        None if FIELDS.contains(&name) || name == "spec.host" => None,
        None => Some(format!("field label not supported: {name}")),
    }
}

/// Checks a reference to a resource of a container.
pub fn resource(source: &Value, path: &FieldPath, place: Place) -> ErrorList {
    let name = text(source, "resource");
    let mut errors = ErrorList::new();
    let huge = |prefix: &str| name.starts_with(prefix);
    let is_huge = huge("limits.hugepages-") || huge("requests.hugepages-");
    if place == Place::File && text(source, "containerName").is_empty() {
        errors.push(FieldError::required(path.child("containerName"), ""));
    } else if name.is_empty() {
        errors.push(FieldError::required(path.child("resource"), ""));
    } else if !RESOURCES.contains(&name) && !is_huge {
        errors.push(FieldError::not_supported(path.child("resource"), name, &RESOURCES));
    }
    errors.extend(divisor(source, name, is_huge, path));
    errors
}

fn divisor(source: &Value, name: &str, is_huge: bool, path: &FieldPath) -> Option<FieldError> {
    let divisor = amount(&source["divisor"]).filter(|d| !d.is_zero())?.to_string();
    let of_bytes = |what: &str| {
        let units = UNITS.join(", ");
        let detail =
            format!("only divisor's values {units} are supported with the {what} resource");
        (!UNITS.contains(&&*divisor)).then_some(detail)
    };
    let detail = match name.split_once('.').map(|(_, resource)| resource) {
        _ if is_huge => of_bytes("hugepages"),
        Some("cpu") => (!["1", "1m"].contains(&&*divisor)).then(|| {
            "only divisor's values 1m and 1 are supported with the cpu resource".to_owned()
        }),
        Some("memory") => of_bytes("memory"),
        Some("ephemeral-storage") => of_bytes("local ephemeral storage"),
        _ => None,
    };
    detail.map(|detail| FieldError::invalid(path.child("divisor"), name, detail))
}

/// Files that variables are read from are in volumes that are directories of the pod.
pub fn file_volumes(spec: &Value, path: &FieldPath) -> ErrorList {
    let volume = |name: &str| items(spec, "volumes").iter().rfind(|v| text(v, "name") == name);
    let mut errors = ErrorList::new();
    for (container, path) in super::ratchet::containers(spec, path) {
        for (at, variable) in items(container, "env").iter().enumerate() {
            let source = &variable["valueFrom"]["fileKeyRef"];
            if source.is_null() {
                continue;
            }
            let at = path.child("env").index(at).child("valueFrom").child("fileKeyRef");
            let (at, name) = (at.child("volumeName"), text(source, "volumeName"));
            match volume(name) {
                None => errors.push(FieldError::not_found(at, name)),
                Some(volume) if !has(volume, "emptyDir") => {
                    let detail = "referenced volume must be of type emptyDir";
                    errors.push(FieldError::invalid(at, name, detail));
                }
                Some(_) => {}
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_field(name: &str, place: Place) -> Vec<String> {
        let source = json!({"apiVersion": "v1", "fieldPath": name});
        let errors = field(&source, &FieldPath::new("f"), place);
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn fields_of_a_pod() {
        for good in ["metadata.name", "spec.host", "status.podIPs", "metadata.labels['a/b']"] {
            assert!(of_field(good, Place::Variable).is_empty(), "{good}");
        }
        assert!(of_field("metadata.labels", Place::File).is_empty());
        assert_eq!(
            of_field("metadata.labels", Place::Variable),
            ["f.fieldPath FieldValueNotSupported"]
        );
        assert_eq!(of_field("spec.nodeName", Place::File), ["f.fieldPath FieldValueNotSupported"]);
        assert_eq!(of_field("spec.nope", Place::File), ["f.fieldPath FieldValueInvalid"]);
        assert_eq!(of_field("metadata.annotations['A b']", Place::File), ["f FieldValueInvalid"]);
    }

    #[test]
    fn resources_and_their_units() {
        let path = FieldPath::new("r");
        let of = |resource: &str, divisor: &str| {
            let source = json!({"resource": resource, "divisor": divisor});
            super::resource(&source, &path, Place::Variable).len()
        };
        assert_eq!(of("limits.cpu", "1m"), 0);
        assert_eq!(of("limits.cpu", "10m"), 1);
        assert_eq!(of("requests.memory", "1Mi"), 0);
        assert_eq!(of("limits.hugepages-2Mi", "2Mi"), 1);
        assert_eq!(of("limits.gpu", "0"), 1);
        assert_eq!(
            super::resource(&json!({}), &path, Place::File)[0].field.to_string(),
            "r.containerName"
        );
    }

    #[test]
    fn sources_of_variables() {
        let container = json!({
            "env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {}}}],
            "envFrom": [{"prefix": "=", "configMapRef": {"name": "c-"}}, {}],
        });
        let errors = variables(&container, &FieldPath::new("c"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "c.env[0].valueFrom.secretKeyRef.name",
                "c.env[0].valueFrom.secretKeyRef.key",
                "c.env[0].valueFrom",
                "c.envFrom[0].prefix",
                "c.envFrom",
            ]
        );
    }
}
