//! Events: the core group's form and that of `events.k8s.io`.

use serde_json::{Map, Value, json};

/// Fields that the two forms name differently: (core, `events.k8s.io`).
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Fields that the core form always writes, and what with.
fn always_in_core() -> [(&'static str, Value); 7] {
    [
        ("involvedObject", json!({})),
        ("source", json!({})),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("eventTime", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
    ]
}

/// Fields that the form of `events.k8s.io` always writes, and what with.
fn always_in_group() -> [(&'static str, Value); 5] {
    [
        ("eventTime", Value::Null),
        ("regarding", json!({})),
        ("deprecatedSource", json!({})),
        ("deprecatedFirstTimestamp", Value::Null),
        ("deprecatedLastTimestamp", Value::Null),
    ]
}

/// Core `v1` to `events.k8s.io/v1`.
pub(super) fn from_core(event: &mut Value) {
    let Some(fields) = event.as_object_mut() else { return };
    rename(fields, |key| NAMES.iter().find(|(core, _)| *core == key).map(|(_, group)| *group));
    for field in ["reportingController", "reportingInstance"] {
        if fields.get(field).and_then(Value::as_str) == Some("") {
            fields.shift_remove(field);
        }
    }
    finish(fields, "events.k8s.io/v1", &always_in_group());
}

/// `events.k8s.io/v1` to core `v1`.
pub(super) fn to_core(event: &mut Value) {
    let Some(fields) = event.as_object_mut() else { return };
    rename(fields, |key| NAMES.iter().find(|(_, group)| *group == key).map(|(core, _)| *core));
    finish(fields, "v1", &always_in_core());
}

fn finish(fields: &mut Map<String, Value>, api_version: &str, always: &[(&str, Value)]) {
    fields.insert("apiVersion".to_owned(), json!(api_version));
    for (field, empty) in always {
        if fields.get(*field).is_none_or(Value::is_null) {
            fields.insert((*field).to_owned(), empty.clone());
        }
    }
}

/// Renames keys in place, so that `kind` and `apiVersion` stay in front.
fn rename(fields: &mut Map<String, Value>, to: impl Fn(&str) -> Option<&'static str>) {
    let old = std::mem::take(fields);
    fields.extend(old.into_iter().map(|(key, value)| match to(&key) {
        Some(name) => (name.to_owned(), value),
        None => (key, value),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let core = json!({
            "kind": "Event", "apiVersion": "v1", "metadata": {"name": "a"},
            "involvedObject": {"kind": "Pod"}, "reason": "R", "message": "m",
            "source": {"component": "c"}, "firstTimestamp": null, "lastTimestamp": null, "count": 2,
            "eventTime": null, "reportingComponent": "", "reportingInstance": "",
        });
        let mut event = core.clone();
        from_core(&mut event);
        assert_eq!(event["regarding"]["kind"], "Pod");
        assert_eq!(event["note"], "m");
        assert_eq!(event["deprecatedCount"], 2);
        assert_eq!(event.get("reportingController"), None);
        to_core(&mut event);
        assert_eq!(event, core);
    }
}
