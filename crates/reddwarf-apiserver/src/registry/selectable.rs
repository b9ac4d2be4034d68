//! The selectable fields of built-in kinds.

use super::kind::FieldSelectors;
use serde_json::Value;

/// The value at a dotted path as a field selector compares it, `""` when absent.
fn text(object: &Value, path: &str) -> String {
    match path.split('.').try_fold(object, |at, part| at.get(part)) {
        Some(Value::String(s)) => s.clone(),
        Some(Value::Number(n)) => n.to_string(),
        Some(Value::Bool(b)) => b.to_string(),
        _ => String::new(),
    }
}

/// The same for a number, `0` when absent.
fn number(object: &Value, path: &str) -> String {
    or(text(object, path), "0")
}

/// The same for a flag, `false` when absent.
fn flag(object: &Value, path: &str) -> String {
    or(text(object, path), "false")
}

fn or(value: String, default: &str) -> String {
    if value.is_empty() { default.to_owned() } else { value }
}

fn texts(object: &Value, paths: &[&'static str]) -> Vec<(&'static str, String)> {
    paths.iter().map(|path| (*path, text(object, path))).collect()
}

const POD_TEXTS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.nominatedNodeName",
];

/// Pods. The oldest clients say `spec.host` for the node's name.
pub const POD: FieldSelectors = FieldSelectors {
    aliases: &[("spec.host", "spec.nodeName")],
    ..FieldSelectors::new(
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        |pod| {
            let mut fields = texts(pod, POD_TEXTS);
            fields.push(("spec.hostNetwork", flag(pod, "spec.hostNetwork")));
            let first = &pod["status"]["podIPs"][0]["ip"];
            let ip = first.as_str().map_or_else(|| text(pod, "status.podIP"), str::to_owned);
            fields.push(("status.podIP", ip));
            // Upstream takes the name, and finds no pod to have a value under it.
            fields.push(("status.podIPs", String::new()));
            fields
        },
    )
};

const EVENT_TEXTS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "type",
];

/// Events of the core group, which is how they are stored.
pub const EVENT: FieldSelectors = FieldSelectors::new(
    &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    |event| {
        let mut fields = texts(event, EVENT_TEXTS);
        let source = text(event, "source.component");
        let source = if source.is_empty() { text(event, "reportingComponent") } else { source };
        fields.push(("source", source));
        fields
    },
);

/// Events of `events.k8s.io`, which names the same fields otherwise.
pub const EVENT_IN_ITS_GROUP: FieldSelectors = FieldSelectors {
    names: &["reason", "type"],
    aliases: EVENT_ALIASES,
    of: |event| {
        let named = EVENT_ALIASES.iter().map(|(here, indexed)| (*indexed, text(event, here)));
        let mut fields: Vec<_> = named.collect();
        fields.extend(texts(event, &["reason", "type"]));
        let source = text(event, "deprecatedSource.component");
        let source = if source.is_empty() { text(event, "reportingController") } else { source };
        fields.push(("source", source));
        fields
    },
};

const EVENT_ALIASES: &[(&str, &str)] = &[
    ("regarding.kind", "involvedObject.kind"),
    ("regarding.namespace", "involvedObject.namespace"),
    ("regarding.name", "involvedObject.name"),
    ("regarding.uid", "involvedObject.uid"),
    ("regarding.apiVersion", "involvedObject.apiVersion"),
    ("regarding.resourceVersion", "involvedObject.resourceVersion"),
    ("regarding.fieldPath", "involvedObject.fieldPath"),
    ("reportingController", "reportingComponent"),
];

/// Nodes.
pub const NODE: FieldSelectors = FieldSelectors::new(&["spec.unschedulable"], |o| {
    vec![("spec.unschedulable", flag(o, "spec.unschedulable"))]
});

/// Namespaces.
pub const NAMESPACE: FieldSelectors =
    FieldSelectors::new(&["status.phase"], |o| texts(o, &["status.phase"]));

/// Secrets.
pub const SECRET: FieldSelectors = FieldSelectors::new(&["type"], |o| texts(o, &["type"]));

/// Services.
pub const SERVICE: FieldSelectors = FieldSelectors::new(&["spec.clusterIP", "spec.type"], |o| {
    texts(o, &["spec.clusterIP", "spec.type"])
});

/// Replication controllers.
pub const STATUS_REPLICAS: FieldSelectors = FieldSelectors::new(&["status.replicas"], |o| {
    vec![("status.replicas", number(o, "status.replicas"))]
});

/// Jobs.
pub const JOB: FieldSelectors = FieldSelectors::new(&["status.successful"], |o| {
    vec![("status.successful", number(o, "status.succeeded"))]
});

/// Certificate signing requests.
pub const CSR: FieldSelectors =
    FieldSelectors::new(&["spec.signerName"], |o| texts(o, &["spec.signerName"]));

/// Resource slices.
pub const RESOURCE_SLICE: FieldSelectors =
    FieldSelectors::new(&["spec.driver", "spec.nodeName"], |o| {
        texts(o, &["spec.driver", "spec.nodeName"])
    });

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(of: FieldSelectors, object: Value, path: &str) -> String {
        let mut values = (of.of)(&object).into_iter();
        values.find(|(p, _)| *p == path).expect("the path is selectable").1
    }

    #[test]
    fn absent_flags_and_numbers_have_their_zero() {
        assert_eq!(field(NODE, json!({}), "spec.unschedulable"), "false");
        assert_eq!(field(POD, json!({}), "spec.hostNetwork"), "false");
        assert_eq!(field(JOB, json!({"status": {"succeeded": 3}}), "status.successful"), "3");
        assert_eq!(field(STATUS_REPLICAS, json!({}), "status.replicas"), "0");
    }

    #[test]
    fn the_old_name_of_a_pods_node_selects_it() {
        assert_eq!(POD.indexed("spec.host"), Some("spec.nodeName"));
        assert_eq!(POD.indexed("status.podIPs"), Some("status.podIPs"));
        assert_eq!(POD.indexed("status.hostIP"), None);
    }

    #[test]
    fn the_source_of_an_event_falls_back_to_its_reporter() {
        assert_eq!(field(EVENT, json!({"reportingComponent": "a"}), "source"), "a");
        let both = json!({"reportingComponent": "a", "source": {"component": "b"}});
        assert_eq!(field(EVENT, both, "source"), "b");
    }

    #[test]
    fn both_forms_of_an_event_are_indexed_alike() {
        let core =
            json!({"involvedObject": {"name": "p"}, "reportingComponent": "r", "type": "Normal"});
        let mut group = core.clone();
        (crate::registry::conversion::EVENT.from)(&mut group);
        let mut of_core = (EVENT.of)(&core);
        let mut of_group = (EVENT_IN_ITS_GROUP.of)(&group);
        of_core.sort();
        of_group.sort();
        assert_eq!(of_core, of_group);
    }

    #[test]
    fn every_named_field_has_a_value() {
        for of in [
            POD,
            EVENT,
            NODE,
            NAMESPACE,
            SECRET,
            SERVICE,
            STATUS_REPLICAS,
            JOB,
            CSR,
            RESOURCE_SLICE,
        ] {
            let mut values: Vec<_> = (of.of)(&json!({})).into_iter().map(|(p, _)| p).collect();
            let mut names = of.names.to_vec();
            values.sort_unstable();
            names.sort_unstable();
            assert_eq!(values, names);
        }
    }
}
