//! How a pod finds others: DNS, aliases of hosts, its own name.

use crate::validation::read::{flag, has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, address, check, names};
use serde_json::Value;

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARS_MAX: usize = 2048;
const HOSTNAME_CHARS_MAX: usize = 64;

/// Checks the DNS configuration.
pub fn dns(spec: &Value, path: &FieldPath) -> ErrorList {
    let config = &spec["dnsConfig"];
    let path = path.child("dnsConfig");
    let servers = items(config, "nameservers");
    if text(spec, "dnsPolicy") == "None" {
        if !has(spec, "dnsConfig") {
            let detail = "must provide `dnsConfig` when `dnsPolicy` is None";
            return vec![FieldError::required(path, detail)];
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return vec![FieldError::required(path.child("nameservers"), detail)];
        }
    }
    let at = path.child("nameservers");
    let mut errors = ErrorList::new();
    if servers.len() > NAMESERVERS_MAX {
        let detail = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        errors.push(FieldError::invalid(at.clone(), servers.to_vec(), detail));
    }
    for (i, server) in servers.iter().enumerate() {
        errors.extend(address::ip(server.as_str().unwrap_or_default(), &at.index(i)));
    }
    errors.extend(searches(config, &path.child("searches")));
    for (i, option) in items(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            let at = path.child("options").index(i);
            errors.push(FieldError::required(at, "must not be empty"));
        }
    }
    errors
}

fn searches(config: &Value, path: &FieldPath) -> ErrorList {
    let given = items(config, "searches");
    let texts: Vec<&str> = given.iter().filter_map(Value::as_str).collect();
    let mut errors = ErrorList::new();
    if texts.len() > SEARCHES_MAX {
        let detail = format!("must not have more than {SEARCHES_MAX} search paths");
        errors.push(FieldError::invalid(path.clone(), given.to_vec(), detail));
    }
    if texts.join(" ").len() > SEARCH_CHARS_MAX {
        let detail = format!(
            "must not have more than {SEARCH_CHARS_MAX} characters (including spaces) in the search list"
        );
        errors.push(FieldError::invalid(path.clone(), given.to_vec(), detail));
    }
    for (at, search) in texts.iter().enumerate().filter(|(_, search)| **search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        errors.extend(check::named(names::underscored_subdomain, search, &path.index(at)));
    }
    errors
}

/// Checks the entries of the file of hosts.
pub fn aliases(spec: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("hostAliases");
    let mut errors = ErrorList::new();
    for (at, alias) in items(spec, "hostAliases").iter().enumerate() {
        let at = list.index(at);
        errors.extend(address::ip(text(alias, "ip"), &at.child("ip")));
        for (i, name) in items(alias, "hostnames").iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let at = at.child("hostnames").index(i);
            errors.extend(check::named(names::subdomain, name, &at));
        }
    }
    errors
}

/// Checks the name that stands in for the one that would be made.
pub fn own_name(spec: &Value, path: &FieldPath) -> ErrorList {
    let Some(name) = spec.get("hostnameOverride").and_then(Value::as_str) else {
        return ErrorList::new();
    };
    let path = path.child("hostnameOverride");
    let mut errors = ErrorList::new();
    for option in ["setHostnameAsFQDN", "hostNetwork"] {
        if flag(spec, option) {
            let detail = format!("may not be specified when {option} is true");
            errors.push(FieldError::forbidden(path.clone(), detail));
        }
    }
    if name.len() > HOSTNAME_CHARS_MAX {
        errors.push(FieldError::too_long(path.clone(), HOSTNAME_CHARS_MAX));
    }
    errors.extend(check::named(names::subdomain, name, &path));
    errors
}

/// In the host's network a port of a container is the same port of the host; a template may
/// leave it open.
pub fn host_ports(spec: &Value, is_pod: bool, path: &FieldPath) -> ErrorList {
    if !flag(spec, "hostNetwork") {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    for (at, container) in items(spec, "containers").iter().enumerate() {
        let list = path.child("containers").index(at).child("ports");
        for (at, port) in items(container, "ports").iter().enumerate() {
            let number = |field| int(port, field).unwrap_or_default();
            let (host, own) = (number("hostPort"), number("containerPort"));
            if (is_pod || host != 0) && host != own {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.push(FieldError::invalid(list.index(at).child("hostPort"), host, detail));
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn dns_of_a_pod() {
        let path = FieldPath::new("spec");
        let none = |config: Value| dns(&json!({"dnsPolicy": "None", "dnsConfig": config}), &path);
        assert_eq!(fields(&none(Value::Null)), ["spec.dnsConfig FieldValueRequired"]);
        assert_eq!(fields(&none(json!({}))), ["spec.dnsConfig.nameservers FieldValueRequired"]);
        let config = json!({"nameservers": ["1.1.1.1", "x", "::1", "::2"], "searches": [".", "_a.b.", "C"],
            "options": [{}]});
        assert_eq!(
            fields(&none(config)),
            [
                "spec.dnsConfig.nameservers FieldValueInvalid",
                "spec.dnsConfig.nameservers[1] FieldValueInvalid",
                "spec.dnsConfig.searches[2] FieldValueInvalid",
                "spec.dnsConfig.options[0] FieldValueRequired",
            ]
        );
    }

    #[test]
    fn ports_of_the_host() {
        let spec = json!({"hostNetwork": true, "containers": [{"ports": [
            {"containerPort": 1}, {"containerPort": 2, "hostPort": 3}]}]});
        let path = FieldPath::new("spec");
        assert_eq!(host_ports(&spec, true, &path).len(), 2);
        assert_eq!(host_ports(&spec, false, &path).len(), 1);
    }
}
