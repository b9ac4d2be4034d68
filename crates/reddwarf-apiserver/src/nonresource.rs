//! Paths outside of the resources: version, health, discovery, OpenAPI.

mod health;

pub use health::Check;

use crate::errors::{method_not_allowed, no_such_resource};
use crate::http::accept::{Offer, negotiate, unavailable_representation};
use crate::http::answer::{Answer, Content};
use crate::http::{Accept, ApiBody, Query, Representation};
use crate::registry::Document;
use crate::server::ApiServer;
use crate::{discovery, openapi, token};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use reddwarf_core::Status;
use serde_json::{Value, json};
use std::sync::Arc;

type Handler = dyn Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync;

/// A path (and all below it) that someone else serves to the users who get in.
#[derive(Clone)]
pub struct Route {
    path: String,
    handler: Arc<Handler>,
}

impl Route {
    /// Serves `path` and what is below it by `handler`.
    pub fn new<F>(path: &str, handler: F) -> Self
    where
        F: Fn(Request<Bytes>) -> BoxFuture<'static, Response<Bytes>> + Send + Sync + 'static,
    {
        Route { path: path.to_owned(), handler: Arc::new(handler) }
    }

    /// Whether a path is this route's.
    pub fn serves(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Calls the handler.
    pub async fn call(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response<ApiBody> {
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        (self.handler)(request).await.map(ApiBody::full)
    }
}

/// Serves one of the server's own paths.
///
/// # Errors
/// The failure to be answered.
pub async fn serve(
    server: &ApiServer,
    method: &Method,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
) -> Result<(Answer, Accept), Box<Status>> {
    let text = |answer: Answer| Ok((answer, Accept::default()));
    if let Some((endpoint, check)) = health::endpoint(path) {
        return text(health::serve(server, endpoint, check, query).await);
    }
    match path {
        "/.well-known/openid-configuration" | "/openid/v1/jwks" => {
            return text(token_discovery(server, path));
        }
        "/version" => return version(server, method, headers),
        "/" => return Ok((Answer::ok(Content::Value(paths(server))), Accept::default())),
        _ => {}
    }
    if path.starts_with("/openapi/") {
        return text(openapi_document(server, path, query, headers));
    }
    let Some(found) = discovered(server, path, headers)? else {
        return text(not_found());
    };
    if *method == Method::HEAD {
        return Err(method_not_allowed());
    }
    Ok(found)
}

fn not_found() -> Answer {
    Answer::ok(Content::Text("404 page not found\n".into())).code(StatusCode::NOT_FOUND)
}

fn version(
    server: &ApiServer,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(Answer, Accept), Box<Status>> {
    if *method != Method::GET {
        return Err(method_not_allowed());
    }
    let asked = headers.get(ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or("*/*");
    if !asked.split(',').any(|a| a.contains("application/json") || a.contains("*/*")) {
        return Err(Box::new(unavailable_representation("application/json")));
    }
    Ok((Answer::ok(Content::Value(server.config().version.clone())), Accept::default()))
}

fn discovered(
    server: &ApiServer,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<(Answer, Accept)>, Box<Status>> {
    let registry = &*server.registry();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let plain = |value: Option<Value>| -> Result<Option<(Answer, Accept)>, Box<Status>> {
        let Some(value) = value else { return Ok(None) };
        let accept = negotiate(headers, Offer::Discovery)?;
        Ok(Some((Answer::ok(Content::Value(value)), accept)))
    };
    match parts.as_slice() {
        ["api"] | ["apis"] => {
            let core = parts == ["api"];
            let accept = negotiate(headers, Offer::Discovery)?;
            let answer = match (accept.representation, core) {
                (Representation::Aggregated, _) => {
                    aggregated(discovery::aggregated(registry, core), headers)
                }
                (_, true) => Answer::ok(Content::Value(discovery::api_versions(
                    registry,
                    &server.config().server_address,
                ))),
                (_, false) => Answer::ok(Content::Kept(discovery::groups(registry).clone())),
            };
            Ok(Some((answer, accept)))
        }
        ["apis", group] => plain(discovery::group(registry, group)),
        ["api", version] => match discovery::resources(registry, "", version) {
            None => Err(no_such_resource()),
            some => plain(some),
        },
        ["apis", group, version] => match discovery::resources(registry, group, version) {
            None if registry.has_builtin_group(group) => Err(no_such_resource()),
            other => plain(other),
        },
        _ => Ok(None),
    }
}

/// Aggregated discovery, which clients keep as long as its tag stays the same.
fn aggregated(document: &Arc<Document>, headers: &HeaderMap) -> Answer {
    let tag = format!("\"{}\"", document.hash);
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let answer = match known {
        true => Answer::ok(Content::Empty).code(StatusCode::NOT_MODIFIED),
        false => Answer::ok(Content::Kept(document.clone())),
    };
    answer.header(ETAG, &tag).header(VARY, "Accept").header(CACHE_CONTROL, "public")
}

/// What others need to check the tokens of service accounts.
fn token_discovery(server: &ApiServer, path: &str) -> Answer {
    let (document, media) = match path {
        "/openid/v1/jwks" => {
            let keys = server.tokens().public(&server.store().view());
            (token::key_set(keys), "application/jwk-set+json")
        }
        _ => (token::configuration(&server.config().server_address), "application/json"),
    };
    Answer::ok(Content::Json(document.to_string().into()))
        .header(CONTENT_TYPE, media)
        .header(CACHE_CONTROL, "public, max-age=3600")
}

fn openapi_document(server: &ApiServer, path: &str, query: &Query, headers: &HeaderMap) -> Answer {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let answered = openapi::respond(
        &server.registry(),
        path,
        query.text("hash"),
        text(ACCEPT),
        text(IF_NONE_MATCH),
    );
    let Some(answered) = answered else { return not_found() };
    let content = match answered.body {
        openapi::Body::None => Content::Empty,
        openapi::Body::Kept(document) => Content::Kept(document),
        openapi::Body::Json(json) => Content::Json(json),
        openapi::Body::Protobuf(bytes) => Content::Bytes(openapi::PROTOBUF, bytes),
    };
    let code = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let answer = Answer::ok(content).code(code);
    answered
        .headers
        .iter()
        .fold(answer, |answer, (name, value)| answer.header(HeaderName::from_static(name), value))
}

/// `/`: the paths that there are.
fn paths(server: &ApiServer) -> Value {
    let mut paths: Vec<String> =
        ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/apis/"]
            .map(str::to_owned)
            .into();
    for kind in server.registry().kinds().filter(|k| !k.group.is_empty()) {
        let group = format!("/apis/{}", kind.group);
        paths.extend([format!("{group}/{}", kind.version), group]);
    }
    for endpoint in ["/healthz", "/livez", "/readyz"] {
        paths.push(endpoint.to_owned());
        paths.extend(health::names(server, endpoint).map(|name| format!("{endpoint}/{name}")));
    }
    let documents = ["/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/version"];
    paths.extend(documents.map(str::to_owned));
    paths.extend(server.config().routes.iter().map(|r| r.path.clone()));
    paths.sort();
    paths.dedup();
    json!({"paths": paths})
}
