//! Objects that the benchmark makes and removes.

use super::load::{Call, Limit, closed_loop};
use super::target::Target;
use bytes::Bytes;
use http::{Method, StatusCode};
use miette::{Result, miette};
use serde_json::{Value, json};
use std::sync::Arc;

/// Bytes of data in a benchmark ConfigMap.
pub(super) const DATA_BYTES: usize = 1_024;
/// Writers that fill a namespace.
const FILL_WRITERS: usize = 32;

/// Sends one request to the first member and wants a success or `accepted`.
pub(super) async fn must(
    target: &Target,
    call: Call,
    accepted: Option<StatusCode>,
) -> Result<Value> {
    let mut connection = target.connect(0).await?;
    let path = call.path.clone();
    let answer = connection.send(call.method, &call.path, call.content_type, call.body).await?;
    if !answer.status.is_success() && Some(answer.status) != accepted {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(miette!("{path} answered {}: {text}", answer.status));
    }
    Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// A new namespace with a service account, as pods need it; gives its name.
pub(super) async fn make_namespace(target: &Target) -> Result<String> {
    let name = format!("bench-{:08x}", rand::random::<u32>());
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    must(target, Call::post("/api/v1/namespaces".into(), body.to_string()), None).await?;
    let body =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
    must(target, Call::post(path, body.to_string()), Some(StatusCode::CONFLICT)).await?;
    Ok(name)
}

/// Removes the namespace and what the benchmark put into it.
pub(super) async fn remove_namespace(target: &Target, name: &str) -> Result<()> {
    for path in
        [format!("/api/v1/namespaces/{name}/configmaps"), format!("/api/v1/namespaces/{name}")]
    {
        delete(target, path).await?;
    }
    Ok(())
}

/// Deletes without grace.
pub(super) async fn delete(target: &Target, path: String) -> Result<()> {
    let body = r#"{"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0}"#;
    let body = Bytes::from_static(body.as_bytes());
    let call = Call::new(Method::DELETE, path, Some("application/json"), body);
    must(target, call, Some(StatusCode::NOT_FOUND)).await.map(|_| ())
}

/// How an object's name stands in an answer.
pub(super) fn named(name: &str) -> String {
    format!(r#""name":"{name}""#)
}

/// A ConfigMap with 1 KiB of data, and `sent` beside it when it is given.
pub(super) fn config_map(name: &str, sent: Option<u64>) -> String {
    let fill = "x".repeat(DATA_BYTES);
    let mut data = json!({"fill": fill});
    if let Some(sent) = sent {
        data["sent"] = sent.to_string().into();
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
        .to_string()
}

/// Makes ConfigMaps `{prefix}-0` to `{prefix}-{count-1}`.
pub(super) async fn fill(
    target: &Arc<Target>,
    namespace: &str,
    prefix: &'static str,
    count: u64,
) -> Result<()> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let made = closed_loop(target, FILL_WRITERS, Limit::Count(count), move |n| {
        Call::post(path.clone(), config_map(&format!("{prefix}-{n}"), None))
    })
    .await?;
    match made.first_error {
        Some(error) => Err(miette!("{} of {count} objects were not made: {error}", made.errors)),
        None => Ok(()),
    }
}

/// Name of the leader, as any member that answers tells it.
pub(super) async fn leader_of(target: &Target) -> Result<String> {
    let status = must(target, Call::get("/reddwarf/status".into()), None).await?;
    let members = status["members"].as_array().cloned().unwrap_or_default();
    let leader = members.iter().find(|m| m["role"] == "leader").and_then(|m| m["name"].as_str());
    leader.map(str::to_owned).ok_or_else(|| miette!("no member says that it leads"))
}
