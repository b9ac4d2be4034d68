//! Security contexts of pods and containers.

use super::ratchet::{Ratchet, containers, has_host_users};
use super::windows;
use crate::validation::read::{flag, has, int, items, text};
use crate::validation::volume_source::descending;
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use serde_json::{Value, json};

const ID_MAX: i64 = 2_147_483_647;
const SYSCTL_CHARS_MAX: usize = 253;
const PROFILE_CHARS_MAX: usize = 4095;
const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
/// Beginnings of sysctls of the namespace of inter-process communication.
const OF_IPC: [&str; 3] = ["kernel.shm", "kernel.msg", "fs.mqueue."];

/// A field of a context that is the number of a user or group.
fn id(context: &Value, field: &str, path: &FieldPath) -> Option<FieldError> {
    int(context, field).and_then(|id| check::within(id, 0, ID_MAX, &path.child(field)))
}

/// Checks the context of a pod.
pub fn of_pod(spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let context = &spec["securityContext"];
    let path = path.child("securityContext");
    if !has(spec, "securityContext") {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        errors.extend(id(context, field, &path));
    }
    let groups = path.child("supplementalGroups");
    for (at, group) in items(context, "supplementalGroups").iter().enumerate() {
        let group = group.as_i64().unwrap_or_default();
        errors.extend(check::within(group, 0, ID_MAX, &groups.index(at)));
    }
    if flag(spec, "shareProcessNamespace") && flag(spec, "hostPID") {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        errors.push(FieldError::invalid(path.child("shareProcessNamespace"), true, detail));
    }
    errors.extend(sysctls(spec, ratchet, &path));
    errors.extend(check::one_of(
        context,
        "fsGroupChangePolicy",
        &["Always", "OnRootMismatch"],
        &path,
    ));
    errors.extend(seccomp(&context["seccompProfile"], &path.child("seccompProfile")));
    errors.extend(windows::options(&context["windowsOptions"], &path.child("windowsOptions")));
    errors.extend(app_armor(&context["appArmorProfile"], &path.child("appArmorProfile")));
    errors.extend(check::one_of(context, "supplementalGroupsPolicy", &["Merge", "Strict"], &path));
    let policies: &[&str] =
        if ratchet.selinux_policies { &["MountOption", "Recursive"] } else { &["Recursive"] };
    errors.extend(check::one_of(context, "seLinuxChangePolicy", policies, &path));
    errors
}

fn sysctls(spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    let list = path.child("sysctls");
    let given = items(&spec["securityContext"], "sysctls");
    let mut errors = ErrorList::new();
    for (at, sysctl) in given.iter().enumerate() {
        let (name, path) = (text(sysctl, "name"), list.index(at).child("name"));
        if name.is_empty() {
            errors.push(FieldError::required(path.clone(), ""));
        } else if !is_sysctl(name) {
            let detail = format!(
                "must have at most {SYSCTL_CHARS_MAX} characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            errors.push(FieldError::invalid(path.clone(), name, detail));
        } else if given[..at].iter().any(|before| text(before, "name") == name) {
            errors.push(FieldError::duplicate(path.clone(), name));
        }
        if !ratchet.host_sysctls {
            errors.extend(host_sysctl(spec, name, &path));
        }
    }
    errors
}

fn is_sysctl(name: &str) -> bool {
    let part = |part: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let (first, last) = (part.bytes().next(), part.bytes().last());
        first.is_some_and(inner)
            && last.is_some_and(inner)
            && part.bytes().all(|b| inner(b) || b == b'-' || b == b'_')
    };
    name.len() <= SYSCTL_CHARS_MAX && name.split(['.', '/']).all(part)
}

/// A sysctl of a namespace that the pod shares with its host is the host's.
fn host_sysctl(spec: &Value, name: &str, path: &FieldPath) -> Option<FieldError> {
    // Whichever of the two separators comes first is the one that separates.
    let dotted = match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    let of_network = dotted.starts_with("net");
    let of_ipc = dotted == "kernel.sem" || OF_IPC.iter().any(|start| dotted.starts_with(start));
    let option = if of_network && flag(spec, "hostNetwork") {
        "hostNetwork"
    } else if of_ipc && flag(spec, "hostIPC") {
        "hostIPC"
    } else {
        return None;
    };
    let detail = format!("may not be specified when '{option}' is true");
    Some(FieldError::invalid(path.clone(), name, detail))
}

/// Sysctls that are the host's.
pub fn host_sysctls(spec: &Value, path: &FieldPath) -> ErrorList {
    let given = items(&spec["securityContext"], "sysctls").iter();
    given.filter_map(|sysctl| host_sysctl(spec, text(sysctl, "name"), path)).collect()
}

fn seccomp(profile: &Value, path: &FieldPath) -> ErrorList {
    if profile.is_null() {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    let kind = text(profile, "type");
    match kind {
        "" => {
            let detail = "type is required when seccompProfile is set";
            errors.push(FieldError::required(path.child("type"), detail));
        }
        _ => errors.extend(check::one_of(profile, "type", &PROFILES, path)),
    }
    let at = path.child("localhostProfile");
    match profile.get("localhostProfile").and_then(Value::as_str) {
        None if kind == "Localhost" => {
            let detail = "must be set when seccomp type is Localhost";
            errors.push(FieldError::required(at, detail));
        }
        Some(file) if kind == "Localhost" => errors.extend(descending(file, &at)),
        Some(file) => {
            let shown = json!({"Type": kind, "LocalhostProfile": file});
            let detail = "can only be set when seccomp type is Localhost";
            errors.push(FieldError::invalid(at, shown, detail));
        }
        None => {}
    }
    errors
}

/// Checks a profile of AppArmor.
pub fn app_armor(profile: &Value, path: &FieldPath) -> ErrorList {
    if profile.is_null() {
        return ErrorList::new();
    }
    let at = path.child("localhostProfile");
    let file = profile.get("localhostProfile").and_then(Value::as_str);
    let missing = "must be set when AppArmor type is Localhost";
    match (text(profile, "type"), file) {
        ("Localhost", None) => vec![FieldError::required(at, missing)],
        ("Localhost", Some(file)) => {
            let mut errors = ErrorList::new();
            if file.trim() != file {
                let detail = "must not be padded with whitespace";
                errors.push(FieldError::invalid(at.clone(), file, detail));
            } else if file.is_empty() {
                errors.push(FieldError::required(at.clone(), missing));
            }
            if file.len() > PROFILE_CHARS_MAX {
                errors.push(FieldError::too_long(at, PROFILE_CHARS_MAX));
            }
            errors
        }
        ("RuntimeDefault" | "Unconfined", Some(file)) => {
            let detail = "can only be set when AppArmor type is Localhost";
            vec![FieldError::invalid(at, file, detail)]
        }
        ("RuntimeDefault" | "Unconfined", None) => ErrorList::new(),
        ("", _) => {
            let detail = "type is required when appArmorProfile is set";
            vec![FieldError::required(path.child("type"), detail)]
        }
        (other, _) => vec![FieldError::not_supported(path.child("type"), other, &PROFILES)],
    }
}

/// Checks the context of a container.
pub fn of_container(container: &Value, host_users: bool, path: &FieldPath) -> ErrorList {
    let context = &container["securityContext"];
    let path = path.child("securityContext");
    if !has(container, "securityContext") {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    errors.extend(id(context, "runAsUser", &path));
    errors.extend(id(context, "runAsGroup", &path));
    errors.extend(check::one_of(context, "procMount", &["Default", "Unmasked"], &path));
    if host_users && text(context, "procMount") == "Unmasked" {
        let detail = "`hostUsers` must be false to use `Unmasked`";
        errors.push(FieldError::invalid(path.child("procMount"), "Unmasked", detail));
    }
    errors.extend(seccomp(&context["seccompProfile"], &path.child("seccompProfile")));
    errors.extend(escalation(context, &path));
    errors.extend(windows::options(&context["windowsOptions"], &path.child("windowsOptions")));
    errors.extend(app_armor(&context["appArmorProfile"], &path.child("appArmorProfile")));
    errors
}

/// Who may not gain privileges has none.
fn escalation(context: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if context.get("allowPrivilegeEscalation") != Some(&Value::Bool(false)) {
        return errors;
    }
    let mut refuse = |what: &str| {
        let detail = format!("cannot set `allowPrivilegeEscalation` to false and {what}");
        errors.push(FieldError::invalid(path.clone(), context.clone(), detail));
    };
    if flag(context, "privileged") {
        refuse("`privileged` to true");
    }
    let added = items(&context["capabilities"], "add").iter();
    for _ in added.filter(|capability| *capability == "CAP_SYS_ADMIN") {
        refuse("`capabilities.Add` CAP_SYS_ADMIN");
    }
    errors
}

/// What a pod with users of its own may not share with the host.
pub fn own_users(spec: &Value, ratchet: &Ratchet, path: &FieldPath) -> ErrorList {
    if has_host_users(spec) {
        return ErrorList::new();
    }
    let shared = [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")];
    let shared = shared.into_iter().filter(|(field, _)| flag(spec, field));
    let mut errors: ErrorList = shared
        .map(|(_, shown)| FieldError::forbidden(path.child(shown), "when `hostUsers` is false"))
        .collect();
    if !ratchet.mapped_devices {
        errors.extend(mapped_devices(spec, path));
    }
    errors
}

/// Block devices of a pod whose users are not the host's.
pub fn mapped_devices(spec: &Value, path: &FieldPath) -> ErrorList {
    if has_host_users(spec) {
        return ErrorList::new();
    }
    let with_devices =
        containers(spec, path).into_iter().filter(|(c, _)| !items(c, "volumeDevices").is_empty());
    with_devices
        .map(|(_, at)| {
            FieldError::forbidden(at.child("volumeDevices"), "when `hostUsers` is false")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    fn pod(spec: Value) -> Vec<String> {
        fields(&of_pod(&spec, &Ratchet::NONE, &FieldPath::new("spec")))
    }

    #[test]
    fn contexts_of_pods() {
        let context = json!({
            "fsGroup": -1, "supplementalGroups": [-1], "seLinuxChangePolicy": "MountOption",
            "sysctls": [{"name": "net.core.x"}, {"name": "kernel/shmmax"}, {"name": "A"}, {"name": "net.core.x"}],
            "seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "x"},
            "appArmorProfile": {"type": "Localhost", "localhostProfile": " x"},
        });
        assert_eq!(
            pod(json!({"hostNetwork": true, "hostIPC": true, "securityContext": context})),
            [
                "spec.securityContext.fsGroup FieldValueInvalid",
                "spec.securityContext.supplementalGroups[0] FieldValueInvalid",
                "spec.securityContext.sysctls[0].name FieldValueInvalid",
                "spec.securityContext.sysctls[1].name FieldValueInvalid",
                "spec.securityContext.sysctls[2].name FieldValueInvalid",
                "spec.securityContext.sysctls[3].name FieldValueDuplicate",
                "spec.securityContext.sysctls[3].name FieldValueInvalid",
                "spec.securityContext.seccompProfile.localhostProfile FieldValueInvalid",
                "spec.securityContext.appArmorProfile.localhostProfile FieldValueInvalid",
                "spec.securityContext.seLinuxChangePolicy FieldValueNotSupported",
            ]
        );
    }

    #[test]
    fn contexts_of_containers() {
        let context = json!({"allowPrivilegeEscalation": false, "privileged": true,
            "capabilities": {"add": ["CAP_SYS_ADMIN"]}, "procMount": "Unmasked"});
        let container = json!({ "securityContext": context });
        let path = FieldPath::new("c");
        assert_eq!(
            fields(&of_container(&container, true, &path)),
            [
                "c.securityContext.procMount FieldValueInvalid",
                "c.securityContext FieldValueInvalid",
                "c.securityContext FieldValueInvalid",
            ]
        );
        assert_eq!(of_container(&container, false, &path).len(), 2);
    }

    #[test]
    fn users_of_its_own() {
        let spec = json!({"hostUsers": false, "hostPID": true,
            "containers": [{"volumeDevices": [{}]}]});
        assert_eq!(
            fields(&own_users(&spec, &Ratchet::NONE, &FieldPath::new("spec"))),
            [
                "spec.HostPID FieldValueForbidden",
                "spec.containers[0].volumeDevices FieldValueForbidden"
            ]
        );
    }
}
