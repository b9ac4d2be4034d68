//! Configurations of webhooks.

use super::super::read::{has, int, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, labels, names};
use super::rule::{OPERATIONS, rule};
use super::variable::{OF_REQUESTS, match_conditions};
use super::{FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION_POLICIES};
use serde_json::Value;
use std::collections::HashSet;

const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];
const NO_SIDE_EFFECTS: [&str; 2] = ["None", "NoneOnDryRun"];
const SIDE_EFFECTS: [&str; 4] = ["None", "NoneOnDryRun", "Some", "Unknown"];

/// What is asked of webhooks; an update asks no more than the stored ones gave.
#[derive(Clone, Copy)]
struct Asked {
    conditions: bool,
    no_side_effects: bool,
    known_version: bool,
    unique_names: bool,
    label_values: bool,
}

impl Asked {
    const ALL: Asked = Asked {
        conditions: true,
        no_side_effects: true,
        known_version: true,
        unique_names: true,
        label_values: true,
    };

    fn of_update(new: &Value, old: &Value) -> Asked {
        let (new, old) = (items(new, "webhooks"), items(old, "webhooks"));
        let conditions = |hooks: &[Value]| -> Vec<Value> {
            hooks.iter().map(|h| items(h, "matchConditions").into()).collect()
        };
        let names: Vec<&str> = old.iter().map(|hook| text(hook, "name")).collect();
        let known = |hook: &Value| {
            let versions = items(hook, "admissionReviewVersions");
            versions.is_empty() || versions.iter().any(is_known)
        };
        let selectors = old.iter().flat_map(|h| [&h["namespaceSelector"], &h["objectSelector"]]);
        Asked {
            conditions: conditions(new) != conditions(old),
            no_side_effects: old
                .iter()
                .all(|hook| NO_SIDE_EFFECTS.contains(&text(hook, "sideEffects"))),
            known_version: old.iter().all(known),
            unique_names: {
                let mut seen = HashSet::new();
                names.iter().all(|name| seen.insert(name))
            },
            label_values: selectors
                .into_iter()
                .all(|selector| labels::selector(selector, &FieldPath::new("")).is_empty()),
        }
    }
}

fn is_known(version: &Value) -> bool {
    version.as_str().is_some_and(|version| REVIEW_VERSIONS.contains(&version))
}

/// Checks new validating webhooks.
pub fn validating_webhooks(object: &Value) -> ErrorList {
    webhooks(object, Asked::ALL)
}

/// Checks an update of validating webhooks.
pub fn validating_webhooks_update(new: &Value, old: &Value) -> ErrorList {
    webhooks(new, Asked::of_update(new, old))
}

/// Checks new mutating webhooks.
pub fn mutating_webhooks(object: &Value) -> ErrorList {
    let mut errors = webhooks(object, Asked::ALL);
    errors.extend(reinvocation(object));
    errors
}

/// Checks an update of mutating webhooks.
pub fn mutating_webhooks_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = webhooks(new, Asked::of_update(new, old));
    errors.extend(reinvocation(new));
    errors
}

fn reinvocation(object: &Value) -> ErrorList {
    let list = FieldPath::new("webhooks");
    let hooks = items(object, "webhooks").iter().enumerate();
    let field = "reinvocationPolicy";
    hooks
        .filter_map(|(at, h)| check::one_of(h, field, &REINVOCATION_POLICIES, &list.index(at)))
        .collect()
}

fn webhooks(object: &Value, asked: Asked) -> ErrorList {
    let list = FieldPath::new("webhooks");
    let hooks = items(object, "webhooks");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, hook) in hooks.iter().enumerate() {
        let path = list.index(at);
        errors.extend(webhook(hook, asked, &path));
        errors.extend(review_versions(hook, asked, &path.child("admissionReviewVersions")));
        let name = text(hook, "name");
        let again = !seen.insert(name);
        if asked.unique_names && !name.is_empty() && again {
            errors.push(FieldError::duplicate(path.child("name"), name));
        }
    }
    errors
}

fn webhook(hook: &Value, asked: Asked, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        qualified(text(hook, "name"), &path.child("name")).into_iter().collect();
    for (at, one) in items(hook, "rules").iter().enumerate() {
        errors.extend(rule(one, &OPERATIONS, &path.child("rules").index(at)));
    }
    errors.extend(check::one_of(hook, "failurePolicy", &FAILURE_POLICIES, path));
    errors.extend(check::one_of(hook, "matchPolicy", &MATCH_POLICIES, path));
    errors.extend(side_effects(hook, asked, path));
    if let Some(seconds) = int(hook, "timeoutSeconds").filter(|s| !(1..=30).contains(s)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        errors.push(FieldError::invalid(path.child("timeoutSeconds"), seconds, detail));
    }
    for field in ["namespaceSelector", "objectSelector"] {
        let found = labels::selector(&hook[field], &path.child(field));
        errors.extend(if asked.label_values { found } else { labels::but_values(found) });
    }
    errors.extend(client(&hook["clientConfig"], &path.child("clientConfig")));
    if asked.conditions {
        errors.extend(match_conditions(hook, &OF_REQUESTS, path));
    }
    errors
}

/// A domain of at least three parts.
fn qualified(name: &str, at: &FieldPath) -> Option<FieldError> {
    if name.is_empty() {
        return Some(FieldError::required(at.clone(), ""));
    }
    let wrong = names::subdomain(name);
    if !wrong.is_empty() {
        return Some(FieldError::invalid(at.clone(), name, wrong.join(",")));
    }
    let detail = "should be a domain with at least three segments separated by dots";
    (name.split('.').count() < 3).then(|| FieldError::invalid(at.clone(), name, detail))
}

fn side_effects(hook: &Value, asked: Asked, path: &FieldPath) -> Option<FieldError> {
    let allowed: &[&str] = if asked.no_side_effects { &NO_SIDE_EFFECTS } else { &SIDE_EFFECTS };
    if has(hook, "sideEffects") {
        return check::one_of(hook, "sideEffects", allowed, path);
    }
    let detail = format!("must specify one of {}", allowed.join(", "));
    Some(FieldError::required(path.child("sideEffects"), detail))
}

fn review_versions(hook: &Value, asked: Asked, list: &FieldPath) -> ErrorList {
    let versions = items(hook, "admissionReviewVersions");
    if versions.is_empty() {
        let detail = format!("must specify one of {}", REVIEW_VERSIONS.join(", "));
        return vec![FieldError::required(list.clone(), detail)];
    }
    let mut errors = ErrorList::new();
    for (at, version) in versions.iter().enumerate() {
        if versions[..at].contains(version) {
            let detail = "duplicate version";
            errors.push(FieldError::invalid(list.index(at), version.clone(), detail));
        } else {
            let version = version.as_str().unwrap_or_default();
            errors.extend(check::named(names::dns_1035_label, version, &list.index(at)));
        }
    }
    if asked.known_version && !versions.iter().any(is_known) {
        let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(FieldError::invalid(list.clone(), versions.to_vec(), detail));
    }
    errors
}

/// Checks where a webhook is: at a URL or behind a service.
pub fn client(config: &Value, path: &FieldPath) -> ErrorList {
    match (config.get("url").and_then(Value::as_str), has(config, "service")) {
        (Some(url), false) => url_errors(url, &path.child("url")),
        (None, true) => service(&config["service"], &path.child("service")),
        _ => {
            let detail = "exactly one of url or service is required";
            vec![FieldError::required(path.clone(), detail)]
        }
    }
}

/// Checks a webhook's URL: `https://host[/path]`, nothing else.
fn url_errors(url: &str, at: &FieldPath) -> ErrorList {
    const FORM: &str = "; desired format: https://host[/path]";
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once(':').unwrap_or(("", rest));
    let authority = rest.strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or_default());
    let (user, host) = match authority.unwrap_or_default().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority.unwrap_or_default()),
    };
    if let Some(why) = unreadable(url, host) {
        let detail = format!("url must be a valid URL: parse {url:?}: {why}{FORM}");
        return vec![FieldError::required(at.clone(), detail)];
    }
    let invalid = |wrong: bool, value: &str, detail: String| {
        wrong.then(|| FieldError::invalid(at.clone(), value, detail))
    };
    let scheme = scheme.to_lowercase();
    [
        invalid(
            scheme != "https",
            &scheme,
            format!("'https' is the only allowed URL scheme{FORM}"),
        ),
        invalid(host.is_empty(), host, format!("host must be specified{FORM}")),
        invalid(
            user.is_some(),
            user.unwrap_or_default(),
            "user information is not permitted in the URL".to_owned(),
        ),
        invalid(
            !fragment.is_empty(),
            fragment,
            "fragments are not permitted in the URL".to_owned(),
        ),
        invalid(
            !query.is_empty(),
            query,
            "query parameters are not permitted in the URL".to_owned(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Why a URL cannot be read at all.
fn unreadable(url: &str, host: &str) -> Option<String> {
    let port = host.rsplit_once(':').filter(|_| !host.ends_with(']')).map(|(_, port)| port);
    if url.chars().any(|c| c.is_ascii_control()) {
        Some("net/url: invalid control character in URL".to_owned())
    } else if url.starts_with(':') {
        Some("missing protocol scheme".to_owned())
    } else if host.contains(' ') {
        Some("invalid character \" \" in host name".to_owned())
    } else {
        port.filter(|p| !p.bytes().all(|b| b.is_ascii_digit()))
            .map(|port| format!("invalid port \":{port}\" after host"))
    }
}

fn service(service: &Value, at: &FieldPath) -> ErrorList {
    let fields = ["name", "namespace"].into_iter();
    let mut errors: ErrorList =
        fields.filter_map(|f| check::required(text(service, f), at.child(f))).collect();
    let port = int(service, "port").unwrap_or_default();
    if !(1..=65_535).contains(&port) {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(FieldError::invalid(at.child("port"), port, detail));
    }
    errors.extend(service_path(text(service, "path"), &at.child("path")));
    errors
}

fn service_path(path: &str, at: &FieldPath) -> ErrorList {
    let invalid = |detail: String| FieldError::invalid(at.clone(), path, detail);
    match path {
        "" | "/" => return ErrorList::new(),
        "//" => return vec![invalid("segment[0] may not be empty".to_owned())],
        _ => {}
    }
    let mut errors = ErrorList::new();
    if !path.starts_with('/') {
        errors.push(invalid("must start with a '/'".to_owned()));
    }
    // The first byte is taken for the slash whatever it is, as upstream does.
    let segments = path.get(1..).unwrap_or_default();
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    for (at, segment) in segments.split('/').enumerate() {
        if segment.is_empty() {
            errors.push(invalid(format!("segment[{at}] may not be empty")));
            continue;
        }
        let wrong = names::subdomain(segment).into_iter();
        errors.extend(wrong.map(|why| invalid(format!("segment[{at}]: {why}"))));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hook(change: &[(&str, Value)]) -> Value {
        let mut hook = json!({"name": "a.b.c", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"url": "https://h/x"}});
        for (field, value) in change {
            hook[*field] = value.clone();
        }
        json!({ "webhooks": [hook] })
    }

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn urls_of_webhooks() {
        let count = |url: &str| url_errors(url, &FieldPath::new("u")).len();
        for good in ["https://h", "https://192.0.2.1:1/x", "HTTPS://h/a/b", "https://[::1]:8443/x"]
        {
            assert_eq!(count(good), 0, "{good}");
        }
        for (bad, errors) in [
            ("http://h", 1),
            ("https:///x", 1),
            ("h/x", 2),
            ("http://u:p@h/x?q#f", 4),
            ("https://h:x/", 1),
            ("", 2),
        ] {
            assert_eq!(count(bad), errors, "{bad}");
        }
    }

    #[test]
    fn paths_of_services() {
        let details = |path: &str| -> Vec<String> {
            service_path(path, &FieldPath::new("p")).into_iter().map(|e| e.detail).collect()
        };
        assert!(details("/a/b/").is_empty());
        assert_eq!(details("//"), ["segment[0] may not be empty"]);
        assert_eq!(details("no//slash"), ["must start with a '/'", "segment[1] may not be empty"]);
        assert_eq!(details("ü").len(), 2);
    }

    #[test]
    fn an_update_asks_no_more_than_was_given() {
        let old = hook(&[
            ("sideEffects", json!("Some")),
            ("admissionReviewVersions", json!(["v9"])),
            ("matchConditions", json!([{}])),
        ]);
        assert_eq!(
            fields(&validating_webhooks(&old)),
            [
                "webhooks[0].sideEffects",
                "webhooks[0].matchConditions[0].expression",
                "webhooks[0].matchConditions[0].name",
                "webhooks[0].admissionReviewVersions",
            ]
        );
        assert!(validating_webhooks_update(&old, &old).is_empty());
        assert_eq!(validating_webhooks_update(&old, &hook(&[])).len(), 4);
    }

    #[test]
    fn a_mutating_webhook_may_be_called_again() {
        let odd = hook(&[("reinvocationPolicy", json!("Odd"))]);
        assert_eq!(fields(&mutating_webhooks(&odd)), ["webhooks[0].reinvocationPolicy"]);
        assert!(validating_webhooks(&hook(&[])).is_empty());
    }
}
