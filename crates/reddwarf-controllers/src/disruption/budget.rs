//! The status of a disruption budget, as a function of the budget, its pods and the time.

use super::pod::PodFacts;
use super::scale::Scale;
use crate::meta::Uid;
use crate::recorder::Severity;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// Seconds within which an evicted pod is expected to be marked for deletion.
const EVICTION_SECONDS: i64 = 120;
const CONDITION: &str = "DisruptionAllowed";

/// How many pods there should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// In all.
    pub pods: i64,
    /// Healthy ones.
    pub healthy: i64,
    /// Names of pods that nobody manages, where that matters.
    pub unmanaged: Vec<Box<str>>,
}

/// Whether the budget's numbers depend on the scale of the pods' controllers.
pub fn depends_on_scale(budget: &Value) -> bool {
    let spec = &budget["spec"];
    is_set(&spec["maxUnavailable"]) || spec["minAvailable"].is_string()
}

fn is_set(value: &Value) -> bool {
    !value.is_null()
}

/// Computes how many pods there should be; `scales` by the uid of a pod's controller.
///
/// # Errors
/// Why that cannot be known, as upstream says it.
pub fn expected(
    budget: &Value,
    pods: &[PodFacts],
    scales: &HashMap<Uid, Scale>,
) -> Result<Expected, String> {
    let spec = &budget["spec"];
    let (most, least) = (&spec["maxUnavailable"], &spec["minAvailable"]);
    if !depends_on_scale(budget) {
        return Ok(match least.as_i64() {
            Some(healthy) => Expected { pods: count(pods), healthy, unmanaged: Vec::new() },
            None => Expected::default(),
        });
    }
    let (all, unmanaged) = scale_of_all(pods, scales)?;
    let healthy = if is_set(most) { (all - share(most, all)?).max(0) } else { share(least, all)? };
    Ok(Expected { pods: all, healthy, unmanaged })
}

fn count(pods: &[PodFacts]) -> i64 {
    i64::try_from(pods.len()).unwrap_or(i64::MAX)
}

/// A number, or a percentage of `all` rounded up.
fn share(value: &Value, all: i64) -> Result<i64, String> {
    if let Some(number) = value.as_i64() {
        return Ok(number);
    }
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
    let Some(percent) = percent else {
        let why = "invalid type: string is not a percentage";
        return Err(format!("invalid value for IntOrString: {why}"));
    };
    let product = all.saturating_mul(percent);
    Ok(product.div_euclid(100) + i64::from(product.rem_euclid(100) > 0))
}

/// The sum over all controllers that manage any of the pods, and the pods without one.
fn scale_of_all(
    pods: &[PodFacts],
    scales: &HashMap<Uid, Scale>,
) -> Result<(i64, Vec<Box<str>>), String> {
    let mut unmanaged = Vec::new();
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in pods {
        let Some(controller) = &pod.controller else {
            unmanaged.push(pod.name.clone());
            continue;
        };
        match scales.get(&controller.uid) {
            Some(Scale::Of(uid, replicas)) => {
                counted.insert(uid, *replicas);
            }
            Some(Scale::Failed(why)) => return Err(why.clone()),
            Some(Scale::Absent | Scale::Ask(_)) | None => {
                return Err(format!("found no controllers for pod {:?}", pod.name));
            }
        }
    }
    Ok((counted.values().sum(), unmanaged))
}

/// What becomes of a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// The status to be written; `None` when it stands there already.
    pub status: Option<Value>,
    /// When an eviction that was announced is no longer expected.
    pub recheck_at: Option<Timestamp>,
    /// Evicted pods that did not go in time.
    pub not_deleted: Vec<Box<str>>,
}

/// Computes the status of a budget at `now`.
pub fn status(budget: &Value, pods: &[PodFacts], expected: &Expected, now: Timestamp) -> Computed {
    let old = &budget["status"];
    let disrupted = Disrupted::of(old, pods, now);
    let healthy = pods
        .iter()
        .filter(|pod| pod.ready && !pod.going && !disrupted.expected.contains_key(&*pod.name));
    let healthy = i64::try_from(healthy.count()).unwrap_or(i64::MAX);
    let allowed = if expected.pods <= 0 { 0 } else { (healthy - expected.healthy).max(0) };
    let generation = budget["metadata"]["generation"].as_i64().unwrap_or_default();
    let mut status = Map::new();
    if generation != 0 {
        status.insert("observedGeneration".into(), generation.into());
    }
    if !disrupted.expected.is_empty() {
        status.insert("disruptedPods".into(), disrupted.expected.into());
    }
    for (field, value) in [
        ("disruptionsAllowed", allowed),
        ("currentHealthy", healthy),
        ("desiredHealthy", expected.healthy),
        ("expectedPods", expected.pods),
    ] {
        status.insert(field.into(), value.into());
    }
    let (holds, reason) =
        if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let conditions = with_condition(old, holds, reason, "", generation, now);
    status.insert("conditions".into(), conditions);
    let status = Value::Object(status);
    Computed {
        status: (!same(old, &status)).then_some(status),
        recheck_at: disrupted.recheck_at,
        not_deleted: disrupted.not_deleted,
    }
}

/// The status of a budget that could not be computed: nothing may be disrupted until it can.
/// `None` when it stands there already.
pub fn failed(budget: &Value, why: &str, now: Timestamp) -> Option<Value> {
    let old = &budget["status"];
    let mut status = old.clone();
    if !status.is_object() {
        status = json!({});
    }
    status["disruptionsAllowed"] = 0.into();
    let observed = old["observedGeneration"].as_i64().unwrap_or_default();
    status["conditions"] = with_condition(old, "False", "SyncFailed", why, observed, now);
    (!same(old, &status)).then_some(status)
}

/// Whether two statuses say the same; a field with no value is as good as none.
fn same(old: &Value, new: &Value) -> bool {
    const FIELDS: [&str; 7] = [
        "observedGeneration",
        "disruptedPods",
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
        "conditions",
    ];
    FIELDS.iter().all(|field| old.get(field) == new.get(field)) && old.is_object()
}

/// The conditions with the one of this controller as given; its time moves with its status only.
fn with_condition(
    old: &Value,
    holds: &str,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Value {
    let mut conditions = old["conditions"].as_array().cloned().unwrap_or_default();
    let stored = conditions.iter().position(|c| c["type"] == CONDITION);
    let since = stored
        .map(|at| &conditions[at])
        .filter(|c| c["status"] == holds)
        .map_or_else(|| json!(seconds(now)), |c| c["lastTransitionTime"].clone());
    let mut condition = json!({"type": CONDITION, "status": holds});
    if generation != 0 {
        condition["observedGeneration"] = generation.into();
    }
    condition["lastTransitionTime"] = since;
    condition["reason"] = reason.into();
    condition["message"] = message.into();
    match stored {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
    conditions.into()
}

/// A time as objects show it.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Pods whose eviction was granted.
#[derive(Default)]
struct Disrupted {
    /// Those that are still expected to go, with the time at which that was granted.
    expected: Map<String, Value>,
    recheck_at: Option<Timestamp>,
    not_deleted: Vec<Box<str>>,
}

impl Disrupted {
    fn of(old: &Value, pods: &[PodFacts], now: Timestamp) -> Self {
        let mut disrupted = Disrupted::default();
        let Some(granted) = old["disruptedPods"].as_object() else { return disrupted };
        for pod in pods.iter().filter(|pod| !pod.going) {
            let Some(at) = granted.get(&*pod.name) else { continue };
            let time: Option<Timestamp> = at.as_str().and_then(|text| text.parse().ok());
            let until = time.and_then(|time| {
                Timestamp::from_second(time.as_second().saturating_add(EVICTION_SECONDS)).ok()
            });
            match until {
                Some(until) if until >= now => {
                    disrupted.expected.insert(pod.name.to_string(), at.clone());
                    let first = disrupted.recheck_at.map_or(until, |first| first.min(until));
                    disrupted.recheck_at = Some(first);
                }
                _ => disrupted.not_deleted.push(pod.name.clone()),
            }
        }
        disrupted
    }
}

/// What a budget's computation says to people: how bad, the reason, and the text.
pub type Remark = (Severity, &'static str, String);

/// Remarks on what was found.
pub fn remarks(budget: &Value, pods: &[PodFacts], found: &Result<Expected, String>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    if pods.is_empty() {
        remarks.push((Severity::Normal, "NoPods", "No matching pods found".to_owned()));
    }
    match found {
        Err(why) => remarks.push((
            Severity::Warning,
            "CalculateExpectedPodCountFailed",
            format!("Failed to calculate the number of expected pods: {why}"),
        )),
        Ok(expected) if !expected.unmanaged.is_empty() => remarks.push((
            Severity::Warning,
            "UnmanagedPods",
            format!(
                "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.",
                selector_text(&budget["spec"]["selector"])
            ),
        )),
        Ok(_) => {}
    }
    remarks
}

/// A selector as Go prints it.
fn selector_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object();
    let labels: BTreeMap<&str, &str> =
        labels.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str(), v.as_str()?))).collect();
    let labels: String = labels.iter().map(|(k, v)| format!("{k}: {v},")).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|e| {
        let values: Vec<String> = e["values"].as_array().into_iter().flatten().map(text).collect();
        format!(
            "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
            text(&e["key"]),
            text(&e["operator"]),
            values.join(" ")
        )
    });
    let expressions: String = expressions.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::OwnerRef;

    fn pod(name: &str, ready: bool) -> PodFacts {
        PodFacts { name: name.into(), ready, ..PodFacts::default() }
    }

    fn managed(name: &str, controller: &str) -> PodFacts {
        let controller = json!({"uid": controller, "controller": true});
        let controller: OwnerRef = serde_json::from_value(controller).expect("a reference");
        PodFacts { controller: Some(controller), ..pod(name, true) }
    }

    fn budget(spec: Value, status: Value) -> Value {
        json!({"metadata": {"name": "b", "generation": 1}, "spec": spec, "status": status})
    }

    fn now() -> Timestamp {
        "2024-01-01T00:10:00Z".parse().expect("a time")
    }

    fn scales(of: &[(&str, i64)]) -> HashMap<Uid, Scale> {
        of.iter().map(|(uid, n)| (Uid::from(*uid), Scale::Of((*uid).into(), *n))).collect()
    }

    #[test]
    fn how_many_pods_are_wanted() {
        let pods = [managed("a", "R"), managed("b", "R"), managed("c", "S")];
        let scales = scales(&[("R", 3), ("S", 4)]);
        for (spec, all, healthy) in [
            (json!({"minAvailable": 2}), 3, 2),
            (json!({"minAvailable": "50%"}), 7, 4),
            (json!({"minAvailable": "100%"}), 7, 7),
            (json!({"maxUnavailable": 1}), 7, 6),
            (json!({"maxUnavailable": "50%"}), 7, 3),
            (json!({"maxUnavailable": 9}), 7, 0),
            (json!({}), 0, 0),
        ] {
            let found = expected(&budget(spec.clone(), json!({})), &pods, &scales);
            let found = found.expect("known");
            assert_eq!((found.pods, found.healthy), (all, healthy), "{spec}");
        }
        let percent = budget(json!({"minAvailable": "50%"}), json!({}));
        let lone = expected(&percent, &[pod("x", true)], &scales).expect("known");
        assert_eq!((lone.pods, lone.unmanaged), (0, vec!["x".into()]));
        let lost = expected(&percent, &[managed("x", "gone")], &scales);
        assert_eq!(lost, Err("found no controllers for pod \"x\"".into()));
    }

    #[test]
    fn healthy_pods_above_those_wanted_may_go() {
        let spec = json!({"minAvailable": 1});
        let pods = [pod("a", true), pod("b", true), pod("c", false)];
        let wanted = Expected { pods: 3, healthy: 1, unmanaged: Vec::new() };
        let computed = status(&budget(spec.clone(), json!({})), &pods, &wanted, now());
        let told = computed.status.expect("new");
        assert_eq!(
            told,
            json!({"observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2,
                "desiredHealthy": 1, "expectedPods": 3, "conditions": [{
                    "type": "DisruptionAllowed", "status": "True", "observedGeneration": 1,
                    "lastTransitionTime": "2024-01-01T00:10:00Z", "reason": "SufficientPods",
                    "message": ""}]})
        );
        assert_eq!(status(&budget(spec.clone(), told.clone()), &pods, &wanted, now()).status, None);
        let fewer = status(&budget(spec.clone(), told.clone()), &pods[1..], &wanted, now());
        let fewer = fewer.status.expect("other");
        assert_eq!(fewer["conditions"][0]["reason"], "InsufficientPods");
        let none = Expected { pods: 0, healthy: 0, unmanaged: Vec::new() };
        let unmatched = status(&budget(spec, told), &[pod("a", true)], &none, now());
        assert_eq!(unmatched.status.expect("other")["disruptionsAllowed"], 0);
    }

    #[test]
    fn an_evicted_pod_does_not_count_until_it_is_late() {
        let granted = json!({"a": "2024-01-01T00:09:00Z", "b": "2024-01-01T00:01:00Z",
            "gone": "2024-01-01T00:09:00Z"});
        let old = json!({"disruptedPods": granted});
        let pods = [pod("a", true), pod("b", true)];
        let wanted = Expected { pods: 2, healthy: 1, unmanaged: Vec::new() };
        let computed = status(&budget(json!({"minAvailable": 1}), old), &pods, &wanted, now());
        let told = computed.status.expect("new");
        assert_eq!(told["disruptedPods"], json!({"a": "2024-01-01T00:09:00Z"}));
        assert_eq!((&told["currentHealthy"], &told["disruptionsAllowed"]), (&json!(1), &json!(0)));
        assert_eq!(computed.recheck_at, "2024-01-01T00:11:00Z".parse().ok());
        assert_eq!(computed.not_deleted, vec!["b".into()]);
    }

    #[test]
    fn a_budget_that_cannot_be_computed_allows_nothing() {
        let old = json!({"disruptionsAllowed": 3, "observedGeneration": 1});
        let told = failed(&budget(json!({}), old), "no luck", now()).expect("new");
        assert_eq!(told["disruptionsAllowed"], 0);
        assert_eq!(told["conditions"][0]["reason"], "SyncFailed");
        assert_eq!(told["conditions"][0]["message"], "no luck");
        assert_eq!(failed(&budget(json!({}), told), "no luck", now()), None);
    }

    #[test]
    fn a_selector_is_told_as_upstream_tells_it() {
        let selector = json!({"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [
            {"key": "k", "operator": "In", "values": ["x", "y"]}]});
        assert_eq!(
            selector_text(&selector),
            "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:k,Operator:In,Values:[x y],},},}"
        );
    }
}
