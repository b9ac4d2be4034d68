//! Autoscalers, in both versions.

use super::cell::{number, plain};
use super::{AGE, NAME, column, field};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, conversion};
use k8s_openapi::api::autoscaling::{v1, v2};
use serde_json::Value;
use std::borrow::Cow;

const METRICS_MAX: usize = 2;

/// The `Scale` of a workload.
pub const SCALE: &[Column] = &[
    NAME.format(""),
    column("Desired", field::<v1::ScaleSpec>("replicas"), |o, _| number(o, "spec.replicas").into())
        .of("integer"),
    column("Available", field::<v1::ScaleStatus>("replicas"), |o, _| {
        number(o, "status.replicas").into()
    })
    .of("integer"),
    AGE,
];

/// Autoscalers.
pub const AUTOSCALER: &[Column] = &[
    NAME,
    column("Reference", field::<v2::HorizontalPodAutoscalerSpec>("scaleTargetRef"), |o, _| {
        let target = &o["spec"]["scaleTargetRef"];
        format!("{}/{}", text(target, "kind"), text(target, "name")).into()
    }),
    column("Targets", field::<v2::HorizontalPodAutoscalerSpec>("metrics"), |o, _| targets(o)),
    column("MinPods", field::<v2::HorizontalPodAutoscalerSpec>("minReplicas"), |o, _| {
        match at(o, "spec.minReplicas") {
            Some(minimum) => plain(minimum).into(),
            None => "<unset>".into(),
        }
    }),
    column("MaxPods", field::<v2::HorizontalPodAutoscalerSpec>("maxReplicas"), |o, _| {
        number(o, "spec.maxReplicas").into()
    }),
    column("Replicas", field::<v2::HorizontalPodAutoscalerStatus>("currentReplicas"), |o, _| {
        number(o, "status.currentReplicas").into()
    }),
    AGE,
];

fn targets(object: &Value) -> Value {
    let object = as_v2(object);
    let specs = list(&object, "spec.metrics");
    if specs.is_empty() {
        return "<none>".into();
    }
    let statuses = list(&object, "status.currentMetrics");
    let shown: Vec<String> =
        specs.iter().enumerate().map(|(n, spec)| metric(spec, statuses.get(n))).collect();
    super::cell::with_more(&shown, METRICS_MAX, ", ").into()
}

fn as_v2(object: &Value) -> Cow<'_, Value> {
    if text(object, "apiVersion") != "autoscaling/v1" {
        return Cow::Borrowed(object);
    }
    let mut converted = object.clone();
    (conversion::AUTOSCALER_V1.to)(&mut converted);
    Cow::Owned(converted)
}

/// `current/target` of one metric.
fn metric(spec: &Value, status: Option<&Value>) -> String {
    let kind = text(spec, "type");
    let source = match kind {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let target = &spec[source]["target"];
    let current = |field: &str| {
        let found = status.and_then(|s| at(&s[source]["current"], field));
        found.map_or_else(|| "<unknown>".to_owned(), plain)
    };
    let average = at(target, "averageValue");
    let shown = match (kind, average) {
        ("Resource" | "ContainerResource", None) => {
            let percent =
                |text: String| if text == "<unknown>" { text } else { format!("{text}%") };
            let wanted = at(target, "averageUtilization");
            let wanted = wanted.map_or_else(|| "<auto>".to_owned(), |w| format!("{}%", plain(w)));
            format!("{}/{wanted}", percent(current("averageUtilization")))
        }
        ("Object" | "External", Some(average)) => {
            format!("{}/{} (avg)", current("averageValue"), plain(average))
        }
        (_, Some(average)) => format!("{}/{}", current("averageValue"), plain(average)),
        (_, None) => format!("{}/{}", current("value"), plain(&target["value"])),
    };
    match kind {
        "Resource" | "ContainerResource" => format!("{}: {shown}", text(&spec[source], "name")),
        _ => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RowContext;
    use serde_json::json;

    #[test]
    fn a_v1_autoscaler_has_a_cpu_target() {
        let object =
            json!({"apiVersion": "autoscaling/v1", "spec": {"targetCPUUtilizationPercentage": 60}});
        let cell = AUTOSCALER[2].cell;
        assert_eq!(cell(&object, &RowContext { now_ms: 0 }), "cpu: <unknown>/60%");
    }
}
