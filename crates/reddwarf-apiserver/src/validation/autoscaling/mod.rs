//! Horizontal pod autoscalers. Both served versions are checked in the form of v2, as upstream
//! checks its internal one, so that an error of a v1 object names a field of v2.

mod metric;

use super::read::{has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use crate::registry::conversion;
use reddwarf_core::quantity::Quantity;
use serde_json::Value;
use std::borrow::Cow;

const PERIOD_SECONDS_MAX: i64 = 1_800;
const WINDOW_SECONDS_MAX: i64 = 3_600;
const SELECT_POLICIES: [&str; 3] = ["Disabled", "Max", "Min"];
const POLICY_TYPES: [&str; 2] = ["Percent", "Pods"];

/// What an update tolerates because the stored object has it already.
#[derive(Clone, Copy)]
struct Tolerated {
    replicas_min: i64,
    /// Of the target: any `apiVersion`, or one of the core group.
    target: VersionRule,
    /// Of the objects that metrics describe.
    described: VersionRule,
}

/// Which `apiVersion` a reference may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VersionRule {
    Any,
    WellFormed,
    WithGroup,
}

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// The object in the form of v2.
fn as_v2(object: &Value) -> Cow<'_, Value> {
    if text(object, "apiVersion") != "autoscaling/v1" {
        return Cow::Borrowed(object);
    }
    let mut object = object.clone();
    (conversion::AUTOSCALER_V1.to)(&mut object);
    Cow::Owned(object)
}

/// Checks a new autoscaler.
pub fn create(object: &Value) -> ErrorList {
    let object = as_v2(object);
    spec(&object["spec"], tolerated(&object["spec"], None))
}

/// Checks an update.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let (new, old) = (as_v2(new), as_v2(old));
    spec(&new["spec"], tolerated(&new["spec"], Some(&old["spec"])))
}

/// Checks an update of the status.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let at = FieldPath::new("status");
    let counts = ["currentReplicas", "desiredReplicas"];
    counts.iter().filter_map(|field| check::not_negative(&new["status"], field, &at)).collect()
}

fn tolerated(new: &Value, old: Option<&Value>) -> Tolerated {
    let target = &new["scaleTargetRef"];
    let is_kept = |old: &Value| {
        let before = &old["scaleTargetRef"];
        ["apiVersion", "kind"].iter().all(|field| text(before, field) == text(target, field))
    };
    let was_malformed = |old: &Value| {
        items(old, "metrics").iter().any(|metric| {
            let version = text(&metric["object"]["describedObject"], "apiVersion");
            text(metric, "type") == "Object"
                && version_error(version, VersionRule::WellFormed).is_some()
        })
    };
    Tolerated {
        replicas_min: i64::from(old.and_then(|old| int(old, "minReplicas")) != Some(0)),
        target: match () {
            () if old.is_some_and(is_kept) => VersionRule::Any,
            // The only kind of the core group that scales.
            () if text(target, "kind") == "ReplicationController" => VersionRule::WellFormed,
            () => VersionRule::WithGroup,
        },
        described: match old.is_some_and(was_malformed) {
            true => VersionRule::Any,
            false => VersionRule::WellFormed,
        },
    }
}

fn spec(spec: &Value, tolerated: Tolerated) -> ErrorList {
    let min = int(spec, "minReplicas");
    let max = int(spec, "maxReplicas").unwrap_or_default();
    let mut errors = ErrorList::new();
    if let Some(min) = min.filter(|min| *min < tolerated.replicas_min) {
        let detail = format!("must be greater than or equal to {}", tolerated.replicas_min);
        errors.push(FieldError::invalid(path().child("minReplicas"), min, detail));
    }
    let at = path().child("maxReplicas");
    match max {
        0 => errors.push(FieldError::required(at.clone(), "must be set and greater than 0")),
        ..0 => {
            let detail = "must be greater than or equal to 1";
            errors.push(FieldError::invalid(at.clone(), max, detail));
        }
        _ => {}
    }
    if min.is_some_and(|min| max < min) {
        errors.push(FieldError::invalid(at, max, "must be greater than or equal to `minReplicas`"));
    }
    let target = path().child("scaleTargetRef");
    errors.extend(reference(&spec["scaleTargetRef"], &target, tolerated.target));
    errors.extend(metrics(spec, min, tolerated.described));
    for direction in ["scaleUp", "scaleDown"] {
        if has(&spec["behavior"], direction) {
            let at = path().child("behavior").child(direction);
            errors.extend(scaling_rules(&spec["behavior"][direction], &at));
        }
    }
    errors
}

/// A reference to an object of any version.
fn reference(reference: &Value, at: &FieldPath, rule: VersionRule) -> ErrorList {
    let mut errors = ErrorList::new();
    for field in ["kind", "name"] {
        let value = text(reference, field);
        errors.extend(check::required_name(names::path_segment, value, &at.child(field)));
    }
    let version = text(reference, "apiVersion");
    errors.extend(
        version_error(version, rule)
            .map(|why| FieldError::invalid(at.child("apiVersion"), version, why)),
    );
    errors
}

fn version_error(version: &str, rule: VersionRule) -> Option<String> {
    let slashes = version.matches('/').count();
    match rule {
        VersionRule::Any => None,
        _ if slashes > 1 => Some(format!("unexpected GroupVersion string: {version}")),
        VersionRule::WithGroup if slashes == 0 || version.starts_with('/') => {
            Some("apiVersion must specify API group".to_owned())
        }
        _ => None,
    }
}

fn metrics(spec: &Value, min: Option<i64>, described: VersionRule) -> ErrorList {
    let at = path().child("metrics");
    let metrics = items(spec, "metrics");
    let mut errors: ErrorList = metrics
        .iter()
        .enumerate()
        .flat_map(|(i, metric)| metric::check(metric, &at.index(i), described))
        .collect();
    let wakes = |metric: &Value| ["Object", "External"].contains(&text(metric, "type"));
    if min == Some(0) && !metrics.iter().any(wakes) {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        errors.push(FieldError::forbidden(at, detail));
    }
    errors
}

fn scaling_rules(rules: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let window_at = at.child("stabilizationWindowSeconds");
    match int(rules, "stabilizationWindowSeconds") {
        Some(window) if window < 0 => {
            let detail = "must be greater than or equal to zero";
            errors.push(FieldError::invalid(window_at, window, detail));
        }
        Some(window) if window > WINDOW_SECONDS_MAX => {
            let detail = format!("must be less than or equal to {WINDOW_SECONDS_MAX}");
            errors.push(FieldError::invalid(window_at, window, detail));
        }
        _ => {}
    }
    errors.extend(check::one_of(rules, "selectPolicy", &SELECT_POLICIES, at));
    let list = at.child("policies");
    let policies = items(rules, "policies");
    if policies.is_empty() {
        errors.push(FieldError::required(list.clone(), "must specify at least one Policy"));
    }
    for (i, policy) in policies.iter().enumerate() {
        errors.extend(scaling_policy(policy, &list.index(i)));
    }
    let tolerance = text(rules, "tolerance");
    if Quantity::parse(tolerance).is_ok_and(|q| q.is_negative()) {
        errors.push(FieldError::invalid(at.child("tolerance"), tolerance, super::NEGATIVE));
    }
    errors
}

fn scaling_policy(policy: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let kind = text(policy, "type");
    if !POLICY_TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(at.child("type"), kind, &POLICY_TYPES));
    }
    for field in ["value", "periodSeconds"] {
        let value = int(policy, field).unwrap_or_default();
        if value <= 0 {
            let detail = "must be greater than zero";
            errors.push(FieldError::invalid(at.child(field), value, detail));
        }
        if field == "periodSeconds" && value > PERIOD_SECONDS_MAX {
            let detail = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            errors.push(FieldError::invalid(at.child(field), value, detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    fn autoscaler(spec: Value) -> Value {
        let mut object = json!({"apiVersion": "autoscaling/v2", "spec": spec});
        let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
        if object["spec"]["scaleTargetRef"].is_null() {
            object["spec"]["scaleTargetRef"] = target;
        }
        object
    }

    #[test]
    fn replicas() {
        assert!(create(&autoscaler(json!({"minReplicas": 1, "maxReplicas": 1}))).is_empty());
        assert_eq!(
            shown(&create(&autoscaler(json!({"minReplicas": 5})))),
            [
                "spec.maxReplicas: Required value: must be set and greater than 0",
                "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
            ]
        );
        let zero = autoscaler(json!({"minReplicas": 0, "maxReplicas": 1}));
        assert_eq!(create(&zero).len(), 2);
        assert_eq!(
            shown(&update(&zero, &zero)),
            [
                "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"
            ]
        );
    }

    #[test]
    fn the_version_of_the_target() {
        let to = |version: &str, kind: &str| {
            let target = json!({"apiVersion": version, "kind": kind, "name": "x"});
            autoscaler(json!({"maxReplicas": 1, "scaleTargetRef": target}))
        };
        assert_eq!(
            shown(&create(&to("v1", "Deployment"))),
            [
                "spec.scaleTargetRef.apiVersion: Invalid value: \"v1\": apiVersion must specify API group"
            ]
        );
        assert!(create(&to("v1", "ReplicationController")).is_empty());
        assert_eq!(
            create(&to("a/b/c", "ReplicationController"))[0].detail,
            "unexpected GroupVersion string: a/b/c"
        );
        assert!(update(&to("v1", "Deployment"), &to("v1", "Deployment")).is_empty());
        assert_eq!(update(&to("v1", "Deployment"), &to("apps/v1", "Deployment")).len(), 1);
    }

    #[test]
    fn errors_of_v1_name_fields_of_v2() {
        let v1 = json!({"apiVersion": "autoscaling/v1", "spec": {
            "maxReplicas": 3, "targetCPUUtilizationPercentage": 0,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
        assert_eq!(
            shown(&create(&v1)),
            [
                "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"
            ]
        );
    }

    #[test]
    fn behavior() {
        let bad = json!({"stabilizationWindowSeconds": -1, "tolerance": "-100m", "policies": [
            {"type": "Pods", "value": 1, "periodSeconds": 1801}]});
        let object = autoscaler(json!({"maxReplicas": 1, "behavior": {"scaleDown": bad}}));
        assert_eq!(
            shown(&create(&object)),
            [
                "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
                "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
                "spec.behavior.scaleDown.tolerance: Invalid value: \"-100m\": must be greater than or equal to 0",
            ]
        );
    }
}
