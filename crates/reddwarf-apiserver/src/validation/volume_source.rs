//! Where the content of a volume comes from: what pods' volumes and persistent volumes share.

use super::read::{entries, flag, has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

/// Detail of a volume that has two sources.
pub const SECOND: &str = "may not specify more than 1 volume type";
const ABSOLUTE: &str = "must be an absolute path";
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];
const TENANT_CHARS_MAX: usize = 64;
const PORTAL_CHARS_MAX: usize = 64;
const LUN_MAX: i64 = 255;
const FILE_MODE_MAX: i64 = 0o777;

/// Fields that must be given.
pub fn needed(source: &Value, fields: &[&str], path: &FieldPath) -> ErrorList {
    fields.iter().filter_map(|f| check::required(text(source, f), path.child(f))).collect()
}

/// A list that must not be empty.
fn listed(source: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
    items(source, field).is_empty().then(|| FieldError::required(path.child(field), ""))
}

/// A reference to a secret, when it is given, names it: by these fields.
fn secret(source: &Value, fields: &[&str], path: &FieldPath) -> ErrorList {
    match has(source, "secretRef") {
        true => needed(&source["secretRef"], fields, &path.child("secretRef")),
        false => ErrorList::new(),
    }
}

/// A path that does not climb out of where it starts.
pub fn no_backsteps(target: &str, path: &FieldPath) -> Option<FieldError> {
    let climbs = target.split('/').any(|part| part == "..");
    climbs.then(|| FieldError::invalid(path.clone(), target, "must not contain '..'"))
}

/// A relative path that does not climb.
pub fn descending(target: &str, path: &FieldPath) -> ErrorList {
    let absolute = target.starts_with('/');
    let absolute =
        absolute.then(|| FieldError::invalid(path.clone(), target, "must be a relative path"));
    absolute.into_iter().chain(no_backsteps(target, path)).collect()
}

/// A relative path that does not climb and whose first part is not the writer's own.
pub fn not_reserved(target: &str, path: &FieldPath) -> ErrorList {
    let mut errors = descending(target, path);
    if target.starts_with("..") && !target.starts_with("../") {
        errors.push(FieldError::invalid(path.clone(), target, "must not start with '..'"));
    }
    errors
}

/// The permissions of a file, when they are given.
pub fn file_mode(source: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
    let mode = int(source, field).filter(|mode| !(0..=FILE_MODE_MAX).contains(mode))?;
    let detail = "must be a number between 0 and 0777 (octal), both inclusive";
    Some(FieldError::invalid(path.child(field), mode, detail))
}

/// Checks a directory of the node, which may not climb out of itself.
pub fn host_path(source: &Value, path: &FieldPath) -> ErrorList {
    let errors = needed(source, &["path"], path);
    if !errors.is_empty() {
        return errors;
    }
    let mut errors: ErrorList =
        no_backsteps(text(source, "path"), &path.child("path")).into_iter().collect();
    errors.extend(check::one_of(source, "type", &HOST_PATH_TYPES, path));
    errors
}

/// Checks a source that a pod's volume and a persistent volume describe alike; `None` when
/// `kind` is not one of these.
pub fn shared(kind: &str, source: &Value, path: &FieldPath) -> Option<ErrorList> {
    let needs = |fields: &[&str]| needed(source, fields, path);
    Some(match kind {
        "hostPath" => host_path(source, path),
        // Upstream's paths say it so.
        "gcePersistentDisk" => disk(source, "pdName", &path.sibling("persistentDisk")),
        "awsElasticBlockStore" => disk(source, "volumeID", path),
        "nfs" => nfs(source, path),
        "flocker" => flocker(source, path),
        "quobyte" => quobyte(source, path),
        "fc" => fibre_channel(source, path),
        "flexVolume" => flexible(source, path),
        "vsphereVolume" => needs(&["volumePath"]),
        "photonPersistentDisk" => needs(&["pdID"]),
        "portworxVolume" => needs(&["volumeID"]),
        "scaleIO" => needs(&["gateway", "system", "volumeName"]),
        "azureDisk" => azure_disk(source, path),
        "cephfs" => listed(source, "monitors", path).into_iter().collect(),
        "rbd" => {
            let mut errors: ErrorList = listed(source, "monitors", path).into_iter().collect();
            errors.extend(needs(&["image"]));
            errors
        }
        _ => return None,
    })
}

fn disk(source: &Value, id: &str, path: &FieldPath) -> ErrorList {
    let mut errors = needed(source, &[id], path);
    if let Some(partition) = int(source, "partition").filter(|p| !(0..=255).contains(p)) {
        let detail = "must be between 1 and 255, inclusive";
        errors.push(FieldError::invalid(path.child("partition"), partition, detail));
    }
    errors
}

fn nfs(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = needed(source, &["server", "path"], path);
    let at = text(source, "path");
    if !at.starts_with('/') {
        errors.push(FieldError::invalid(path.child("path"), at, ABSOLUTE));
    }
    errors
}

fn flocker(source: &Value, path: &FieldPath) -> ErrorList {
    let (name, uuid) = (text(source, "datasetName"), text(source, "datasetUUID"));
    let mut errors = ErrorList::new();
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => {
            let detail = "one of datasetName and datasetUUID is required";
            errors.push(FieldError::required(path.clone(), detail));
        }
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            errors.push(FieldError::invalid(path.clone(), "resource", detail));
        }
        _ => {}
    }
    if name.contains('/') {
        errors.push(FieldError::invalid(path.child("datasetName"), name, "must not contain '/'"));
    }
    errors
}

fn quobyte(source: &Value, path: &FieldPath) -> ErrorList {
    let pairs = "must be a host:port pair or multiple pairs separated by commas";
    let registry = text(source, "registry");
    let mut errors = ErrorList::new();
    if registry.is_empty() {
        errors.push(FieldError::required(path.child("registry"), pairs));
    } else if text(source, "tenant").len() > TENANT_CHARS_MAX {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.push(FieldError::required(path.child("tenant"), detail));
    } else {
        let bad = registry.split(',').filter(|pair| !is_host_and_port(pair));
        errors.extend(bad.map(|_| FieldError::invalid(path.child("registry"), registry, pairs)));
    }
    errors.extend(needed(source, &["volume"], path));
    errors
}

/// Whether a text is split into a host and a port by its last colon.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, _)) = text.rsplit_once(':') else { return false };
    match host.strip_prefix('[') {
        Some(inner) => inner.ends_with(']') && !inner[..inner.len() - 1].contains(['[', ']']),
        None => !host.contains([':', '[', ']']),
    }
}

fn fibre_channel(source: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("targetWWNs");
    let (names, ids) = (items(source, "targetWWNs"), items(source, "wwids"));
    let mut errors = ErrorList::new();
    match (names.is_empty(), ids.is_empty()) {
        (true, true) => {
            let detail = "must specify either targetWWNs or wwids, but not both";
            errors.push(FieldError::required(at, detail));
        }
        (false, false) => {
            let detail = "targetWWNs and wwids can not be specified simultaneously";
            errors.push(FieldError::invalid(at, names.to_vec(), detail));
        }
        _ => {}
    }
    if !names.is_empty() {
        match int(source, "lun") {
            None => {
                let detail = "lun is required if targetWWNs is specified";
                errors.push(FieldError::required(path.child("lun"), detail));
            }
            Some(lun) => errors.extend(check::within(lun, 0, LUN_MAX, &path.child("lun"))),
        }
    }
    errors
}

fn flexible(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = needed(source, &["driver"], path);
    for (key, _) in entries(source, "options") {
        let domain = key.split('/').next().unwrap_or_default().to_lowercase();
        let domain = format!(".{domain}");
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            let at = path.child("options").key(key);
            errors.push(FieldError::invalid(at, key.as_str(), detail));
        }
    }
    errors
}

fn azure_disk(source: &Value, path: &FieldPath) -> ErrorList {
    const MANAGED: &str = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str =
        "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    let mut errors = needed(source, &["diskName", "diskURI"], path);
    let modes = ["None", "ReadOnly", "ReadWrite"];
    errors.extend(check::one_of(source, "cachingMode", &modes, path));
    errors.extend(check::one_of(source, "kind", &["Dedicated", "Managed", "Shared"], path));
    let uri = text(source, "diskURI");
    let expected = match text(source, "kind") == "Managed" {
        true => (!uri.starts_with("/subscriptions/")).then_some(MANAGED),
        false => (!uri.starts_with("https://")).then_some(BLOB),
    };
    let unexpected =
        expected.map(|form| FieldError::not_supported(path.child("diskURI"), uri, &[form]));
    errors.extend(unexpected.filter(|_| has(source, "kind")));
    errors
}

/// Checks an iSCSI target; `name` is the volume's. Of persistent volumes other places and words
/// are shown.
pub fn iscsi(source: &Value, name: &str, path: &FieldPath, persistent: bool) -> ErrorList {
    let portal = text(source, "targetPortal");
    let mut errors = needed(source, &["targetPortal"], path);
    let too_long = has(source, "initiatorName") && name.len() + 1 + portal.len() > PORTAL_CHARS_MAX;
    let too_long = too_long.then(|| {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        match persistent {
            true => FieldError::invalid(path.child("targetportal"), portal, detail),
            false => FieldError::invalid(path.sibling("name"), name, detail),
        }
    });
    if persistent {
        errors.extend(too_long.clone());
    }
    let words = if persistent {
        "must be valid format"
    } else {
        "must be valid format starting with iqn, eui, or naa"
    };
    let iqn = text(source, "iqn");
    match iqn {
        "" => errors.push(FieldError::required(path.child("iqn"), "")),
        _ => errors.extend(initiator(iqn, words, &path.child("iqn"))),
    }
    let lun = int(source, "lun").unwrap_or_default();
    errors.extend(check::within(lun, 0, LUN_MAX, &path.child("lun")));
    let authenticated = flag(source, "chapAuthDiscovery") || flag(source, "chapAuthSession");
    if authenticated && !has(source, "secretRef") {
        errors.push(FieldError::required(path.child("secretRef"), ""));
    }
    if persistent {
        errors.extend(secret(source, &["name"], path));
    }
    if let Some(name) = source.get("initiatorName").and_then(Value::as_str) {
        errors.extend(initiator(name, words, &path.child("initiatorname")));
    }
    if !persistent {
        errors.extend(too_long);
    }
    errors
}

/// What is wrong with an iSCSI name: it is a qualified name, an EUI or an NAA.
fn initiator(name: &str, unknown: &str, path: &FieldPath) -> Option<FieldError> {
    let detail = if name.starts_with("iqn") {
        (!has_qualified_name(name)).then_some("must be valid format")
    } else if let Some(rest) = name.strip_prefix("eui") {
        (!is_number(rest, 16)).then_some("must be valid format")
    } else if let Some(rest) = name.strip_prefix("naa") {
        (!is_number(rest, 32)).then_some("must be valid format")
    } else {
        Some(unknown)
    };
    detail.map(|detail| FieldError::invalid(path.clone(), name, detail))
}

/// One character and `digits` letters or digits.
fn is_number(rest: &str, digits: usize) -> bool {
    let mut letters = rest.chars();
    letters.next().is_some()
        && letters.as_str().len() == digits
        && letters.all(|c| c.is_ascii_alphanumeric())
}

/// `iqn.<year>-<month>.<domain>:<name>` at the end of a text.
fn has_qualified_name(text: &str) -> bool {
    text.match_indices("iqn.").any(|(at, _)| {
        let rest = &text[at + 4..];
        let dated = rest.len() > 8 && rest.is_char_boundary(8) && {
            let date = rest.as_bytes();
            let digits = |range: std::ops::Range<usize>| date[range].iter().all(u8::is_ascii_digit);
            digits(0..4) && date[4] == b'-' && digits(5..7) && date[7] == b'.'
        };
        let Some((domain, name)) = dated.then(|| rest[8..].split_once(':')).flatten() else {
            return false;
        };
        let domain_ok = !domain.is_empty()
            && domain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let odd = |c: char| ",;*&$|".contains(c) || c.is_ascii_whitespace();
        domain_ok && !name.is_empty() && !name.contains(odd)
    })
}

/// Checks a source whose secret a pod names in its own namespace.
pub fn with_local_secret(kind: &str, source: &Value, path: &FieldPath) -> Option<ErrorList> {
    Some(match kind {
        "cinder" => {
            let mut errors = needed(source, &["volumeID"], path);
            errors.extend(secret(source, &["name"], path));
            errors
        }
        "storageos" => storage_os(source, &["name"], path),
        "azureFile" => needed(source, &["secretName", "shareName"], path),
        "glusterfs" => needed(source, &["endpoints", "path"], path),
        _ => return None,
    })
}

/// Checks a source of a persistent volume, whose secret is in a namespace that it names.
pub fn with_secret(kind: &str, source: &Value, path: &FieldPath) -> Option<ErrorList> {
    const REFERENCE: [&str; 2] = ["name", "namespace"];
    Some(match kind {
        "cinder" => {
            let mut errors = needed(source, &["volumeID"], path);
            errors.extend(secret(source, &REFERENCE, path));
            errors
        }
        "storageos" => storage_os(source, &REFERENCE, path),
        "azureFile" => {
            let mut errors = needed(source, &["secretName", "shareName"], path);
            if has(source, "secretNamespace") {
                errors.extend(needed(source, &["secretNamespace"], path));
            }
            errors
        }
        "glusterfs" => gluster(source, path),
        _ => return None,
    })
}

fn gluster(source: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = needed(source, &["endpoints", "path"], path);
    let at = path.child("endpointsNamespace");
    match source.get("endpointsNamespace").and_then(Value::as_str) {
        None => {}
        Some("") => {
            let detail = "if the endpointnamespace is set, it must be a valid namespace name";
            errors.push(FieldError::invalid(at, "", detail));
        }
        Some(namespace) => errors.extend(check::named(names::label, namespace, &at)),
    }
    errors
}

fn storage_os(source: &Value, reference: &[&str], path: &FieldPath) -> ErrorList {
    let name = text(source, "volumeName");
    let mut errors = check::required_name(names::label, name, &path.child("volumeName"));
    let namespace = text(source, "volumeNamespace");
    if !namespace.is_empty() {
        errors.extend(check::named(names::label, namespace, &path.child("volumeNamespace")));
    }
    errors.extend(secret(source, reference, path));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_below_a_directory() {
        let at = FieldPath::new("p");
        assert!(not_reserved("a/b", &at).is_empty());
        assert_eq!(
            shown(&not_reserved("/a", &at)),
            ["p: Invalid value: \"/a\": must be a relative path"]
        );
        assert_eq!(not_reserved("../a", &at).len(), 1);
        assert_eq!(
            shown(&not_reserved("..a", &at)),
            ["p: Invalid value: \"..a\": must not start with '..'"]
        );
    }

    #[test]
    fn targets_of_iscsi() {
        let at = FieldPath::new("v").child("iscsi");
        let of = |name: &str| json!({"targetPortal": "1.2.3.4", "iqn": name});
        assert!(iscsi(&of("iqn.2001-04.com.example:storage"), "v", &at, false).is_empty());
        assert!(iscsi(&of("eui.0123456789abcdef"), "v", &at, false).is_empty());
        for bad in ["iqn.2001-4.com:x", "iqn.2001-04.com.example", "eui.1", "naa.2", "x"] {
            assert_eq!(iscsi(&of(bad), "v", &at, false).len(), 1, "{bad}");
        }
        let long = json!({"targetPortal": "p".repeat(70), "iqn": "iqn.2001-04.com.example:s",
            "initiatorName": "iqn.2001-04.com.example:s"});
        assert_eq!(iscsi(&long, "v", &at, false)[0].field.to_string(), "v.name");
        assert_eq!(iscsi(&long, "v", &at, true)[0].field.to_string(), "v.iscsi.targetportal");
    }

    #[test]
    fn shared_sources() {
        let at = FieldPath::new("v").child("x");
        let check = |kind: &str, source: Value| shown(&shared(kind, &source, &at).expect("a kind"));
        assert_eq!(
            check("nfs", json!({"server": "s"})),
            ["v.x.path: Required value", "v.x.path: Invalid value: \"\": must be an absolute path"]
        );
        assert_eq!(
            check("gcePersistentDisk", json!({})),
            ["v.persistentDisk.pdName: Required value"]
        );
        assert_eq!(check("fc", json!({"targetWWNs": ["a"]})).len(), 1);
        assert_eq!(
            check("flexVolume", json!({"driver": "d", "options": {"K8s.io/x": "1"}})).len(),
            1
        );
        assert_eq!(check("quobyte", json!({"registry": "a:1,b", "volume": "v"})).len(), 1);
        assert!(check("quobyte", json!({"registry": "[::1]:7,b:2", "volume": "v"})).is_empty());
        assert_eq!(
            check("azureDisk", json!({"diskName": "d", "diskURI": "u", "kind": "Managed"})).len(),
            1
        );
    }
}
