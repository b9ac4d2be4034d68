//! Autoscalers: v1 knows one CPU target and carries everything else in annotations.

use super::metric::{Part, cpu, is_cpu, to_v1, to_v2};
use crate::defaults::fill::{entries, put, remove};
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// v2 to v1.
pub(super) fn v2_to_v1(object: &mut Value) {
    put(object, "apiVersion", "autoscaling/v1");
    drop_annotations(object);
    let metrics = take_list(object, "spec.metrics");
    let (cpus, others): (Vec<_>, Vec<_>) =
        metrics.into_iter().partition(|metric| is_cpu(metric, Part::Target));
    if let Some(target) =
        cpus.first().map(|m| m["resource"]["target"]["averageUtilization"].clone())
    {
        put(object, "spec.targetCPUUtilizationPercentage", target);
    }
    annotate(object, METRICS, others.iter().map(|metric| to_v1(metric, Part::Target)).collect());
    if let Some(behavior) = take(object, "spec.behavior") {
        annotation(object, BEHAVIOR, internal_behavior(&behavior).to_string());
    }
    status_to_v1(object);
}

fn status_to_v1(object: &mut Value) {
    if !object["status"].is_object() {
        return;
    }
    let metrics = take_list(object, "status.currentMetrics");
    let (cpus, others): (Vec<_>, Vec<_>) =
        metrics.into_iter().partition(|metric| is_cpu(metric, Part::Current));
    if let Some(current) = cpus.first() {
        object["status"]["currentCPUUtilizationPercentage"] =
            current["resource"]["current"]["averageUtilization"].clone();
    }
    let others = others.iter().map(|metric| to_v1(metric, Part::Current)).collect();
    annotate(object, CURRENT_METRICS, others);
    let conditions = take_list(object, "status.conditions");
    annotate(object, CONDITIONS, conditions.iter().map(ordered_condition).collect());
    for field in ["currentReplicas", "desiredReplicas"] {
        if object["status"].get(field).is_none() {
            object["status"][field] = json!(0);
        }
    }
}

/// A condition with its fields in the order of its type.
fn ordered_condition(condition: &Value) -> Value {
    const FIELDS: [&str; 5] = ["type", "status", "lastTransitionTime", "reason", "message"];
    let given = FIELDS.iter().filter_map(|field| Some((*field, condition.get(*field)?)));
    given.map(|(field, value)| (field.to_owned(), value.clone())).collect()
}

/// v1 to v2. The CPU's target comes last, after the metrics of the annotation.
pub(super) fn v1_to_v2(object: &mut Value) {
    put(object, "apiVersion", "autoscaling/v2");
    let mut metrics: Vec<Value> =
        parsed(object, METRICS).iter().map(|metric| to_v2(metric, Part::Target)).collect();
    if let Some(target) = take(object, "spec.targetCPUUtilizationPercentage") {
        metrics
            .push(cpu(Part::Target, json!({"type": "Utilization", "averageUtilization": target})));
    }
    if !metrics.is_empty() {
        put(object, "spec.metrics", metrics);
    }
    let behavior = take_annotation(object, BEHAVIOR);
    if let Some(behavior) = behavior.and_then(|text| serde_json::from_str::<Value>(&text).ok()) {
        put(object, "spec.behavior", served_behavior(&behavior));
    }
    status_to_v2(object);
}

fn status_to_v2(object: &mut Value) {
    let conditions = parsed(object, CONDITIONS);
    let mut current: Vec<Value> =
        parsed(object, CURRENT_METRICS).iter().map(|m| to_v2(m, Part::Current)).collect();
    if !object["status"].is_object() {
        return;
    }
    if let Some(share) = take(object, "status.currentCPUUtilizationPercentage") {
        current.push(cpu(Part::Current, json!({ "averageUtilization": share })));
    }
    if !conditions.is_empty() {
        object["status"]["conditions"] = conditions.into();
    }
    object["status"]["currentMetrics"] =
        if current.is_empty() { Value::Null } else { current.into() };
    if object["status"]["currentReplicas"] == 0
        && let Some(status) = object["status"].as_object_mut()
    {
        status.shift_remove("currentReplicas");
    }
}

/// Takes away what another version carries in annotations.
pub fn drop_annotations(object: &mut Value) {
    for name in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
        take_annotation(object, name);
    }
}

const RULES: [&str; 4] = ["stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance"];
const POLICY: [&str; 3] = ["type", "value", "periodSeconds"];

/// Upstream writes this annotation from its internal types, whose fields begin upper case and
/// are never left out.
fn internal_behavior(behavior: &Value) -> Value {
    let fields = |of: &Value, names: &[&str]| -> Map<String, Value> {
        let value = |name: &str| of.get(name).cloned().unwrap_or_default();
        names.iter().map(|name| (upper(name), value(name))).collect()
    };
    let rules = |rules: &Value| {
        let mut out = fields(rules, &RULES);
        if let Some(policies) = rules["policies"].as_array() {
            let policies = policies.iter().map(|p| Value::from(fields(p, &POLICY)));
            out.insert("Policies".to_owned(), policies.collect());
        }
        Value::from(out)
    };
    let of = |direction: &str| behavior.get(direction).map(rules).unwrap_or_default();
    json!({"ScaleUp": of("scaleUp"), "ScaleDown": of("scaleDown")})
}

/// The way back, whatever case the keys begin with; what is null is left out.
fn served_behavior(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (lower(key), served_behavior(value)))
            .collect(),
        Value::Array(items) => items.iter().map(served_behavior).collect(),
        other => other.clone(),
    }
}

fn upper(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn lower(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

fn take(object: &mut Value, path: &str) -> Option<Value> {
    remove(object, path).filter(|v| !v.is_null())
}

fn take_list(object: &mut Value, path: &str) -> Vec<Value> {
    match take(object, path) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn annotate(object: &mut Value, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        annotation(object, name, Value::from(items).to_string());
    }
}

fn annotation(object: &mut Value, name: &str, text: String) {
    if let Some(annotations) = entries(object, "metadata.annotations") {
        annotations.insert(name.to_owned(), text.into());
    }
}

fn take_annotation(object: &mut Value, name: &str) -> Option<String> {
    let annotations = object.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()?;
    let text = annotations.shift_remove(name)?.as_str()?.to_owned();
    if annotations.is_empty() {
        object["metadata"].as_object_mut()?.shift_remove("annotations");
    }
    Some(text)
}

/// The list in an annotation, which is removed; empty when there is none that parses.
fn parsed(object: &mut Value, name: &str) -> Vec<Value> {
    let text = take_annotation(object, name);
    text.and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let v2 = json!({
            "apiVersion": "autoscaling/v2", "metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
                {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "i"}, "target": {"type": "Value", "value": "2k"}, "metric": {"name": "hits"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
            ], "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60, "policies": [
                {"type": "Percent", "value": 10, "periodSeconds": 60}]}}},
            "status": {"currentMetrics": null, "desiredReplicas": 0},
        });
        let mut object = v2.clone();
        v2_to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 60);
        assert_eq!(object["status"], json!({"currentReplicas": 0, "desiredReplicas": 0}));
        assert_eq!(
            object["metadata"]["annotations"][BEHAVIOR],
            "{\"ScaleUp\":null,\"ScaleDown\":{\"StabilizationWindowSeconds\":60,\"SelectPolicy\":null,\"Policies\":[{\"Type\":\"Percent\",\"Value\":10,\"PeriodSeconds\":60}],\"Tolerance\":null}}"
        );
        v1_to_v2(&mut object);
        assert_eq!(object, v2);
    }

    #[test]
    fn a_status() {
        let v2 = json!({
            "apiVersion": "autoscaling/v2", "metadata": {"name": "a"}, "spec": {},
            "status": {"desiredReplicas": 2, "currentReplicas": 1, "currentMetrics": [
                {"type": "Pods", "pods": {"metric": {"name": "rps"}, "current": {"averageValue": "1k"}}},
                {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5, "averageValue": "0"}}},
            ], "conditions": [{"type": "AbleToScale", "status": "True", "reason": "r"}]},
        });
        let mut object = v2.clone();
        v2_to_v1(&mut object);
        assert_eq!(object["status"]["currentCPUUtilizationPercentage"], 5);
        assert_eq!(
            object["metadata"]["annotations"][CURRENT_METRICS],
            "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"rps\",\"currentAverageValue\":\"1k\"}}]"
        );
        v1_to_v2(&mut object);
        assert_eq!(object["status"]["conditions"], v2["status"]["conditions"]);
        assert_eq!(object["status"]["currentMetrics"][0], v2["status"]["currentMetrics"][0]);
    }
}
