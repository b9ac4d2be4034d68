//! The metrics of autoscalers in v1 and v2, where they are to be and where they are.

use serde_json::{Map, Value, json};

/// A metric of the specification has targets, one of the status current values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What is to be.
    Target,
    /// What is.
    Current,
}

impl Part {
    /// The field of a source in v2 that holds the values.
    fn field(self) -> &'static str {
        match self {
            Part::Target => "target",
            Part::Current => "current",
        }
    }

    /// A field of v1, as `targetValue` or `currentValue`.
    fn value(self, name: &str) -> String {
        match name {
            // The only one that v1 does not tell apart.
            "averageValue" => name.to_owned(),
            _ => format!("{}{name}", self.field()),
        }
    }
}

/// Where a value stands in a source of v2.
#[derive(Clone, Copy)]
enum At {
    /// In the source.
    Source(&'static str),
    /// In its `metric`.
    Metric(&'static str),
    /// Among the values.
    Value(&'static str),
}

/// A field of a source: its name in v1 (without `target` or `current` for a value) and its place
/// in v2, in the order of v1.
type Fields = &'static [(&'static str, At)];

const SOURCES: [(&str, Fields); 5] = [
    (
        "object",
        &[
            ("target", At::Source("describedObject")),
            ("metricName", At::Metric("name")),
            ("Value", At::Value("value")),
            ("selector", At::Metric("selector")),
            ("averageValue", At::Value("averageValue")),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", At::Metric("name")),
            ("AverageValue", At::Value("averageValue")),
            ("selector", At::Metric("selector")),
        ],
    ),
    (
        "resource",
        &[
            ("name", At::Source("name")),
            ("AverageUtilization", At::Value("averageUtilization")),
            ("AverageValue", At::Value("averageValue")),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", At::Source("name")),
            ("AverageUtilization", At::Value("averageUtilization")),
            ("AverageValue", At::Value("averageValue")),
            ("container", At::Source("container")),
        ],
    ),
    (
        "external",
        &[
            ("metricName", At::Metric("name")),
            ("metricSelector", At::Metric("selector")),
            ("Value", At::Value("value")),
            ("AverageValue", At::Value("averageValue")),
        ],
    ),
];

/// The name of a field in v1.
fn in_v1(name: &str, at: At, part: Part) -> String {
    match at {
        At::Value(_) => part.value(name),
        _ => name.to_owned(),
    }
}

/// Whether a metric is the one that v1 has fields for.
pub(super) fn is_cpu(metric: &Value, part: Part) -> bool {
    let resource = &metric["resource"];
    metric["type"] == "Resource"
        && resource["name"] == "cpu"
        && !resource[part.field()]["averageUtilization"].is_null()
}

/// The CPU's metric with these values.
pub(super) fn cpu(part: Part, values: Value) -> Value {
    let mut metric = json!({"type": "Resource", "resource": {"name": "cpu"}});
    metric["resource"][part.field()] = values;
    metric
}

/// A metric in the form of v1.
pub(super) fn to_v1(metric: &Value, part: Part) -> Value {
    let mut out = json!({"type": metric["type"]});
    for (source, fields) in SOURCES {
        let Some(from) = metric.get(source).filter(|from| from.is_object()) else { continue };
        let found = |at: At| match at {
            At::Source("describedObject") => from.get("describedObject").map(reference),
            At::Source(field) => from.get(field).cloned(),
            At::Metric(field) => from["metric"].get(field).cloned(),
            At::Value(field) => from[part.field()].get(field).cloned(),
        };
        let to: Map<String, Value> = fields
            .iter()
            .filter_map(|(name, at)| {
                let value = found(*at).filter(|value| !value.is_null());
                let value = value.or_else(|| always(source, name));
                Some((in_v1(name, *at, part), value?))
            })
            .collect();
        out[source] = to.into();
    }
    out
}

/// The value of a field that v1 never leaves out.
fn always(source: &str, name: &str) -> Option<Value> {
    let zero = [("object", "Value"), ("pods", "AverageValue")].contains(&(source, name));
    zero.then(|| json!("0"))
}

/// A reference with its fields in the order of its type.
fn reference(reference: &Value) -> Value {
    let fields = ["kind", "name", "apiVersion"].iter();
    let given = fields.filter_map(|field| Some((*field, reference.get(*field)?)));
    given.map(|(field, value)| (field.to_owned(), value.clone())).collect()
}

/// A metric in the form of v2.
pub(super) fn to_v2(metric: &Value, part: Part) -> Value {
    let mut out = json!({"type": metric["type"]});
    for (source, fields) in SOURCES {
        let Some(from) = metric.get(source).filter(|from| from.is_object()) else { continue };
        let mut to = Map::new();
        let (mut identifier, mut values) = (Map::new(), Map::new());
        for (name, at) in fields {
            let Some(value) = from.get(in_v1(name, *at, part)).cloned() else { continue };
            let (map, field) = match at {
                At::Source(field) => (&mut to, field),
                At::Metric(field) => (&mut identifier, field),
                At::Value(field) => (&mut values, field),
            };
            map.insert((*field).to_owned(), value);
        }
        if source == "object" && values.contains_key("averageValue") {
            values.retain(|name, value| name != "value" || *value != "0");
        }
        if part == Part::Target {
            values.insert("type".to_owned(), target_type(source, &values).into());
        }
        to.insert(part.field().to_owned(), values.into());
        if !identifier.is_empty() {
            to.insert("metric".to_owned(), identifier.into());
        }
        out[source] = to.into();
    }
    out
}

/// What v1 does not say of a target.
fn target_type(source: &str, values: &Map<String, Value>) -> &'static str {
    let has = |name: &str| values.contains_key(name);
    match source {
        "pods" => "AverageValue",
        "resource" | "containerResource" if has("averageUtilization") => "Utilization",
        "resource" | "containerResource" => "AverageValue",
        _ if has("averageValue") => "AverageValue",
        _ => "Value",
    }
}
