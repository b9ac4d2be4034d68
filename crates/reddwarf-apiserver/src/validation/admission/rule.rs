//! Which requests a webhook or policy is about.

use super::super::read::{has, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, labels, names};
use super::MATCH_POLICIES;
use serde_json::Value;

/// Operations that can be watched.
pub const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/// Operations whose objects can be changed.
pub const MUTATING_OPERATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES: [&str; 3] = ["*", "Cluster", "Namespaced"];

fn texts<'a>(of: &'a Value, field: &str) -> Vec<&'a str> {
    items(of, field).iter().map(|item| item.as_str().unwrap_or_default()).collect()
}

/// Checks a rule with its operations, which must be among those supported.
pub fn rule(rule: &Value, supported: &[&str], path: &FieldPath) -> ErrorList {
    let operations = path.child("operations");
    let mut errors: ErrorList =
        names_or_all(rule, "operations", "operations", path).into_iter().collect();
    for (at, operation) in texts(rule, "operations").into_iter().enumerate() {
        if !supported.contains(&operation) {
            let at = operations.index(at);
            errors.push(FieldError::not_supported(at, operation, supported));
        }
    }
    errors.extend(names_or_all(rule, "apiGroups", "API groups", path));
    errors.extend(names_or_all(rule, "apiVersions", "API versions", path));
    errors.extend(given(rule, "apiVersions", path));
    errors.extend(resources(rule, path));
    errors.extend(check::one_of(rule, "scope", &SCOPES, path));
    errors
}

/// A list that must not be empty, and where `*` stands alone.
fn names_or_all(rule: &Value, field: &str, shown: &str, path: &FieldPath) -> Option<FieldError> {
    let (given, at) = (items(rule, field), path.child(field));
    if given.is_empty() {
        return Some(FieldError::required(at, ""));
    }
    let detail = format!("if '*' is present, must not specify other {shown}");
    let both = given.len() > 1 && given.iter().any(|item| item == "*");
    both.then(|| FieldError::invalid(at, given.to_vec(), detail))
}

/// Items of a list that are empty texts.
fn given(rule: &Value, field: &str, path: &FieldPath) -> ErrorList {
    let list = path.child(field);
    let empty = texts(rule, field).into_iter().enumerate().filter(|(_, text)| text.is_empty());
    empty.map(|(at, _)| FieldError::required(list.index(at), "")).collect()
}

fn resources(rule: &Value, path: &FieldPath) -> ErrorList {
    let (given, list) = (texts(rule, "resources"), path.child("resources"));
    let mut errors = ErrorList::new();
    if given.is_empty() {
        errors.push(FieldError::required(list.clone(), ""));
    }
    // Resources whose subresources are all named, and subresources of all resources.
    let (mut all_of, mut of_all) = (Vec::new(), Vec::new());
    let mut plain = false;
    for (at, resource) in given.iter().enumerate() {
        let at = list.index(at);
        if resource.is_empty() {
            errors.push(FieldError::required(at, ""));
            continue;
        }
        let Some((parent, sub)) = resource.split_once('/') else {
            plain = *resource != "*";
            continue;
        };
        let covered = |wildcard: String| {
            let detail = format!("if '{wildcard}' is present, must not specify {resource}");
            FieldError::invalid(at.clone(), *resource, detail)
        };
        if all_of.contains(&parent) {
            errors.push(covered(format!("{parent}/*")));
        }
        if of_all.contains(&sub) {
            errors.push(covered(format!("*/{sub}")));
        }
        if sub == "*" {
            all_of.push(parent);
        }
        if parent == "*" {
            of_all.push(sub);
        }
    }
    if given.len() > 1 && given.contains(&"*/*") {
        let detail = "if '*/*' is present, must not specify other resources";
        errors.push(FieldError::invalid(list.clone(), given.clone(), detail));
    }
    if plain && given.contains(&"*") {
        let detail = "if '*' is present, must not specify other resources without subresources";
        errors.push(FieldError::invalid(list, given, detail));
    }
    errors
}

/// Checks a rule that may name objects.
fn named_rule(of: &Value, supported: &[&str], path: &FieldPath) -> ErrorList {
    let (given, list) = (texts(of, "resourceNames"), path.child("resourceNames"));
    let mut errors = ErrorList::new();
    for (at, name) in given.iter().enumerate() {
        errors.extend(check::named(names::path_segment, name, &list.index(at)));
        if given[..at].contains(name) {
            errors.push(FieldError::duplicate(list.index(at), *name));
        }
    }
    errors.extend(rule(of, supported, path));
    errors
}

/// Checks the requests that a policy or binding is about.
pub fn match_resources(resources: &Value, supported: &[&str], path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    match text(resources, "matchPolicy") {
        "" => errors.push(FieldError::required(path.child("matchPolicy"), "")),
        _ => errors.extend(check::one_of(resources, "matchPolicy", &MATCH_POLICIES, path)),
    }
    for field in ["namespaceSelector", "objectSelector"] {
        let at = path.child(field);
        if has(resources, field) {
            errors.extend(labels::selector(&resources[field], &at));
        } else {
            errors.push(FieldError::required(at, ""));
        }
    }
    for field in ["resourceRules", "excludeResourceRules"] {
        for (at, rule) in items(resources, field).iter().enumerate() {
            errors.extend(named_rule(rule, supported, &path.child(field).index(at)));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(resources: Value) -> Vec<String> {
        let rule_of = json!({"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": resources});
        let errors = rule(&rule_of, &OPERATIONS, &FieldPath::new("r"));
        errors.iter().map(|e| format!("{} {}", e.field, e.detail)).collect()
    }

    #[test]
    fn wildcards_stand_alone() {
        for good in
            [json!(["pods", "pods/log"]), json!(["*"]), json!(["*/*"]), json!(["*", "pods/log"])]
        {
            assert!(shown(good.clone()).is_empty(), "{good}");
        }
        assert_eq!(
            shown(json!(["pods/*", "pods/log"])),
            ["r.resources[1] if 'pods/*' is present, must not specify pods/log"]
        );
        assert_eq!(
            shown(json!(["*", "pods"])),
            [
                "r.resources if '*' is present, must not specify other resources without subresources"
            ]
        );
        assert_eq!(shown(json!(["*/*", "pods/*"])).len(), 2);
        assert_eq!(shown(json!([""])), ["r.resources[0] "]);
    }

    #[test]
    fn a_rule_names_all_its_parts() {
        let errors = rule(&json!({}), &OPERATIONS, &FieldPath::new("r"));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields, ["r.operations", "r.apiGroups", "r.apiVersions", "r.resources"]);
    }
}
