//! `/scale`: the number of replicas of a workload, shown as a `Scale`.

use crate::validation::read::{entries, int, items, text};
use crate::validation::{FieldError, FieldPath, NEGATIVE, invalid};
use crate::{object, registry::Kind};
use reddwarf_core::Status;
use serde_json::{Value, json};

/// The `Scale` of a workload.
pub fn read(kind: &Kind, workload: &Value) -> Value {
    let mut meta = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = workload["metadata"].get(field) {
            meta[field] = value.clone();
        }
    }
    let mut spec = json!({});
    if let Some(replicas) = int(&workload["spec"], "replicas").filter(|n| *n != 0) {
        spec["replicas"] = replicas.into();
    }
    let mut status = json!({"replicas": int(&workload["status"], "replicas").unwrap_or_default()});
    let selector = selector_text(kind, &workload["spec"]);
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": meta, "spec": spec, "status": status,
    })
}

/// Brings a `Scale` back into its workload.
pub fn write(scale: &Value, current: &Value) -> Result<Value, Box<Status>> {
    let replicas = int(&scale["spec"], "replicas").unwrap_or_default();
    if replicas < 0 {
        let path = FieldPath::new("spec").child("replicas");
        let errors = [FieldError::invalid(path, replicas, NEGATIVE)];
        return Err(Box::new(invalid("autoscaling", "Scale", object::name(scale), &errors)));
    }
    let mut workload = current.clone();
    workload["spec"]["replicas"] = replicas.into();
    Ok(workload)
}

/// A selector as text, `app=web,tier in (a,b),!old`, in the order of its keys.
fn selector_text(kind: &Kind, spec: &Value) -> String {
    let plain = kind.kind == "ReplicationController";
    let (labels, expressions): (&Value, &[Value]) = if plain {
        (&spec["selector"], &[])
    } else {
        (&spec["selector"]["matchLabels"], items(&spec["selector"], "matchExpressions"))
    };
    let holder = json!({ "labels": labels });
    let mut parts: Vec<(String, String)> = entries(&holder, "labels")
        .map(|(key, value)| (key.clone(), format!("{key}={}", value.as_str().unwrap_or_default())))
        .collect();
    parts.extend(expressions.iter().map(|e| (text(e, "key").to_owned(), expression_text(e))));
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(",")
}

fn expression_text(expression: &Value) -> String {
    let key = text(expression, "key");
    let mut values: Vec<&str> =
        items(expression, "values").iter().filter_map(Value::as_str).collect();
    values.sort_unstable();
    let values = values.join(",");
    match text(expression, "operator") {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Scope;

    #[test]
    fn a_scale_of_a_deployment() {
        let kind = Kind::new(Scope::Namespaced, "apps", "v1", "Deployment", "deployments");
        let deployment = json!({"metadata": {"name": "d", "labels": {"a": "b"}, "resourceVersion": "5"},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"b": "c"},
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}}});
        assert_eq!(
            read(&kind, &deployment),
            json!({"kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {"name": "d", "resourceVersion": "5"}, "spec": {},
                "status": {"replicas": 0, "selector": "a in (x,y),b=c"}})
        );
    }

    #[test]
    fn replicas_are_not_negative() {
        let scale = json!({"metadata": {"name": "d"}, "spec": {"replicas": -1}});
        assert_eq!(
            write(&scale, &json!({})).expect_err("negative").message,
            "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
        );
        let written = write(&json!({"spec": {"replicas": 2}}), &json!({"spec": {"x": 1}}));
        assert_eq!(written.expect("valid")["spec"], json!({"x": 1, "replicas": 2}));
    }
}
