//! `Priority`: a pod's priority comes from its class.

use super::refusal::forbidden;
use super::{Attributes, Operation, Plugin, stored};
use crate::object;
use crate::validation::read::{flag, has, int, text};
use async_trait::async_trait;
use reddwarf_core::Status;
use serde_json::Value;

const GROUP: &str = "scheduling.k8s.io";
const RESOURCE: &str = "priorityclasses";

/// The plugin.
pub struct Priority;

/// What a class gives to a pod.
struct Given {
    class: String,
    value: i64,
    policy: String,
}

#[async_trait]
impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        match attributes.operation {
            Operation::Create if attributes.is_pod() => give(attributes),
            Operation::Update if attributes.is_pod() => {
                keep(attributes);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        let writes = matches!(attributes.operation, Operation::Create | Operation::Update);
        if writes && attributes.is(GROUP, "PriorityClass") {
            one_default(attributes)
        } else {
            Ok(())
        }
    }
}

fn give(attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
    let spec = &attributes.object["spec"];
    let given = class_of(attributes, text(spec, "priorityClassName"))?;
    if let Some(asked) = int(spec, "priority")
        && asked != given.value
    {
        let why = format!(
            "the integer value of priority ({asked}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
            given.value
        );
        return Err(forbidden(attributes, why));
    }
    let asked = text(spec, "preemptionPolicy");
    if !asked.is_empty() && asked != given.policy {
        let why = format!(
            "the string value of PreemptionPolicy ({asked}) must not be provided in pod spec; priority admission controller computed {} from the given PriorityClass name",
            given.policy
        );
        return Err(forbidden(attributes, why));
    }
    let spec = &mut attributes.object["spec"];
    spec["priority"] = given.value.into();
    spec["preemptionPolicy"] = given.policy.into();
    if !given.class.is_empty() {
        spec["priorityClassName"] = given.class.into();
    }
    Ok(())
}

fn class_of(attributes: &Attributes<'_>, name: &str) -> Result<Given, Box<Status>> {
    if name.is_empty() {
        return Ok(default_class(attributes));
    }
    match stored::get(attributes.view, GROUP, RESOURCE, "", name) {
        Some(class) => Ok(given_by(&class)),
        None => Err(forbidden(attributes, format!("no PriorityClass with name {name} was found"))),
    }
}

fn given_by(class: &Value) -> Given {
    let policy = match text(class, "preemptionPolicy") {
        "" => "PreemptLowerPriority",
        policy => policy,
    };
    Given {
        class: object::name(class).to_owned(),
        value: int(class, "value").unwrap_or_default(),
        policy: policy.to_owned(),
    }
}

/// The lowest of the classes marked as default, or nothing special.
fn default_class(attributes: &Attributes<'_>) -> Given {
    stored::list(attributes.view, GROUP, RESOURCE)
        .filter(|class| flag(class, "globalDefault"))
        .min_by_key(|class| int(class, "value"))
        .map_or_else(
            || Given { class: String::new(), value: 0, policy: "PreemptLowerPriority".to_owned() },
            |class| given_by(&class),
        )
}

/// An update that leaves the priority out keeps it.
fn keep(attributes: &mut Attributes<'_>) {
    let Some(old) = attributes.old else { return };
    for field in ["priority", "preemptionPolicy"] {
        if !has(&attributes.object["spec"], field) && has(&old["spec"], field) {
            attributes.object["spec"][field] = old["spec"][field].clone();
        }
    }
}

fn one_default(attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
    if !flag(attributes.object, "globalDefault") {
        return Ok(());
    }
    let name = object::name(attributes.object);
    let other = stored::list(attributes.view, GROUP, RESOURCE)
        .find(|class| flag(class, "globalDefault") && object::name(class) != name);
    match other {
        None => Ok(()),
        Some(other) => {
            let why = format!(
                "PriorityClass {} is already marked as default. Only one default can exist",
                object::name(&other)
            );
            Err(forbidden(attributes, why))
        }
    }
}
