//! Roles and their bindings.

use super::read::{has, is_empty, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a role of a namespace.
pub fn role(object: &Value) -> ErrorList {
    rules(object, true)
}

/// Checks a role of the cluster.
pub fn cluster_role(object: &Value) -> ErrorList {
    aggregating(object, false)
}

/// Checks an update of a role of the cluster.
pub fn cluster_role_update(new: &Value, old: &Value) -> ErrorList {
    let stored = items(&old["aggregationRule"], "clusterRoleSelectors");
    aggregating(new, stored.iter().any(labels::has_bad_value))
}

fn aggregating(object: &Value, keep_values: bool) -> ErrorList {
    let mut errors = rules(object, false);
    if !has(object, "aggregationRule") {
        return errors;
    }
    let list = FieldPath::new("aggregationRule").child("clusterRoleSelectors");
    let selectors = items(&object["aggregationRule"], "clusterRoleSelectors");
    if selectors.is_empty() {
        let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        errors.push(FieldError::required(list.clone(), detail));
    }
    for (at, selector) in selectors.iter().enumerate() {
        let path = list.index(at);
        let found = labels::selector(selector, &path);
        let malformed = !found.is_empty();
        errors.extend(if keep_values { labels::but_values(found) } else { found });
        if malformed {
            errors.push(FieldError::invalid(path, Value::Null, "invalid label selector."));
        }
    }
    errors
}

fn rules(object: &Value, namespaced: bool) -> ErrorList {
    let list = FieldPath::new("rules");
    let each = items(object, "rules").iter().enumerate();
    each.flat_map(|(at, rule)| one_rule(rule, namespaced, &list.index(at))).collect()
}

fn one_rule(rule: &Value, namespaced: bool, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let none = |field: &str| rule.get(field).is_none_or(is_empty);
    if none("verbs") {
        let detail = "verbs must contain at least one value";
        errors.push(FieldError::required(path.child("verbs"), detail));
    }
    if !none("nonResourceURLs") {
        let both = ["apiGroups", "resources", "resourceNames"].iter().any(|field| !none(field));
        let refused = [
            namespaced.then_some("namespaced rules cannot apply to non-resource URLs"),
            both.then_some("rules cannot apply to both regular resources and non-resource URLs"),
        ];
        let at = path.child("nonResourceURLs");
        errors.extend(refused.into_iter().flatten().map(|detail| {
            FieldError::invalid(at.clone(), rule["nonResourceURLs"].clone(), detail)
        }));
        return errors;
    }
    if none("apiGroups") {
        let detail = "resource rules must supply at least one api group";
        errors.push(FieldError::required(path.child("apiGroups"), detail));
    }
    if none("resources") {
        let detail = "resource rules must supply at least one resource";
        errors.push(FieldError::required(path.child("resources"), detail));
    }
    errors
}

/// Checks a binding in a namespace.
pub fn role_binding(object: &Value) -> ErrorList {
    binding(object, &["Role", "ClusterRole"], true)
}

/// Checks a binding for the whole cluster.
pub fn cluster_role_binding(object: &Value) -> ErrorList {
    binding(object, &["ClusterRole"], false)
}

fn binding(object: &Value, kinds: &[&str], namespaced: bool) -> ErrorList {
    let path = FieldPath::new("roleRef");
    let role = &object["roleRef"];
    let mut errors = ErrorList::new();
    let group = text(role, "apiGroup");
    if group != GROUP {
        errors.push(FieldError::not_supported(path.child("apiGroup"), group, &[GROUP]));
    }
    let kind = text(role, "kind");
    if !kinds.contains(&kind) {
        errors.push(FieldError::not_supported(path.child("kind"), kind, kinds));
    }
    let name = text(role, "name");
    errors.extend(check::required_name(names::path_segment, name, &path.child("name")));
    let list = FieldPath::new("subjects");
    for (at, subject) in items(object, "subjects").iter().enumerate() {
        errors.extend(one_subject(subject, namespaced, &list.index(at)));
    }
    errors
}

fn one_subject(subject: &Value, namespaced: bool, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let (name, group) = (text(subject, "name"), text(subject, "apiGroup"));
    errors.extend(check::required(name, path.child("name")));
    match text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.extend(check::named(names::subdomain, name, &path.child("name")));
            }
            if !group.is_empty() {
                errors.push(FieldError::not_supported(path.child("apiGroup"), group, &[""]));
            }
            if !namespaced {
                errors.extend(check::required(text(subject, "namespace"), path.child("namespace")));
            }
        }
        "User" | "Group" if group != GROUP => {
            errors.push(FieldError::not_supported(path.child("apiGroup"), group, &[GROUP]));
        }
        "User" | "Group" => {}
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(path.child("kind"), other, &kinds));
        }
    }
    errors
}

fn kept_role(new: &Value, old: &Value) -> Option<FieldError> {
    if new["roleRef"] == old["roleRef"] {
        return None;
    }
    let role = |field| text(&new["roleRef"], field).to_owned();
    let shown = json!({"APIGroup": role("apiGroup"), "Kind": role("kind"), "Name": role("name")});
    Some(FieldError::invalid(FieldPath::new("roleRef"), shown, "cannot change roleRef"))
}

/// Checks an update of a binding in a namespace.
pub fn role_binding_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = role_binding(new);
    errors.extend(kept_role(new, old));
    errors
}

/// Checks an update of a binding for the whole cluster.
pub fn cluster_role_binding_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = cluster_role_binding(new);
    errors.extend(kept_role(new, old));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_ref_stays() {
        let binding =
            |name: &str| json!({"roleRef": {"apiGroup": GROUP, "kind": "Role", "name": name}});
        assert!(role_binding_update(&binding("a"), &binding("a")).is_empty());
        assert_eq!(
            role_binding_update(&binding("b"), &binding("a"))[0].to_string(),
            "roleRef: Invalid value: {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"b\"}: cannot change roleRef"
        );
    }

    #[test]
    fn rules_name_what_they_allow() {
        let role_of = |rule: Value| json!({ "rules": [rule] });
        assert_eq!(role(&role_of(json!({}))).len(), 3);
        let url = json!({"verbs": ["get"], "nonResourceURLs": ["/x"]});
        assert_eq!(role(&role_of(url.clone())).len(), 1);
        assert!(cluster_role(&role_of(url)).is_empty());
    }
}
