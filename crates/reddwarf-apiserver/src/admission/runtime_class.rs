//! `RuntimeClass`: a pod takes overhead and scheduling from its runtime class.

use super::refusal::forbidden;
use super::{Attributes, Operation, Plugin, stored};
use crate::validation::read::{entries, items, map, text};
use async_trait::async_trait;
use reddwarf_core::Status;
use reddwarf_core::quantity::Quantity;
use serde_json::{Value, json};

/// The plugin.
pub struct RuntimeClass;

#[async_trait]
impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        if !attributes.is_pod() || attributes.operation != Operation::Create {
            return Ok(());
        }
        let Some(class) = class_of(attributes)? else { return Ok(()) };
        overhead(attributes, &class)?;
        scheduling(attributes, &class)
    }

    async fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        if !attributes.is_pod() || attributes.operation != Operation::Create {
            return Ok(());
        }
        let defined = class_of(attributes)?
            .is_some_and(|class| map(&class["overhead"], "podFixed").is_some());
        if !defined && map(&attributes.object["spec"], "overhead").is_some_and(|o| !o.is_empty()) {
            let why = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            return Err(forbidden(attributes, why));
        }
        Ok(())
    }
}

fn class_of(attributes: &Attributes<'_>) -> Result<Option<Value>, Box<Status>> {
    let name = text(&attributes.object["spec"], "runtimeClassName");
    if name.is_empty() {
        return Ok(None);
    }
    match stored::get(attributes.view, "node.k8s.io", "runtimeclasses", "", name) {
        Some(class) => Ok(Some(class)),
        None => {
            let why = format!("pod rejected: RuntimeClass {name:?} not found");
            Err(forbidden(attributes, why))
        }
    }
}

fn overhead(attributes: &mut Attributes<'_>, class: &Value) -> Result<(), Box<Status>> {
    let Some(fixed) = map(&class["overhead"], "podFixed") else { return Ok(()) };
    let spec = &attributes.object["spec"];
    if spec.get("overhead").is_some_and(|own| !same_amounts(own, &class["overhead"]["podFixed"])) {
        let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
        return Err(forbidden(attributes, why));
    }
    attributes.object["spec"]["overhead"] = Value::Object(fixed.clone());
    Ok(())
}

fn same_amounts(one: &Value, other: &Value) -> bool {
    let amount = |v: &Value| v.as_str().and_then(|text| Quantity::parse(text).ok());
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return false };
    one.len() == other.len()
        && one.iter().all(|(name, value)| {
            other.get(name).is_some_and(|o| amount(o).is_some() && amount(o) == amount(value))
        })
}

fn scheduling(attributes: &mut Attributes<'_>, class: &Value) -> Result<(), Box<Status>> {
    let rules = &class["scheduling"];
    for (key, value) in entries(rules, "nodeSelector") {
        let own = attributes.object["spec"]["nodeSelector"].get(key);
        if let Some(own) = own.filter(|own| *own != value) {
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                value.as_str().unwrap_or_default(),
                own.as_str().unwrap_or_default()
            );
            return Err(forbidden(attributes, why));
        }
    }
    let spec = &mut attributes.object["spec"];
    for (key, value) in entries(rules, "nodeSelector") {
        if spec["nodeSelector"].is_null() {
            spec["nodeSelector"] = json!({});
        }
        spec["nodeSelector"][key] = value.clone();
    }
    for toleration in items(rules, "tolerations") {
        if items(spec, "tolerations").contains(toleration) {
            continue;
        }
        match spec["tolerations"].as_array_mut() {
            Some(list) => list.push(toleration.clone()),
            None => spec["tolerations"] = json!([toleration]),
        }
    }
    if spec["nodeSelector"].is_null()
        && let Some(spec) = spec.as_object_mut()
    {
        spec.remove("nodeSelector");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_compare_as_quantities() {
        assert!(same_amounts(&json!({"cpu": "1"}), &json!({"cpu": "1000m"})));
        assert!(!same_amounts(&json!({"cpu": "1"}), &json!({"cpu": "1", "memory": "1"})));
        assert!(!same_amounts(&json!({"cpu": "20m"}), &json!({"cpu": "10m"})));
    }
}
