//! The metrics of an autoscaler and their targets.

use super::{VersionRule, reference};
use crate::validation::read::{has, int, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check as common, names};
use reddwarf_core::quantity::Quantity;
use serde_json::Value;

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
/// The sources in the order in which upstream looks at them: type and field.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const TARGETS: [&str; 3] = ["Utilization", "Value", "AverageValue"];

/// Checks one metric.
pub(super) fn check(metric: &Value, at: &FieldPath, described: VersionRule) -> ErrorList {
    let kind = text(metric, "type");
    let unknown = || FieldError::not_supported(at.child("type"), kind, &TYPES);
    let mut errors = ErrorList::new();
    if kind.is_empty() {
        errors.push(FieldError::required(at.child("type"), "must specify a metric source type"));
    }
    if !TYPES.contains(&kind) {
        errors.push(unknown());
    }
    let present: Vec<&str> =
        SOURCES.iter().map(|(_, field)| *field).filter(|field| has(metric, field)).collect();
    if let Some(first) = present.first() {
        errors.extend(source(first, &metric[*first], &at.child(first), described));
    }
    let expected = SOURCES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    match expected {
        Some(field) if !present.contains(&field) => {
            let detail = "must populate information for the given metric source";
            errors.push(FieldError::required(at.child(field), detail));
        }
        Some(_) => {}
        // Upstream says it a second time.
        None => errors.push(unknown()),
    }
    if present.len() != 1 {
        let others = present.iter().filter(|field| Some(**field) != expected);
        errors.extend(others.map(|field| {
            FieldError::forbidden(at.child(field), "must populate the given metric source only")
        }));
    }
    errors
}

fn source(field: &str, source: &Value, at: &FieldPath, described: VersionRule) -> ErrorList {
    let mut errors = ErrorList::new();
    match field {
        "object" => {
            let object = at.child("describedObject");
            errors.extend(reference(&source["describedObject"], &object, described));
            errors.extend(identifier(source, at));
        }
        "external" | "pods" => errors.extend(identifier(source, at)),
        "resource" => errors.extend(resource(source, at)),
        _ => errors.extend(container_resource(source, at)),
    }
    errors.extend(target(&source["target"], &at.child("target")));
    errors.extend(chosen(field, &source["target"], &at.child("target")));
    errors
}

fn identifier(source: &Value, at: &FieldPath) -> ErrorList {
    let (name, at) = (text(&source["metric"], "name"), at.child("metric").child("name"));
    if name.is_empty() {
        return vec![FieldError::required(at, "must specify a metric name")];
    }
    common::named(names::path_segment, name, &at)
}

fn resource(source: &Value, at: &FieldPath) -> Option<FieldError> {
    let unnamed = text(source, "name").is_empty();
    unnamed.then(|| FieldError::required(at.child("name"), "must specify a resource name"))
}

fn container_resource(source: &Value, at: &FieldPath) -> ErrorList {
    let (name, container) = (text(source, "name"), text(source, "container"));
    let mut errors: ErrorList = match name {
        "" => resource(source, at).into_iter().collect(),
        _ => resource_name(name, &at.child("name")),
    };
    let at = at.child("container");
    match container {
        "" => errors.push(FieldError::required(at, "must specify a container")),
        _ => errors.extend(common::named(names::label, container, &at)),
    }
    errors
}

/// The name of a resource that a container can ask for.
fn resource_name(name: &str, at: &FieldPath) -> ErrorList {
    let mut errors = common::named(names::qualified_name, name, at);
    if !errors.is_empty() || name.contains('/') {
        return errors;
    }
    let of_containers =
        ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-");
    let of_quotas = ["storage", "requests.", "limits.", "pods", "services"];
    if !of_containers && !of_quotas.iter().any(|known| name.starts_with(known)) {
        let detail = "must be a standard resource type or fully qualified";
        errors.push(FieldError::invalid(at.clone(), name, detail));
    }
    if !of_containers {
        let detail = "must be a standard resource for containers";
        errors.push(FieldError::invalid(at.clone(), name, detail));
    }
    errors
}

/// What holds of the target of any source.
fn target(target: &Value, at: &FieldPath) -> ErrorList {
    let kind = text(target, "type");
    let mut errors = ErrorList::new();
    if kind.is_empty() {
        errors.push(FieldError::required(at.child("type"), "must specify a metric target type"));
    }
    if !TARGETS.contains(&kind) {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(at.child("type"), kind, detail));
    }
    for field in ["value", "averageValue"] {
        let value = text(target, field);
        let nothing = Quantity::parse(value).is_ok_and(|q| q.is_negative() || q.is_zero());
        if nothing {
            errors.push(FieldError::invalid(at.child(field), value, "must be positive"));
        }
    }
    if let Some(share) = int(target, "averageUtilization").filter(|share| *share < 1) {
        let at = at.child("averageUtilization");
        errors.push(FieldError::invalid(at, share, "must be greater than 0"));
    }
    errors
}

/// Which of the target's values the source takes.
fn chosen(field: &str, target: &Value, at: &FieldPath) -> Option<FieldError> {
    let (value, average) = (has(target, "value"), has(target, "averageValue"));
    let share = has(target, "averageUtilization");
    let required = |field, detail: &str| Some(FieldError::required(at.child(field), detail));
    match field {
        "object" if !value && !average => {
            required("averageValue", "must set either a target value or averageValue")
        }
        "external" if !value && !average => required(
            "averageValue",
            "must set either a target value for metric or a per-pod target",
        ),
        "external" if value && average => {
            let detail = "may not set both a target value for metric and a per-pod target";
            Some(FieldError::forbidden(at.child("value"), detail))
        }
        "pods" if !average => {
            required("averageValue", "must specify a positive target averageValue")
        }
        "resource" | "containerResource" if !share && !average => required(
            "averageUtilization",
            "must set either a target raw value or a target utilization",
        ),
        "resource" | "containerResource" if share && average => {
            let detail = "may not set both a target raw value and a target utilization";
            Some(FieldError::forbidden(at.child("averageValue"), detail))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(metric: &Value) -> Vec<String> {
        let errors = check(metric, &FieldPath::new("m"), VersionRule::WellFormed);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn sources() {
        let value = json!({"type": "AverageValue", "averageValue": "1"});
        let pods = json!({"metric": {"name": "rps"}, "target": value});
        assert!(shown(&json!({"type": "Pods", "pods": pods})).is_empty());
        assert_eq!(
            shown(&json!({"type": "External", "pods": pods})),
            ["m.external: Required value: must populate information for the given metric source"]
        );
        assert_eq!(
            shown(&json!({"type": "Pods", "pods": pods, "external": pods})),
            ["m.external: Forbidden: must populate the given metric source only"]
        );
        assert_eq!(shown(&json!({"type": "Odd"})).len(), 2);
        assert_eq!(shown(&json!({})).len(), 3);
    }

    #[test]
    fn targets() {
        let resource = |target: Value| json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
        assert_eq!(
            shown(&resource(json!({"type": "Odd", "averageValue": "0"}))),
            [
                "m.resource.target.type: Invalid value: \"Odd\": must be either Utilization, Value, or AverageValue",
                "m.resource.target.averageValue: Invalid value: \"0\": must be positive",
            ]
        );
        let both = json!({"type": "Utilization", "averageUtilization": 5, "averageValue": "1"});
        assert_eq!(
            shown(&resource(both)),
            [
                "m.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"
            ]
        );
    }

    #[test]
    fn containers() {
        let of = |name: &str, container: &str| {
            let target = json!({"type": "Utilization", "averageUtilization": 5});
            let source = json!({"name": name, "container": container, "target": target});
            shown(&json!({"type": "ContainerResource", "containerResource": source}))
        };
        assert!(of("cpu", "c").is_empty() && of("example.com/gpu", "c").is_empty());
        assert_eq!(of("odd", "A").len(), 3);
        assert_eq!(of("", "").len(), 2);
    }
}
