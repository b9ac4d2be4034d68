//! `/reddwarf/members/NAME`: lets a member go; `/reddwarf/leader`: lets another lead.

use super::api::{answer, refused};
use bytes::Bytes;
use futures::FutureExt;
use http::{Method, Request, Response, StatusCode};
use reddwarf_apiserver::nonresource::Route;
use reddwarf_raft::{ChangeError, Node};
use serde_json::json;
use std::sync::Arc;

const PATH: &str = "/reddwarf/members";
const LEADER_PATH: &str = "/reddwarf/leader";

/// Serves `DELETE /reddwarf/members/NAME`.
pub(super) fn route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new(PATH, move |request: Request<Bytes>| {
        let node = node.clone();
        async move {
            let name = request.uri().path().strip_prefix(PATH).unwrap_or_default();
            let name = name.trim_start_matches('/');
            if request.method() != Method::DELETE || name.is_empty() {
                let why = "members are deleted by name; `/reddwarf/status` shows them";
                return refused(StatusCode::METHOD_NOT_ALLOWED, why);
            }
            match node.remove(name).await {
                Ok(index) => {
                    let body = json!({"removed": name, "index": index}).to_string();
                    answer("application/json", body.into())
                }
                Err(error) => not_changed(&error),
            }
        }
        .boxed()
    })
}

/// Serves `POST /reddwarf/leader` and `POST /reddwarf/leader/NAME`.
pub(super) fn leader_route(node: &Arc<Node>) -> Route {
    let node = node.clone();
    Route::new(LEADER_PATH, move |request: Request<Bytes>| {
        let node = node.clone();
        async move {
            if request.method() != Method::POST {
                let why = "a POST lets another member lead; `/reddwarf/status` shows who does";
                return refused(StatusCode::METHOD_NOT_ALLOWED, why);
            }
            let name = request.uri().path().strip_prefix(LEADER_PATH).unwrap_or_default();
            let name = Some(name.trim_start_matches('/')).filter(|name| !name.is_empty());
            match node.transfer(name).await {
                Ok(leader) => {
                    answer("application/json", json!({"leader": leader}).to_string().into())
                }
                Err(error) => not_changed(&error),
            }
        }
        .boxed()
    })
}

/// The answer when the members were not changed.
pub(super) fn not_changed(error: &ChangeError) -> Response<Bytes> {
    let code = match error {
        ChangeError::Refused(_) => StatusCode::CONFLICT,
        ChangeError::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        ChangeError::NoLeader => StatusCode::SERVICE_UNAVAILABLE,
    };
    refused(code, &error.to_string())
}
