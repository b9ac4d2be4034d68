//! Answers of the verbs, and how they are written out.

use crate::errors::internal;
use crate::http::accept::{Accept, Representation};
use crate::http::body::ApiBody;
use crate::http::yaml::to_yaml;
use crate::list::ListAnswer;
use crate::registry::Kind;
use crate::representation::{self, TableOptions};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, USER_AGENT, VARY, WARNING, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use reddwarf_core::Status;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Answers at least this large are compressed for clients that ask for it, as upstream does.
pub const GZIP_BYTES_MIN: usize = 128 * 1024;

/// What is answered.
pub enum Content {
    /// An object in its storage version, with its revision.
    Object(Arc<Kind>, Bytes),
    /// An object of another kind (a `Scale`, a review), or a discovery document.
    Value(Value),
    /// A JSON document that is written as it is.
    Json(Bytes),
    /// A list.
    List(ListAnswer),
    /// A `Status`.
    Status(Box<Status>),
    /// The frames of a watch.
    Watch(BoxStream<'static, Bytes>),
    /// Plain text.
    Text(String),
    /// No body, and no content type.
    Empty,
}

/// An answer before it is written out.
pub struct Answer {
    /// HTTP status code.
    pub code: StatusCode,
    /// What is answered.
    pub content: Content,
    /// Texts of `Warning` headers.
    pub warnings: Vec<String>,
    /// Other headers, over those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// 200.
    pub fn ok(content: Content) -> Self {
        Answer { code: StatusCode::OK, content, warnings: Vec::new(), headers: Vec::new() }
    }

    /// With another code.
    pub fn code(mut self, code: StatusCode) -> Self {
        self.code = code;
        self
    }

    /// With a header; a value that cannot stand in one is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// With warnings.
    pub fn warn(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }
}

impl From<Box<Status>> for Answer {
    fn from(status: Box<Status>) -> Self {
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::OK);
        Answer::ok(Content::Status(status)).code(code)
    }
}

/// What of a request shapes the form of its answer.
#[derive(Clone, Copy)]
pub struct Form {
    /// The negotiated form.
    pub accept: Accept,
    /// `pretty` was asked for.
    pub pretty: bool,
    /// How a table shows its objects.
    pub table: TableOptions,
    /// The client takes gzip.
    pub gzip: bool,
}

/// Lists of more items are made into another form on a thread on which no request waits, and no
/// heartbeat of the group.
const INLINE_ITEMS_MAX: usize = 128;
/// Lists that are made into another form at a time.
const RENDERINGS_MAX: usize = 2;
static RENDERINGS: Semaphore = Semaphore::const_new(RENDERINGS_MAX);

/// Writes an answer out, aside when that takes long.
pub async fn render_aside(answer: Answer, form: Form) -> Response<ApiBody> {
    let long =
        |list: &ListAnswer| list.items.len() > INLINE_ITEMS_MAX && !form.is_stored(&list.kind);
    if !matches!(&answer.content, Content::List(list) if long(list)) {
        return render(answer, form);
    }
    let _place = RENDERINGS.acquire().await;
    let rendered = tokio::task::spawn_blocking(move || render(answer, form)).await;
    rendered.unwrap_or_else(|error| render(internal(error).into(), form))
}

/// Whether a client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT_ENCODING).iter().any(|v| {
        v.to_str().is_ok_and(|v| v.split(',').any(|e| e.trim().split(';').next() == Some("gzip")))
    })
}

impl Form {
    /// Whether objects of `kind` are answered as they are stored.
    fn is_stored(&self, kind: &Kind) -> bool {
        let plain = matches!(self.accept.representation, Representation::Full);
        plain && !self.accept.yaml && !self.pretty && !kind.converts()
    }
}

/// Whether an answer is indented: `pretty=true`, or a client that people read from.
pub fn wants_pretty(parameter: Option<bool>, headers: &HeaderMap) -> bool {
    parameter.unwrap_or_else(|| {
        let agent = headers.get(USER_AGENT).and_then(|a| a.to_str().ok()).unwrap_or_default();
        ["curl", "Wget", "Mozilla/5.0"].iter().any(|a| agent.starts_with(a))
    })
}

/// Writes an answer out.
pub fn render(answer: Answer, form: Form) -> Response<ApiBody> {
    let Answer { code, content, warnings, headers: extra } = answer;
    let retry_after = match &content {
        Content::Status(status) => status.details.as_ref().map_or(0, |d| d.retry_after_seconds),
        _ => 0,
    };
    let (body, media) = body_of(content, form);
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    if !media.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    if media == TEXT {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if retry_after > 0 {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    warnings.iter().for_each(|text| warn(headers, text));
    for (name, value) in extra {
        headers.insert(name, value);
    }
    compress(response, form.gzip)
}

/// Adds a `Warning` header.
pub fn warn(headers: &mut HeaderMap, text: &str) {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        headers.append(WARNING, value);
    }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const YAML: &str = "application/yaml";
/// By its parameters clients tell aggregated discovery from the plain one.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn body_of(content: Content, form: Form) -> (ApiBody, &'static str) {
    let as_is = form.accept == Accept::default() && !form.pretty;
    match content {
        Content::Text(text) => (ApiBody::full(text), TEXT),
        Content::Empty => (ApiBody::full(Bytes::new()), ""),
        Content::Watch(stream) => (ApiBody::Stream(stream), JSON),
        Content::Json(bytes) if as_is => (ApiBody::full(bytes), JSON),
        Content::Json(bytes)
            if form.accept.representation == Representation::Aggregated
                && !form.accept.yaml
                && !form.pretty =>
        {
            (ApiBody::full(bytes), AGGREGATED)
        }
        Content::Json(bytes) => document(&representation::parse(&bytes), form),
        Content::Status(status) => match serde_json::to_value(&*status) {
            Ok(value) => document(&value, form),
            Err(_) => (ApiBody::full("{}"), JSON),
        },
        Content::Value(value) => {
            let value = representation::of_no_kind(value, form.accept.representation, &form.table);
            let (body, media) = document(&value, form);
            let aggregated = form.accept.representation == Representation::Aggregated;
            let found = aggregated && value["kind"] == "APIGroupDiscoveryList";
            (body, if found { AGGREGATED } else { media })
        }
        Content::Object(kind, bytes) => {
            if form.is_stored(&kind) {
                return (ApiBody::full(bytes), JSON);
            }
            let object = representation::shown(&kind, &bytes);
            document(
                &representation::one(&kind, object, form.accept.representation, &form.table),
                form,
            )
        }
        Content::List(list) => {
            if form.is_stored(&list.kind) {
                return (list.into_body(), JSON);
            }
            let value = representation::list(&list, form.accept.representation, &form.table);
            document(&value, form)
        }
    }
}

fn document(value: &Value, form: Form) -> (ApiBody, &'static str) {
    if form.accept.yaml {
        return (ApiBody::full(to_yaml(value)), YAML);
    }
    if form.pretty {
        let mut text = format!("{value:#}");
        text.push('\n');
        return (ApiBody::full(text), JSON);
    }
    (ApiBody::full(value.to_string()), JSON)
}

fn compress(response: Response<ApiBody>, asked: bool) -> Response<ApiBody> {
    let (mut parts, body) = response.into_parts();
    let body = match body {
        ApiBody::Chunks(chunks)
            if asked && chunks.iter().map(Bytes::len).sum::<usize>() >= GZIP_BYTES_MIN =>
        {
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
            ApiBody::Stream(gzip(chunks).boxed())
        }
        body => body,
    };
    Response::from_parts(parts, body)
}

/// The compressed body, made on a thread on which no request waits. Should that thread fail,
/// the body is cut short, which the client's decoder reports.
fn gzip(chunks: VecDeque<Bytes>) -> impl Stream<Item = Bytes> + Send + 'static {
    let compressed = async move {
        let done = tokio::task::spawn_blocking(move || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
            chunks.iter().try_for_each(|chunk| encoder.write_all(chunk))?;
            encoder.finish()
        });
        match done.await {
            Ok(Ok(compressed)) => Some(Bytes::from(compressed)),
            Ok(Err(error)) => {
                tracing::error!(%error, "compressing an answer failed");
                None
            }
            Err(error) => {
                tracing::error!(%error, "compressing an answer failed");
                None
            }
        }
    };
    stream::once(compressed).filter_map(std::future::ready)
}
