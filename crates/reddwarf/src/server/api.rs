//! The API server of a member, with the paths and checks that the program adds.

use super::backup_route;
use super::backup_schedule::BackupMetrics;
use super::certificates;
use super::members;
use super::reception::{self, Reception};
use super::upgrade;
use crate::certificates::Renewal;
use crate::config::Config;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry as MetricRegistry;
use reddwarf_apiserver::admission::builtin_chain;
use reddwarf_apiserver::nonresource::{Check, Route};
use reddwarf_apiserver::registry::LiveRegistry;
use reddwarf_apiserver::{ApiConfig, ApiServer};
use reddwarf_core::{Collection, CommitRef, Floors};
use reddwarf_raft::{Node, RowsUsage, Usage};
use reddwarf_scheduler as scheduler;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The Kubernetes version whose API is served.
const KUBERNETES: &str = "1.36.2";

/// Puts the API server together; also gives what the scheduler and the backups count with.
pub(super) fn server(
    config: &Config,
    node: &Arc<Node>,
    reception: &Arc<Reception>,
    renewal: &Arc<Renewal>,
    stopping: CancellationToken,
) -> (ApiServer, scheduler::Metrics, BackupMetrics) {
    let mut metrics = MetricRegistry::default();
    node.metrics().register(&mut metrics);
    renewal.metrics().register(&mut metrics);
    let scheduler_metrics = scheduler::Metrics::register(&mut metrics);
    let backup_metrics = BackupMetrics::register(&mut metrics);
    let metrics = Arc::new(Mutex::new(metrics));
    let server = ApiServer::new(ApiConfig {
        store: node.store(),
        registry: Arc::new(LiveRegistry::builtin()),
        chain: Arc::new(builtin_chain()),
        checks: checks(node, stopping),
        version: version(),
        server_address: config.advertise.clone(),
        routes: vec![
            metrics_route(metrics.clone()),
            status_route(node),
            roots_route(node),
            verify_route(node),
            du_route(node),
            members::route(node),
            members::leader_route(node),
            upgrade::route(node),
            certificates::route(&config.name, renewal),
            reception::authority_route(reception),
            reception::join_route(reception),
            backup_route::route(node),
        ],
    });
    server.metrics().register(&mut metrics.lock());
    (server, scheduler_metrics, backup_metrics)
}

fn checks(node: &Arc<Node>, stopping: CancellationToken) -> Vec<Check> {
    let shutdown = move || {
        let stopping = stopping.is_cancelled();
        async move { if stopping { Err("the member is stopping".to_owned()) } else { Ok(()) } }
            .boxed()
    };
    let barrier = {
        let node = node.clone();
        move || -> BoxFuture<'static, Result<(), String>> {
            let node = node.clone();
            async move { node.ready().await.map_err(|error| error.to_string()) }.boxed()
        }
    };
    let state = {
        let store = node.store();
        move || {
            let refusal = store.refusal();
            async move { refusal.map_or(Ok(()), Err) }.boxed()
        }
    };
    let disk = {
        let node = node.clone();
        move || {
            let full = node.disk_full();
            async move { if full { Err("its disk is full".to_owned()) } else { Ok(()) } }.boxed()
        }
    };
    let first_objects = {
        let store = node.store();
        // What people need first: a namespace to work in, the account that pods in it run as, and
        // the namespace of the tokens by which machines join.
        let keys = [
            Collection::new("", "namespaces").key("", "default"),
            Collection::new("", "namespaces").key("", "kube-system"),
            Collection::new("", "serviceaccounts").key("default", "default"),
        ];
        move || {
            let view = store.view();
            let there = keys.iter().all(|key| view.get(key).is_some());
            async move {
                if there { Ok(()) } else { Err("the first objects are not there yet".to_owned()) }
            }
            .boxed()
        }
    };
    vec![
        Check::ready("shutdown", shutdown),
        Check::ready("state", state),
        Check::ready("disk", disk),
        Check::ready("read-index", barrier),
        Check::ready("poststarthook/bootstrap", first_objects),
    ]
}

fn version() -> Value {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35",
        "gitVersion": format!("v{KUBERNETES}+reddwarf.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "unknown", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc", "platform": format!("{os}/{arch}"),
    })
}

fn metrics_route(metrics: Arc<Mutex<MetricRegistry>>) -> Route {
    Route::new("/metrics", move |_: Request<Bytes>| {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &metrics.lock());
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        async move { answer(kind, text.into()) }.boxed()
    })
}

fn status_route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/status", move |_: Request<Bytes>| {
        let node = node.clone();
        async move {
            let status = serde_json::to_vec(&node.status().await);
            answer("application/json", status.unwrap_or_default().into())
        }
        .boxed()
    })
}

/// `/reddwarf/roots?since=INDEX`: `{"roots":[{"index":N,"root":"HEX"},…]}`.
fn roots_route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/roots", move |request: Request<Bytes>| {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let since = query.filter(|(name, _)| name == "since").find_map(|(_, v)| v.parse().ok());
        let roots = node.recent_roots(since.unwrap_or(0)).into_iter();
        let roots: Vec<Value> =
            roots.map(|(index, root)| json!({"index": index, "root": root})).collect();
        let body = json!({"roots": roots}).to_string();
        async move { answer("application/json", body.into()) }.boxed()
    })
}

/// `/reddwarf/verify?against=ID`: reads this member's whole history and says what is wrong with it.
fn verify_route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/verify", move |request: Request<Bytes>| {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let against = query.filter(|(name, _)| name == "against").map(|(_, id)| id.parse()).next();
        let node = node.clone();
        async move {
            let wanted = match against {
                None => None,
                Some(Ok(CommitRef::Id(id))) => Some(id),
                Some(_) => return failed("against: the whole id of a commit is needed"),
            };
            match node.verify(wanted).await {
                Err(error) => failed(&error.to_string()),
                Ok(verified) => {
                    let (head, revision) = verified.head;
                    let body = json!({
                        "commits": verified.commits,
                        "versions": verified.versions,
                        "objects": verified.objects,
                        "squashed": verified.squashed,
                        "excised": verified.excised,
                        "head": head.to_string(),
                        "revision": revision.to_string(),
                        "found": verified.found.map(|found| found.to_string()),
                        "problems": verified.problems,
                    });
                    answer("application/json", body.to_string().into())
                }
            }
        }
        .boxed()
    })
}

/// `/reddwarf/du`: what this member's file holds, by kind.
fn du_route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/du", move |_: Request<Bytes>| {
        let node = node.clone();
        async move {
            let floors = node.store().view().floors;
            match node.usage().await {
                Err(error) => failed(&error.to_string()),
                Ok((usage, file, used)) => {
                    let body = du(&usage, &floors, file, used).to_string();
                    answer("application/json", body.into())
                }
            }
        }
        .boxed()
    })
}

fn du(usage: &Usage, floors: &Floors, file: u64, used: u64) -> Value {
    let rows = |usage: RowsUsage| json!({"rows": usage.rows, "bytes": usage.bytes});
    let kinds = usage.kinds.iter().map(|(collection, kind)| {
        let (group, resource) = collection.split_once('/').unwrap_or_default();
        let dot = if group.is_empty() { "" } else { "." };
        let since = floors.of_collection(&Collection::new(group, resource), None);
        json!({
            "resource": format!("{resource}{dot}{group}"),
            "current": rows(kind.current),
            "past": rows(kind.past),
            "since": since.to_string(),
        })
    });
    json!({
        "kinds": kinds.collect::<Vec<_>>(),
        "commits": rows(usage.commits),
        "fileBytes": file,
        "usedBytes": used,
        "since": floors.all.to_string(),
    })
}

/// An answer that says what went wrong.
pub(super) fn failed(why: &str) -> Response<Bytes> {
    answer("application/json", json!({"error": why}).to_string().into())
}

/// A refusal as clients of Kubernetes read it.
pub(super) fn refused(code: StatusCode, why: &str) -> Response<Bytes> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": why, "code": code.as_u16(),
    });
    let mut response = answer("application/json", status.to_string().into());
    *response.status_mut() = code;
    response
}

/// An answer of one kind of content.
pub(super) fn answer(kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
