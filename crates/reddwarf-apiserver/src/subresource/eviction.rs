//! `pods/eviction`: a deletion that disruption budgets may refuse.

use super::reply::{bad_request, created, now, unclassified};
use super::{Also, Effect, Post};
use crate::admission::refusal::not_found;
use crate::object;
use crate::validation::labels;
use crate::validation::read::{has, int, items, text};
use reddwarf_core::status::{StatusCause, StatusDetails};
use reddwarf_core::{Collection, Reason, Status, StoredObject};
use serde_json::{Value, json};

const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";
/// Seconds after which to ask again about a budget that is not computed yet.
const RETRY_SECONDS: u32 = 10;

/// Evicts the pod.
pub fn evict(request: &Post<'_>) -> Result<Effect, Box<Status>> {
    if object::name(request.body) != request.name {
        return Err(bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = request.current.ok_or_else(|| not_found("", "pods", request.name))?;
    let also = if is_past_counting(pod) { Vec::new() } else { spend(request, pod)? };
    let options = match request.body.get("deleteOptions") {
        Some(options) if options.is_object() => options.clone(),
        _ => json!({}),
    };
    Ok(Effect::Delete { options, also, reply: created() })
}

/// A pod that no budget counts: not yet running, finished, or already going.
fn is_past_counting(pod: &Value) -> bool {
    has(&pod["metadata"], "deletionTimestamp")
        || ["Pending", "Succeeded", "Failed"].contains(&text(&pod["status"], "phase"))
}

/// Takes one disruption from the budget that covers the pod, if one does.
fn spend(request: &Post<'_>, pod: &Value) -> Result<Vec<Also>, Box<Status>> {
    let budgets = budgets(request, pod);
    let Some((stored, budget)) = budgets.first() else { return Ok(Vec::new()) };
    if budgets.len() > 1 {
        return Err(unclassified(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ));
    }
    if !is_ready(pod) && may_evict_unready(budget) {
        return Ok(Vec::new());
    }
    Ok(vec![Also {
        group: "policy",
        version: "v1",
        resource: "poddisruptionbudgets",
        object: spent(budget, request.name)?,
        at: stored.revision,
    }])
}

fn budgets<'a>(request: &Post<'a>, pod: &Value) -> Vec<(&'a StoredObject, Value)> {
    let collection = Collection::new("policy", "poddisruptionbudgets");
    request
        .view
        .list(&collection, Some(request.namespace), None)
        .filter_map(|stored| {
            let budget: Value = serde_json::from_slice(&stored.bytes).ok()?;
            let selector = budget["spec"].get("selector").filter(|s| s.is_object())?;
            let covers = labels::matches(selector, &pod["metadata"]["labels"]);
            covers.then_some((stored.as_ref(), budget))
        })
        .collect()
}

fn is_ready(pod: &Value) -> bool {
    items(&pod["status"], "conditions")
        .iter()
        .any(|c| text(c, "type") == "Ready" && text(c, "status") == "True")
}

fn may_evict_unready(budget: &Value) -> bool {
    let count = |field| int(&budget["status"], field).unwrap_or_default();
    text(&budget["spec"], "unhealthyPodEvictionPolicy") == "AlwaysAllow"
        || (count("desiredHealthy") > 0 && count("currentHealthy") >= count("desiredHealthy"))
}

fn spent(budget: &Value, pod: &str) -> Result<Value, Box<Status>> {
    let name = object::name(budget);
    let status = &budget["status"];
    let count = |field| int(status, field).unwrap_or_default();
    let generation = int(&budget["metadata"], "generation").unwrap_or_default();
    if count("observedGeneration") < generation {
        let cause = format!("The disruption budget {name} is still being processed by the server.");
        return Err(too_many(cause, RETRY_SECONDS));
    }
    let allowed = count("disruptionsAllowed");
    if allowed <= 0 {
        let cause = format!(
            "The disruption budget {name} needs {} healthy pods and has {} currently",
            count("desiredHealthy"),
            count("currentHealthy")
        );
        return Err(too_many(cause, 0));
    }
    let mut budget = budget.clone();
    budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
    budget["status"]["disruptedPods"][pod] = now().into();
    Ok(budget)
}

fn too_many(cause: String, retry_after_seconds: u32) -> Box<Status> {
    let cause =
        StatusCause { reason: "DisruptionBudget".into(), message: cause, field: String::new() };
    Box::new(Status::failure(Reason::TooManyRequests, VIOLATED).with_details(StatusDetails {
        causes: vec![cause],
        retry_after_seconds,
        ..Default::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(allowed: i64) -> Value {
        json!({"metadata": {"name": "b", "generation": 1}, "status": {"observedGeneration": 1,
            "disruptionsAllowed": allowed, "desiredHealthy": 1, "currentHealthy": 1 + allowed}})
    }

    #[test]
    fn a_budget_is_spent() {
        let after = spent(&budget(1), "p").expect("allowed");
        assert_eq!(after["status"]["disruptionsAllowed"], 0);
        assert!(after["status"]["disruptedPods"]["p"].is_string());
    }

    #[test]
    fn an_empty_budget_refuses() {
        let refused = spent(&budget(0), "p").expect_err("nothing left");
        assert_eq!(refused.code, 429);
        assert_eq!(
            refused.details.expect("details").causes[0].message,
            "The disruption budget b needs 1 healthy pods and has 1 currently"
        );
        let mut unknown = budget(1);
        unknown["metadata"]["generation"] = json!(2);
        assert_eq!(spent(&unknown, "p").expect_err("stale").code, 429);
    }
}
