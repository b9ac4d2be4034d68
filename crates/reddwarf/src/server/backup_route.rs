//! `/reddwarf/backup`: this member's state for an administrator, part by part.

use super::api::{answer, failed};
use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response};
use reddwarf_apiserver::nonresource::Route;
use reddwarf_raft::{BackupHead, Node};
use serde_json::json;
use std::sync::Arc;

/// Without a query it begins a backup and says of what; with `backup=NUMBER&part=N` it gives a part of
/// it, beginning with 0, and nothing after the last. The parts come from the member that began it.
pub(super) fn route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/backup", move |request: Request<Bytes>| {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let (mut number, mut part) = (None, None);
        for (name, value) in query {
            match &*name {
                "backup" => number = value.parse().ok(),
                "part" => part = value.parse().ok(),
                _ => {}
            }
        }
        let node = node.clone();
        async move {
            match (number, part) {
                (Some(number), Some(part)) => match node.backup_part(number, part).await {
                    Ok(bytes) => answer("application/octet-stream", bytes),
                    Err(why) => unavailable(&why),
                },
                _ => match node.begin_backup().await {
                    Ok((number, head)) => begun(number, &head),
                    Err(error) => unavailable(&error.to_string()),
                },
            }
        }
        .boxed()
    })
}

fn begun(number: u64, head: &BackupHead) -> Response<Bytes> {
    let body = json!({
        "backup": number.to_string(),
        "cluster": head.cluster_id,
        "index": head.index,
        "revision": head.revision,
        "root": head.root,
    });
    answer("application/json", body.to_string().into())
}

fn unavailable(why: &str) -> Response<Bytes> {
    let mut response = failed(why);
    *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    response
}
