//! A request.

use bytes::Bytes;
use http::Method;
use serde_json::Value;

/// What is asked of an API server.
#[derive(Clone, Debug)]
pub struct Call {
    /// HTTP method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Media type of the body.
    pub content_type: &'static str,
    /// JSON, or nothing.
    pub body: Bytes,
}

impl Call {
    /// GET.
    pub fn get(path: impl Into<String>) -> Call {
        Call::new(Method::GET, path.into(), None)
    }

    /// POST: create.
    pub fn post(path: impl Into<String>, body: &Value) -> Call {
        Call::new(Method::POST, path.into(), Some(body))
    }

    /// PUT: update.
    pub fn put(path: impl Into<String>, body: &Value) -> Call {
        Call::new(Method::PUT, path.into(), Some(body))
    }

    /// PATCH: a merge patch.
    pub fn merge_patch(path: impl Into<String>, body: &Value) -> Call {
        let call = Call::new(Method::PATCH, path.into(), Some(body));
        Call { content_type: "application/merge-patch+json", ..call }
    }

    /// DELETE, with options.
    pub fn delete(path: impl Into<String>, options: &Value) -> Call {
        Call::new(Method::DELETE, path.into(), Some(options))
    }

    fn new(method: Method, path: String, body: Option<&Value>) -> Call {
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        Call { method, path, content_type: "application/json", body }
    }
}
