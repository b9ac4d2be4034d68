//! Pods for Windows, and what depends on a pod's operating system.

use super::ratchet::containers;
use crate::validation::read::{flag, has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const SPEC_KIB_MAX: usize = 64;
const DOMAIN_CHARS_END: usize = 256;
const USER_CHARS_MAX: usize = 104;
const SYSTEMS: [&str; 2] = ["linux", "windows"];
/// What a context of a pod for Windows may not have, and where upstream says so: most fields
/// stand in the context, others in the specification.
const FOR_LINUX: [(&str, bool); 15] = [
    ("appArmorProfile", true),
    ("seLinuxOptions", true),
    ("hostUsers", false),
    ("hostPID", false),
    ("hostIPC", false),
    ("seccompProfile", true),
    ("fsGroup", true),
    ("fsGroupChangePolicy", true),
    ("sysctls", true),
    ("shareProcessNamespace", false),
    ("runAsUser", true),
    ("runAsGroup", true),
    ("supplementalGroups", true),
    ("supplementalGroupsPolicy", true),
    ("seLinuxChangePolicy", true),
];
/// The same of containers.
const CONTAINER_FOR_LINUX: [&str; 10] = [
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];

/// Checks a pod's operating system and what it forbids.
pub fn system(spec: &Value, path: &FieldPath) -> ErrorList {
    if !has(spec, "os") {
        return ErrorList::new();
    }
    match text(&spec["os"], "name") {
        "" => vec![FieldError::required(path.child("os").child("name"), "")],
        "linux" => linux(spec, path),
        "windows" => windows(spec, path),
        other => vec![FieldError::not_supported(path.child("os"), other, &SYSTEMS)],
    }
}

fn linux(spec: &Value, path: &FieldPath) -> ErrorList {
    let mut places = vec![(spec, path.clone())];
    places.extend(containers(spec, path));
    let detail = "windows options cannot be set for a linux pod";
    let with = places.into_iter().filter(|(of, _)| has(&of["securityContext"], "windowsOptions"));
    with.map(|(_, at)| {
        FieldError::forbidden(at.child("securityContext").child("windowsOptions"), detail)
    })
    .collect()
}

fn windows(spec: &Value, path: &FieldPath) -> ErrorList {
    let detail = "cannot be set for a windows pod";
    let forbidden = |at: FieldPath| FieldError::forbidden(at, detail);
    let in_context = path.child("securityContext");
    let mut errors = ErrorList::new();
    for (field, inside) in FOR_LINUX {
        let (object, at) =
            if inside { (&spec["securityContext"], &in_context) } else { (spec, path) };
        let is_set = match field {
            "hostPID" | "hostIPC" => flag(object, field),
            "sysctls" => !items(object, field).is_empty(),
            _ => has(object, field),
        };
        if is_set {
            errors.push(forbidden(at.child(field)));
        }
    }
    for (container, at) in containers(spec, path) {
        let context = &container["securityContext"];
        let set = CONTAINER_FOR_LINUX.iter().filter(|field| has(context, field));
        errors.extend(set.map(|field| forbidden(at.child("securityContext").child(field))));
    }
    errors
}

/// Checks that either all containers are processes of the host or none.
pub fn host_processes(spec: &Value, path: &FieldPath) -> ErrorList {
    let of = |owner: &Value| {
        owner["securityContext"]["windowsOptions"].get("hostProcess").and_then(Value::as_bool)
    };
    let of_pod = of(spec);
    let all = containers(spec, path);
    let mut errors = ErrorList::new();
    let mut count = 0;
    for (container, at) in &all {
        let own = of(container);
        if let Some((pod, own)) = of_pod.zip(own).filter(|(pod, own)| pod != own) {
            let at = at.child("securityContext").child("windowsOptions").child("hostProcess");
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.push(FieldError::invalid(at, own, detail));
        }
        count += usize::from(own.or(of_pod) == Some(true));
    }
    if count == 0 {
        return errors;
    }
    if count != all.len() {
        let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.push(FieldError::invalid(path.clone(), "", detail));
    }
    if !flag(spec, "hostNetwork") {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.push(FieldError::invalid(path.child("hostNetwork"), false, detail));
    }
    errors
}

/// Checks the options that only Windows has.
pub fn options(options: &Value, path: &FieldPath) -> ErrorList {
    let given = |field: &str| options.get(field).and_then(Value::as_str);
    let mut errors = ErrorList::new();
    if let Some(name) = given("gmsaCredentialSpecName") {
        let at = path.child("gmsaCredentialSpecName");
        errors.extend(check::named(names::subdomain, name, &at));
    }
    if let Some(spec) = given("gmsaCredentialSpec") {
        let detail = match spec.len() {
            0 => Some("gmsaCredentialSpec cannot be an empty string".to_owned()),
            n if n > SPEC_KIB_MAX * 1024 => {
                Some(format!("gmsaCredentialSpec size must be under {SPEC_KIB_MAX} KiB"))
            }
            _ => None,
        };
        let at = path.child("gmsaCredentialSpec");
        errors.extend(detail.map(|detail| FieldError::invalid(at, spec, detail)));
    }
    if let Some(user) = given("runAsUserName") {
        let at = path.child("runAsUserName");
        let wrong = user_name(user).into_iter();
        errors.extend(wrong.map(|detail| FieldError::invalid(at.clone(), user, detail)));
    }
    errors
}

/// What is wrong with `user` or `domain\user`.
fn user_name(name: &str) -> Vec<String> {
    let one = |text: &str| vec![format!("runAsUserName{text}")];
    if name.is_empty() {
        return one(" cannot be an empty string");
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return one(" cannot contain control characters");
    }
    let (domain, user) = match name.split_once('\\') {
        None => (None, name),
        Some((_, user)) if user.contains('\\') => {
            return one(" cannot contain more than one backslash");
        }
        Some((domain, user)) => (Some(domain), user),
    };
    let mut wrong = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= DOMAIN_CHARS_END {
            wrong.extend(one("'s Domain length must be under 256 characters"));
        }
        if !is_net_bios(domain) && !is_domain(domain) {
            wrong.extend(one("'s Domain doesn't match the NetBios nor the DNS format"));
        }
    }
    if user.is_empty() {
        wrong.extend(one("'s User cannot be empty"));
    } else if user.len() > USER_CHARS_MAX {
        wrong.extend(one("'s User length must not be longer than 104 characters"));
    }
    if !user.is_empty() && user.chars().all(|c| c == '.' || c == ' ') {
        wrong.extend(one("'s User cannot contain only periods or spaces"));
    }
    if user.contains(|c: char| "\"/\\:;|=,+*?<>@[]".contains(c)) {
        wrong.extend(one("'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"));
    }
    wrong
}

fn is_net_bios(domain: &str) -> bool {
    let count = domain.chars().count();
    (1..=15).contains(&count)
        && !domain.starts_with('.')
        && !domain.contains(|c: char| "\\/:*?\"<>|".contains(c))
}

fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        (1..=63).contains(&label.len())
            && ends(label.bytes().next())
            && ends(label.bytes().last())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn users_of_windows() {
        for good in ["Administrator", "DOMAIN\\user", "a.example.com\\user name"] {
            assert!(user_name(good).is_empty(), "{good}");
        }
        for (bad, count) in
            [("", 1), ("a\\b\\c", 1), ("\\u", 1), ("d\\", 1), ("..", 1), ("a/b", 1), ("a\tb", 1)]
        {
            assert_eq!(user_name(bad).len(), count, "{bad}");
        }
    }

    #[test]
    fn processes_of_the_host() {
        let container =
            |own: Value| json!({"securityContext": {"windowsOptions": {"hostProcess": own}}});
        let spec = json!({"containers": [container(json!(true)), {}]});
        let errors = host_processes(&spec, &FieldPath::new("spec"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields, ["spec", "spec.hostNetwork"]);
    }

    #[test]
    fn each_system_has_its_own() {
        let path = FieldPath::new("spec");
        let of = |os: &str| {
            let context = json!({"windowsOptions": {}, "runAsUser": 1});
            let spec = json!({"os": {"name": os}, "hostPID": true, "securityContext": context});
            let errors = system(&spec, &path);
            errors.iter().map(|e| e.field.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of("linux"), ["spec.securityContext.windowsOptions"]);
        assert_eq!(of("windows"), ["spec.hostPID", "spec.securityContext.runAsUser"]);
        assert_eq!(of("odd"), ["spec.os"]);
    }
}
