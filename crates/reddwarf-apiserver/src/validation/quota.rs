//! Resource quotas.

use super::read::{entries, has, items, text};
use super::resource_name;
use super::{ErrorList, FieldError, FieldPath};
use serde_json::{Value, json};

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
/// Scopes that an object is in or not, whatever its values.
const PLAIN: [&str; 5] =
    ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"];
const OPPOSITES: [(&str, &str); 2] =
    [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];
const UNSUPPORTED: &str = "unsupported scope";
const INAPPLICABLE: &str = "unsupported scope applied to resource";
const CONFLICT: &str = "conflicting scopes";

/// Checks a new quota.
pub fn create(object: &Value) -> ErrorList {
    let mut errors = spec(&object["spec"]);
    errors.extend(status(object, &Value::Null));
    errors
}

fn spec(spec: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let mut errors = amounts(spec, "hard", &path);
    errors.extend(scopes(spec, &path.child("scopes")));
    if has(spec, "scopeSelector") {
        let at = path.child("scopeSelector").child("matchExpressions");
        errors.extend(selector(spec, &at));
    }
    errors
}

fn amounts(object: &Value, field: &str, path: &FieldPath) -> ErrorList {
    let path = path.child(field);
    let each = entries(object, field).flat_map(|(name, value)| {
        let at = path.key(name);
        let mut errors = resource_name::of_quota(name, &at);
        errors.extend(resource_name::quantity(name, value, &at));
        errors
    });
    each.collect()
}

/// The limited resources that quotas know, of which a scope says nothing.
fn inapplicable(spec: &Value, scope: &str) -> usize {
    let names = entries(spec, "hard").map(|(name, _)| name);
    names
        .filter(|name| resource_name::is_quota(name) && !resource_name::is_in_scope(scope, name))
        .count()
}

fn conflicts(scopes: &[&str]) -> usize {
    let both = |(one, other): &&(&str, &str)| scopes.contains(one) && scopes.contains(other);
    OPPOSITES.iter().filter(both).count()
}

fn scopes(spec: &Value, at: &FieldPath) -> ErrorList {
    let given = items(spec, "scopes");
    let scopes: Vec<&str> = given.iter().filter_map(Value::as_str).collect();
    let error = |detail: &str| FieldError::invalid(at.clone(), given.to_vec(), detail);
    let mut errors = ErrorList::new();
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            errors.push(error(UNSUPPORTED));
        }
        errors.extend((0..inapplicable(spec, scope)).map(|_| error(INAPPLICABLE)));
    }
    errors.extend((0..conflicts(&scopes)).map(|_| error(CONFLICT)));
    errors
}

fn selector(spec: &Value, at: &FieldPath) -> ErrorList {
    let expressions = items(&spec["scopeSelector"], "matchExpressions");
    let mut errors = ErrorList::new();
    let mut scopes = Vec::new();
    for expression in expressions {
        let (scope, operator) = (text(expression, "scopeName"), text(expression, "operator"));
        if !SCOPES.contains(&scope) {
            errors.push(FieldError::invalid(at.child("scopeName"), scope, UNSUPPORTED));
        }
        let shown = || FieldError::invalid(at.clone(), internal(expressions), INAPPLICABLE);
        errors.extend((0..inapplicable(spec, scope)).map(|_| shown()));
        if PLAIN.contains(&scope) && operator != "Exists" {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.push(FieldError::invalid(at.child("operator"), operator, detail));
        }
        errors.extend(values(expression, operator, at));
        scopes.push(scope);
    }
    let value = spec.get("scopes").cloned().unwrap_or_default();
    let error = || FieldError::invalid(at.clone(), value.clone(), CONFLICT);
    errors.extend((0..conflicts(&scopes)).map(|_| error()));
    errors
}

fn values(expression: &Value, operator: &str, at: &FieldPath) -> Option<FieldError> {
    let values = items(expression, "values");
    let path = at.child("values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail =
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            Some(FieldError::required(path, detail))
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail =
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            Some(FieldError::invalid(path, values.to_vec(), detail))
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => None,
        other => {
            let detail = "not a valid selector operator";
            Some(FieldError::invalid(at.child("operator"), other, detail))
        }
    }
}

/// A selector as upstream's messages show it: in its internal form.
fn internal(expressions: &[Value]) -> Value {
    let each = expressions.iter().map(
        |e| json!({"ScopeName": e["scopeName"], "Operator": e["operator"], "Values": e["values"]}),
    );
    json!({"MatchExpressions": each.collect::<Vec<_>>()})
}

/// Checks an update of a quota, whose scopes stay.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = spec(&new["spec"]);
    let of = |object: &Value| {
        let mut scopes: Vec<String> = items(&object["spec"], "scopes")
            .iter()
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    };
    if of(new) != of(old) {
        let value = new["spec"].get("scopes").cloned().unwrap_or_default();
        let at = FieldPath::new("spec").child("scopes");
        errors.push(FieldError::invalid(at, value, "field is immutable"));
    }
    errors
}

/// Checks a quota's status.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let path = FieldPath::new("status");
    let mut errors = amounts(&new["status"], "hard", &path);
    errors.extend(amounts(&new["status"], "used", &path));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.detail)).collect()
    }

    #[test]
    fn scopes_of_a_quota() {
        let object = json!({"spec": {
            "hard": {"pods": "1", "requests.cpu": "1"},
            "scopes": ["BestEffort", "NotBestEffort", "Odd"],
        }});
        assert_eq!(
            shown(&create(&object)),
            [
                "spec.scopes unsupported scope applied to resource",
                "spec.scopes unsupported scope",
                "spec.scopes conflicting scopes",
            ]
        );
    }

    #[test]
    fn selectors_of_scopes() {
        let object = json!({"spec": {"scopeSelector": {"matchExpressions": [
            {"scopeName": "Terminating", "operator": "In", "values": ["x"]},
            {"scopeName": "PriorityClass", "operator": "In"},
            {"scopeName": "PriorityClass", "operator": "Exists", "values": ["x"]},
            {"scopeName": "Odd", "operator": "Odd"},
        ]}}});
        let fields: Vec<String> = create(&object)
            .iter()
            .map(|e| e.field.to_string().replace("spec.scopeSelector.matchExpressions", ""))
            .collect();
        assert_eq!(fields, [".operator", ".values", ".values", ".scopeName", ".operator"]);
    }

    #[test]
    fn scopes_stay_in_any_order() {
        let of = |scopes: &[&str]| json!({"spec": {"scopes": scopes}});
        let old = of(&["BestEffort", "Terminating"]);
        assert!(update(&of(&["Terminating", "BestEffort"]), &old).is_empty());
        assert_eq!(update(&of(&["Terminating"]), &old).len(), 1);
        let object = json!({"status": {"used": {"pods": "-1", "odd": "1"}}});
        assert_eq!(status(&object, &Value::Null).len(), 3);
    }
}
