//! A pod as a simulated node looks at it, and what is to be done with it: pure functions.

use super::RUNS_SECONDS;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The parts of a pod that are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub metadata: Meta,
    pub spec: Spec,
    pub status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    pub name: Box<str>,
    pub namespace: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    pub deletion_timestamp: Option<Box<str>>,
    pub annotations: Option<BTreeMap<Box<str>, Box<str>>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Spec {
    pub node_name: Box<str>,
    pub host_network: bool,
    pub restart_policy: Box<str>,
    pub containers: Vec<Container>,
    pub init_containers: Option<Vec<Container>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: Box<str>,
    pub image: Box<str>,
    pub restart_policy: Option<Box<str>>,
}

impl Container {
    /// An init container that goes on running.
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    pub phase: Box<str>,
    #[serde(rename = "podIP")]
    pub pod_ip: Option<Ipv4Addr>,
    pub start_time: Option<Box<str>>,
}

/// What a node does with a pod next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start its containers.
    Start,
    /// Let it succeed after this time.
    Finish(Duration),
    /// Stop it and confirm that it is gone.
    Remove,
}

/// The next step; `None` while nothing is to be done.
pub fn next_step(pod: &Pod) -> Option<Step> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some(Step::Remove);
    }
    match pod.status.phase.as_ref() {
        "" | "Pending" => Some(Step::Start),
        "Running" if pod.spec.restart_policy.as_ref() != "Always" => {
            let annotations = pod.metadata.annotations.as_ref()?;
            let seconds = annotations.get(RUNS_SECONDS)?.parse().ok()?;
            Some(Step::Finish(Duration::from_secs(seconds)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn step(pod: serde_json::Value) -> Option<Step> {
        next_step(&serde_json::from_value(pod).expect("a pod"))
    }

    #[test]
    fn steps() {
        assert_eq!(step(json!({"status": {"phase": "Pending"}})), Some(Step::Start));
        assert_eq!(step(json!({"status": {"phase": "Running"}})), None);
        assert_eq!(step(json!({"status": {"phase": "Succeeded"}})), None);
        let deleted = json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"phase": "Pending"},
        });
        assert_eq!(step(deleted), Some(Step::Remove));
    }

    #[test]
    fn only_a_pod_that_does_not_restart_finishes() {
        let pod = |policy: &str| {
            json!({
                "metadata": {"annotations": {RUNS_SECONDS: "2"}},
                "spec": {"restartPolicy": policy},
                "status": {"phase": "Running"},
            })
        };
        assert_eq!(step(pod("Never")), Some(Step::Finish(Duration::from_secs(2))));
        assert_eq!(step(pod("Always")), None);
    }
}
