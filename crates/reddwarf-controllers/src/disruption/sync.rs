//! Brings one object up to date: a budget's status, or a pod whose disruption did not come.

use super::budget::{self, Expected, Remark, seconds};
use super::pod::{self, PodFacts};
use super::scale::{self, Scale};
use crate::Controllers;
use crate::meta::{OwnerRef, Uid};
use crate::recorder::Severity;
use bytes::Bytes;
use jiff::Timestamp;
use reddwarf_core::{Collection, LabelSelector, ObjectKey, Reason, Status, StoredObject, View};
use serde_json::Value;
use std::collections::HashMap;

/// Pods that are read before other tasks get their turn.
const PODS_AT_ONCE: usize = 256;

/// What a look at an object came to.
#[derive(Debug, Default)]
pub struct Looked {
    /// When to look again at the latest.
    pub again_at: Option<Timestamp>,
    /// What is to be said of the budget.
    pub remarks: Vec<Remark>,
    /// Evicted pods that did not go in time.
    pub not_deleted: Vec<ObjectKey>,
}

/// Brings the budget at `key` up to date.
///
/// # Errors
/// The API's. A 409 means that the budget changed meanwhile.
pub async fn budget(controllers: &Controllers, key: &ObjectKey) -> Result<Looked, Box<Status>> {
    let view = controllers.store.view();
    let Some(stored) = view.get(key) else { return Ok(Looked::default()) };
    let budget: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
    let now = Timestamp::now();
    let selector = match LabelSelector::from_object(budget["spec"].get("selector")) {
        Ok(selector) => selector,
        Err(error) => {
            write(controllers, key, &budget, budget::failed(&budget, &error.to_string(), now))
                .await?;
            let text = format!("Failed to get pods: {error}");
            let remarks = vec![(Severity::Warning, "NoPods", text)];
            return Ok(Looked { remarks, ..Looked::default() });
        }
    };
    let pods = pods(&view, key.namespace(), &selector).await;
    let scales = match budget::depends_on_scale(&budget) {
        true => scales(controllers, &view, key.namespace(), &pods).await?,
        false => HashMap::new(),
    };
    let found: Result<Expected, String> = budget::expected(&budget, &pods, &scales);
    let remarks = budget::remarks(&budget, &pods, &found);
    let expected = match found {
        Ok(expected) => expected,
        Err(why) => {
            write(controllers, key, &budget, budget::failed(&budget, &why, now)).await?;
            return Ok(Looked { remarks, ..Looked::default() });
        }
    };
    let computed = budget::status(&budget, &pods, &expected, now);
    write(controllers, key, &budget, computed.status).await?;
    let pod_key = |name: &str| ObjectKey::new("", "pods", key.namespace(), name);
    let not_deleted = computed.not_deleted.iter().map(|name| pod_key(name)).collect();
    Ok(Looked { again_at: computed.recheck_at, remarks, not_deleted })
}

async fn pods(view: &View, namespace: &str, selector: &LabelSelector) -> Vec<PodFacts> {
    let mut pods = Vec::new();
    for stored in view.list(&Collection::new("", "pods"), Some(namespace), None) {
        if !selector.matches(&stored.index.labels) {
            continue;
        }
        pods.push(PodFacts::read(stored));
        if pods.len() % PODS_AT_ONCE == 0 {
            tokio::task::yield_now().await;
        }
    }
    pods
}

/// The scale of each controller that manages one of the pods, by the controller's uid.
async fn scales(
    controllers: &Controllers,
    view: &View,
    namespace: &str,
    pods: &[PodFacts],
) -> Result<HashMap<Uid, Scale>, Box<Status>> {
    let kinds = controllers.kinds.served();
    let mut scales = HashMap::new();
    for controller in pods.iter().filter_map(|pod| pod.controller.as_ref()) {
        if !scales.contains_key(&controller.uid) {
            let mut found = scale::find(view, &kinds, namespace, controller);
            if let Scale::Ask(path) = &found {
                found = ask(controllers, controller, path).await?;
            }
            scales.insert(controller.uid.clone(), found);
        }
    }
    Ok(scales)
}

async fn ask(
    controllers: &Controllers,
    controller: &OwnerRef,
    path: &str,
) -> Result<Scale, Box<Status>> {
    match controllers.client.request("GET", path, None, None).await {
        Ok(answer) => Ok(scale::answered(controller, &answer)),
        Err(status) if status.is(Reason::NotFound) => Ok(Scale::Absent),
        Err(status) if status.is(Reason::Conflict) => Err(status),
        Err(status) => Ok(Scale::Failed(status.message)),
    }
}

/// Writes a status, on condition that the budget is still as it was read.
async fn write(
    controllers: &Controllers,
    key: &ObjectKey,
    budget: &Value,
    status: Option<Value>,
) -> Result<(), Box<Status>> {
    let Some(status) = status else { return Ok(()) };
    let mut budget = budget.clone();
    budget["status"] = status;
    let (namespace, name) = (key.namespace(), key.name());
    let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}/status");
    put(controllers, &path, &budget).await
}

async fn put(controllers: &Controllers, path: &str, object: &Value) -> Result<(), Box<Status>> {
    let body = Bytes::from(object.to_string());
    let written =
        controllers.client.request("PUT", path, Some("application/json"), Some(body)).await;
    match written {
        Err(status) if status.is(Reason::NotFound) => Ok(()),
        other => other.map(drop),
    }
}

/// Takes back the announcement of a disruption that did not come.
///
/// # Errors
/// The API's. A 409 means that the pod changed meanwhile.
pub async fn pod(controllers: &Controllers, key: &ObjectKey) -> Result<Looked, Box<Status>> {
    let view = controllers.store.view();
    let stale = view.get(key).and_then(|stored| Some((stored, pod::stale_at(stored)?)));
    let Some((stored, at)) = stale else { return Ok(Looked::default()) };
    let now = Timestamp::now();
    if at > now {
        return Ok(Looked { again_at: Some(at), ..Looked::default() });
    }
    if let Some(pod) = pod::without_announcement(stored, &seconds(now)) {
        let (namespace, name) = (key.namespace(), key.name());
        put(controllers, &format!("/api/v1/namespaces/{namespace}/pods/{name}/status"), &pod)
            .await?;
    }
    Ok(Looked::default())
}

/// Whom an event about a stored object names.
pub fn involved(stored: &StoredObject, api_version: &str, kind: &str) -> crate::recorder::Involved {
    crate::recorder::Involved {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: stored.key.namespace().to_owned(),
        name: stored.key.name().to_owned(),
        uid: stored.index.uid.to_string(),
    }
}
