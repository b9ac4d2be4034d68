//! `pods/eviction`: a deletion that disruption budgets may refuse.

use super::reply::{bad_request, conflict, created, now, unclassified};
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

/// Entries of `status.disruptedPods` beyond which a budget grants no more: evictions that the
/// disruption controller has not seen yet.
const DISRUPTED_PODS_MAX: usize = 2_000;

/// Evicts the pod.
pub fn evict(request: &Post<'_>) -> Result<Effect, Box<Status>> {
    if object::name(request.body) != request.name {
        return Err(bad_request("name in URL does not match name in Eviction object"));
    }
    let pod = request.current.ok_or_else(|| not_found("", "pods", request.name))?;
    let options = match request.body.get("deleteOptions") {
        Some(options) if options.is_object() => options.clone(),
        _ => json!({}),
    };
    let (also, exact) = match is_past_counting(pod) {
        true => (Vec::new(), !is_over(pod)),
        false => spend(request, pod)?,
    };
    let dry_run = request.dry_run || !items(&options, "dryRun").is_empty();
    if !dry_run {
        check_preconditions(&options["preconditions"], pod)?;
    }
    let first = if dry_run { None } else { announced(pod) };
    Ok(Effect::Delete { options, first, also, exact, reply: created() })
}

/// A pod that no budget counts: not yet running, finished, or already going.
fn is_past_counting(pod: &Value) -> bool {
    is_over(pod) || text(&pod["status"], "phase") == "Pending"
}

/// A pod that can no longer become ready.
fn is_over(pod: &Value) -> bool {
    has(&pod["metadata"], "deletionTimestamp")
        || ["Succeeded", "Failed"].contains(&text(&pod["status"], "phase"))
}

/// What upstream checks before it announces the eviction.
fn check_preconditions(asked: &Value, pod: &Value) -> Result<(), Box<Status>> {
    let refused = |what: &str, field: &str, asked: &str, why: &str| {
        let found = object::meta(pod, field);
        let cause = format!(
            "the {what} in the precondition ({asked}) does not match the {what} in record ({found}). The object might have been {why}"
        );
        Err(conflict("Pod", object::name(pod), &cause))
    };
    let differs = |field: &str| {
        let asked = text(asked, field);
        (!asked.is_empty() && asked != object::meta(pod, field)).then_some(asked)
    };
    if let Some(asked) = differs("uid") {
        return refused("UID", "uid", asked, "deleted and then recreated");
    }
    match differs("resourceVersion") {
        Some(asked) => refused("ResourceVersion", "resourceVersion", asked, "modified"),
        None => Ok(()),
    }
}

/// The pod with the condition that announces its eviction; `None` when it has that already.
fn announced(pod: &Value) -> Option<Value> {
    let mut condition = json!({
        "type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": now(), "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    });
    let mut pod = pod.clone();
    let Some(list) = pod["status"]["conditions"].as_array_mut() else {
        pod["status"]["conditions"] = json!([condition]);
        return Some(pod);
    };
    match list.iter_mut().find(|c| c["type"] == condition["type"]) {
        None => list.push(condition),
        Some(old) => {
            if old["status"] == "True" {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            let same = |field: &str| text(old, field) == text(&condition, field);
            if ["status", "reason", "message"].iter().all(|field| same(field)) {
                return None;
            }
            *old = condition;
        }
    }
    Some(pod)
}

/// Takes one disruption from the budget that covers the pod, if one does; whether the pod may go
/// only as it is now.
fn spend(request: &Post<'_>, pod: &Value) -> Result<(Vec<Also>, bool), Box<Status>> {
    let mut budgets = budgets(request, pod);
    if budgets.len() > 1 {
        return Err(unclassified(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
        ));
    }
    let Some((stored, budget)) = budgets.pop() else { return Ok((Vec::new(), false)) };
    if !is_ready(pod) && may_evict_unready(&budget) {
        return Ok((Vec::new(), true));
    }
    let also = Also {
        group: "policy",
        version: "v1",
        resource: "poddisruptionbudgets",
        object: spent(&budget, request.name)?,
        before: budget,
        at: stored.revision,
    };
    Ok((vec![also], false))
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
    if allowed < 0 {
        return Err(forbidden(name, "pdb disruptions allowed is negative"));
    }
    if status["disruptedPods"].as_object().is_some_and(|pods| pods.len() > DISRUPTED_PODS_MAX) {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(forbidden(name, why));
    }
    if allowed == 0 {
        return Err(too_many(why_none(name, status), 0));
    }
    let mut budget = budget.clone();
    budget["status"]["disruptionsAllowed"] = (allowed - 1).into();
    if allowed == 1 {
        exhaust(&mut budget["status"]);
    }
    budget["status"]["disruptedPods"][pod] = now().into();
    Ok(budget)
}

/// Why a budget allows no disruption.
fn why_none(name: &str, status: &Value) -> String {
    let told = items(status, "conditions").iter().find(|c| text(c, "type") == ALLOWED);
    let told = told.filter(|c| text(c, "status") == "False" && !text(c, "message").is_empty());
    let (needed, found) = (int(status, "desiredHealthy"), int(status, "currentHealthy"));
    let (needed, found) = (needed.unwrap_or_default(), found.unwrap_or_default());
    let none = format!("The disruption budget {name} does not allow evicting pods currently");
    match told {
        // The numbers mean nothing then.
        Some(failed) if text(failed, "reason") == "SyncFailed" => {
            format!("{none} because it failed sync: {}", text(failed, "message"))
        }
        _ if found <= needed => {
            format!(
                "The disruption budget {name} needs {needed} healthy pods and has {found} currently"
            )
        }
        Some(told) => format!("{none} ({}): {}", text(told, "reason"), text(told, "message")),
        None => none,
    }
}

const ALLOWED: &str = "DisruptionAllowed";

/// Makes the condition say that nothing is left.
fn exhaust(status: &mut Value) {
    let mut condition = json!({"type": ALLOWED, "status": "False"});
    if let Some(generation) = int(status, "observedGeneration").filter(|g| *g != 0) {
        condition["observedGeneration"] = generation.into();
    }
    condition["lastTransitionTime"] = now().into();
    condition["reason"] = "InsufficientPods".into();
    condition["message"] = "".into();
    let Some(list) = status["conditions"].as_array_mut() else {
        status["conditions"] = json!([condition]);
        return;
    };
    match list.iter_mut().find(|c| c["type"] == ALLOWED) {
        None => list.push(condition),
        Some(old) => {
            if old["status"] == "False" {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = condition;
        }
    }
}

fn forbidden(name: &str, why: &str) -> Box<Status> {
    let message = format!("poddisruptionbudget.policy {name:?} is forbidden: {why}");
    Box::new(Status::failure(Reason::Forbidden, message).with_details(StatusDetails {
        name: name.into(),
        group: "policy".into(),
        kind: "poddisruptionbudget".into(),
        ..Default::default()
    }))
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
        let after = spent(&budget(2), "p").expect("allowed");
        assert_eq!(after["status"]["disruptionsAllowed"], 1);
        assert!(after["status"]["disruptedPods"]["p"].is_string());
        assert!(after["status"].get("conditions").is_none());
        let last = spent(&budget(1), "p").expect("allowed");
        assert_eq!(last["status"]["conditions"][0]["reason"], "InsufficientPods");
    }

    fn refusal(budget: &Value) -> (u16, String, u32) {
        let refused = spent(budget, "p").expect_err("refused");
        let details = refused.details.clone().unwrap_or_default();
        let cause = details.causes.first().map_or(refused.message.clone(), |c| c.message.clone());
        (refused.code, cause, details.retry_after_seconds)
    }

    #[test]
    fn an_empty_budget_says_why() {
        let needs = "The disruption budget b needs 1 healthy pods and has 1 currently";
        assert_eq!(refusal(&budget(0)), (429, needs.into(), 0));
        let mut stale = budget(1);
        stale["metadata"]["generation"] = json!(2);
        let processed = "The disruption budget b is still being processed by the server.";
        assert_eq!(refusal(&stale), (429, processed.into(), RETRY_SECONDS));
        let mut failed = budget(0);
        failed["status"]["conditions"] = json!([{"type": ALLOWED, "status": "False",
            "reason": "SyncFailed", "message": "no luck"}]);
        let none = "The disruption budget b does not allow evicting pods currently";
        let sync = format!("{none} because it failed sync: no luck");
        assert_eq!(refusal(&failed), (429, sync, 0));
        let mut odd = budget(0);
        odd["status"]["currentHealthy"] = json!(9);
        assert_eq!(refusal(&odd), (429, none.into(), 0));
        assert_eq!(refusal(&budget(-1)).0, 403);
    }

    #[test]
    fn an_eviction_is_announced_once() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"phase": "Running"}});
        let told = announced(&pod).expect("new");
        assert_eq!(told["status"]["conditions"][0]["reason"], "EvictionByEvictionAPI");
        assert_eq!(announced(&told), None);
    }

    #[test]
    fn preconditions_are_checked_before_anything_is_spent() {
        let pod = json!({"metadata": {"name": "p", "uid": "u", "resourceVersion": "7"}});
        let refused = check_preconditions(&json!({"uid": "v"}), &pod).expect_err("another");
        assert_eq!(
            refused.message,
            "Operation cannot be fulfilled on Pod \"p\": the UID in the precondition (v) does not match the UID in record (u). The object might have been deleted and then recreated"
        );
        assert!(check_preconditions(&json!({"resourceVersion": "8"}), &pod).is_err());
        assert!(check_preconditions(&json!({"uid": "u", "resourceVersion": "7"}), &pod).is_ok());
        assert!(check_preconditions(&Value::Null, &pod).is_ok());
    }
}
