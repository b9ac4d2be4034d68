//! `/reddwarf/upgrade`: raises the group's feature level.

use super::api::{answer, refused};
use super::members::not_changed;
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, StatusCode};
use reddwarf_apiserver::nonresource::Route;
use reddwarf_raft::Node;
use serde_json::json;
use std::sync::Arc;

/// Serves `POST /reddwarf/upgrade`.
pub(super) fn route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new("/reddwarf/upgrade", move |request: Request<Bytes>| {
        let node = node.clone();
        async move {
            if request.method() != Method::POST {
                let why = "the feature level is raised by POST; `/reddwarf/status` shows it";
                return refused(StatusCode::METHOD_NOT_ALLOWED, why);
            }
            match node.raise_level().await {
                Ok(level) => answer("application/json", json!({"level": level}).to_string().into()),
                Err(error) => not_changed(&error),
            }
        }
        .boxed()
    })
}
