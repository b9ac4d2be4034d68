//! Autoscalers: v1 knows one CPU target and carries everything else in annotations.

use crate::defaults::fill::{entries, put, remove};
use serde_json::{Map, Value, json};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// v2 to v1.
pub(super) fn v2_to_v1(object: &mut Value) {
    put(object, "apiVersion", "autoscaling/v1");
    let metrics = take_list(object, "spec.metrics");
    let (cpu, others): (Vec<_>, Vec<_>) = metrics.into_iter().partition(is_cpu_utilization);
    if let Some(target) = cpu.first().map(|m| m["resource"]["target"]["averageUtilization"].clone())
    {
        put(object, "spec.targetCPUUtilizationPercentage", target);
    }
    annotate(object, METRICS, others.iter().map(metric_to_v1).collect());
    let behavior = take(object, "spec.behavior");
    if let Some(behavior) = behavior {
        annotation(object, BEHAVIOR, behavior.to_string());
    }
    status_to_v1(object);
}

fn status_to_v1(object: &mut Value) {
    if !object["status"].is_object() {
        return;
    }
    let metrics = take_list(object, "status.currentMetrics");
    let (cpu, others): (Vec<_>, Vec<_>) = metrics.into_iter().partition(is_cpu_current);
    if let Some(current) = cpu.first() {
        object["status"]["currentCPUUtilizationPercentage"] =
            current["resource"]["current"]["averageUtilization"].clone();
    }
    annotate(object, CURRENT_METRICS, others);
    let conditions = take_list(object, "status.conditions");
    annotate(object, CONDITIONS, conditions);
    for field in ["currentReplicas", "desiredReplicas"] {
        if object["status"].get(field).is_none() {
            object["status"][field] = json!(0);
        }
    }
}

/// v1 to v2.
pub(super) fn v1_to_v2(object: &mut Value) {
    put(object, "apiVersion", "autoscaling/v2");
    let mut metrics: Vec<Value> = parsed(object, METRICS).iter().map(metric_to_v2).collect();
    if let Some(target) = take(object, "spec.targetCPUUtilizationPercentage") {
        let cpu = json!({
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
        });
        metrics.insert(0, cpu);
    }
    if !metrics.is_empty() {
        put(object, "spec.metrics", metrics);
    }
    let behavior = take_annotation(object, BEHAVIOR);
    if let Some(behavior) = behavior.and_then(|text| serde_json::from_str(&text).ok()) {
        let behavior: Value = behavior;
        put(object, "spec.behavior", behavior);
    }
    status_to_v2(object);
}

fn status_to_v2(object: &mut Value) {
    let conditions = parsed(object, CONDITIONS);
    let mut current = parsed(object, CURRENT_METRICS);
    if !object["status"].is_object() {
        return;
    }
    if let Some(cpu) = take(object, "status.currentCPUUtilizationPercentage") {
        let metric = json!({
            "type": "Resource",
            "resource": {"name": "cpu", "current": {"averageUtilization": cpu}},
        });
        current.insert(0, metric);
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

fn is_cpu_utilization(metric: &Value) -> bool {
    metric["resource"]["name"] == "cpu"
        && !metric["resource"]["target"]["averageUtilization"].is_null()
}

fn is_cpu_current(metric: &Value) -> bool {
    metric["resource"]["name"] == "cpu"
        && !metric["resource"]["current"]["averageUtilization"].is_null()
}

/// Where the two versions keep the parts of a metric: source, then (v2 path, v1 field).
const PARTS: [(&str, &[(&str, &str)]); 5] = [
    (
        "resource",
        &[
            ("/name", "name"),
            ("/target/averageUtilization", "targetAverageUtilization"),
            ("/target/averageValue", "targetAverageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("/name", "name"),
            ("/target/averageUtilization", "targetAverageUtilization"),
            ("/target/averageValue", "targetAverageValue"),
            ("/container", "container"),
        ],
    ),
    (
        "pods",
        &[
            ("/metric/name", "metricName"),
            ("/target/averageValue", "targetAverageValue"),
            ("/metric/selector", "selector"),
        ],
    ),
    (
        "object",
        &[
            ("/describedObject", "target"),
            ("/metric/name", "metricName"),
            ("/target/value", "targetValue"),
            ("/metric/selector", "selector"),
            ("/target/averageValue", "averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("/metric/name", "metricName"),
            ("/metric/selector", "metricSelector"),
            ("/target/value", "targetValue"),
            ("/target/averageValue", "targetAverageValue"),
        ],
    ),
];

fn metric_to_v1(metric: &Value) -> Value {
    let mut out = json!({"type": metric["type"]});
    for (source, parts) in PARTS {
        let Some(from) = metric.get(source) else { continue };
        let to: Map<String, Value> = parts
            .iter()
            .filter_map(|(v2, v1)| Some(((*v1).to_owned(), from.pointer(v2)?.clone())))
            .collect();
        out[source] = to.into();
    }
    out
}

fn metric_to_v2(metric: &Value) -> Value {
    let mut out = json!({"type": metric["type"]});
    for (source, parts) in PARTS {
        let Some(from) = metric.get(source) else { continue };
        out[source] = json!({});
        for (v2, v1) in parts {
            let Some(value) = from.get(*v1) else { continue };
            let mut at = &mut out[source];
            for part in v2.split('/').skip(1) {
                at = &mut at[part];
            }
            *at = value.clone();
        }
        let target = &mut out[source]["target"];
        let kind = match () {
            () if !target["averageUtilization"].is_null() => "Utilization",
            () if !target["averageValue"].is_null() => "AverageValue",
            () => "Value",
        };
        // Looking a field up left a null where there was none.
        if let Some(fields) = target.as_object_mut() {
            fields.retain(|_, v| !v.is_null());
        }
        target["type"] = json!(kind);
    }
    out
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
                {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 60, "type": "Utilization"}}},
                {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "1k", "type": "AverageValue"}}},
                {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "i"}, "metric": {"name": "hits"}, "target": {"value": "2k", "type": "Value"}}},
            ]},
            "status": {"currentMetrics": null, "desiredReplicas": 0},
        });
        let mut object = v2.clone();
        v2_to_v1(&mut object);
        assert_eq!(object["spec"]["targetCPUUtilizationPercentage"], 60);
        assert_eq!(object["status"], json!({"currentReplicas": 0, "desiredReplicas": 0}));
        v1_to_v2(&mut object);
        assert_eq!(object, v2);
    }
}
