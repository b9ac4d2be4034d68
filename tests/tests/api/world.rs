//! A server over a store in memory, as clients see it.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::ApiServer;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::http::ApiBody;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;

/// A server over an empty store in memory with a namespace `shop`, and clients of it.
pub struct World(pub ApiServer);

impl World {
    /// A world.
    pub async fn new() -> World {
        let world = World(server(MemoryStore::new(), "127.0.0.1:6443".into()));
        world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
        world
    }

    /// Sends a request as a user; the code and the body of the answer.
    pub async fn send(
        &self,
        user: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (u16, Value) {
        let response = self.response(user, method, path, headers, body).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn response(
        &self,
        user: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Response<ApiBody> {
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(body)).expect("a request");
        let group = if user == "nobody" { "system:authenticated" } else { "system:masters" };
        let user = UserInfo::named(user, vec![group.to_owned()]);
        request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
        self.0.handle(request).await
    }

    /// Opens a watch.
    pub async fn open(&self, user: &str, path: &str) -> ApiBody {
        let response = self.response(user, Method::GET, path, &[], None).await;
        assert_eq!(response.status(), 200, "{path}");
        response.into_body()
    }

    /// Sends a request that must succeed.
    pub async fn ok(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let patch = [("content-type", "application/merge-patch+json")];
        let headers = if method == Method::PATCH { &patch[..] } else { &[] };
        let (code, answer) = self.send("ann", method, path, headers, body).await;
        assert!(code < 300, "{path}: {code} {answer}");
        answer
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Value {
        self.ok(Method::GET, path, None).await
    }

    /// Creates.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.ok(Method::POST, path, Some(body)).await
    }

    /// Merge-patches.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.ok(Method::PATCH, path, Some(body)).await
    }

    /// Sends a request that must be refused with this code; the message.
    pub async fn refused(&self, method: Method, path: &str, code: u16) -> String {
        let (found, answer) = self.send("ann", method, path, &[], None).await;
        assert_eq!(found, code, "{path}: {answer}");
        answer["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// The `resourceVersion` of an object or list.
pub fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().expect("a version")
}

/// The names of the items of a list.
pub fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list");
    items.iter().map(|item| item["metadata"]["name"].as_str().expect("a name")).collect()
}
