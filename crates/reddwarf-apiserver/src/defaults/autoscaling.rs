//! Defaults of autoscalers.

use super::fill::{at, fill, fill_empty, list, put, within};
use crate::registry::conversion::drop_autoscaler_annotations;
use serde_json::{Value, json};

/// Metrics of v1 that are not about the CPU stand in this annotation.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

/// A v1 autoscaler.
pub fn v1(object: &mut Value) {
    fill(object, "spec.minReplicas", 1);
    let annotations = at(object, "metadata.annotations");
    if annotations.is_none_or(|a| a.get(METRICS).is_none()) {
        fill(object, "spec.targetCPUUtilizationPercentage", 80);
    }
}

/// A v2 autoscaler.
pub fn v2(object: &mut Value) {
    drop_autoscaler_annotations(object);
    fill(object, "spec.minReplicas", 1);
    if list(object, "spec.metrics").is_empty() {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        let cpu = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        put(object, "spec.metrics", cpu);
    }
    within(object, "spec.behavior", |behavior| {
        let up = json!([
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]);
        rules(behavior, "scaleUp", up);
        fill(behavior, "scaleUp.stabilizationWindowSeconds", 0);
        rules(
            behavior,
            "scaleDown",
            json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]),
        );
    });
}

fn rules(behavior: &mut Value, direction: &str, policies: Value) {
    fill(behavior, direction, json!({}));
    within(behavior, direction, |rules| {
        fill_empty(rules, "selectPolicy", "Max");
        fill(rules, "policies", policies);
    });
}
