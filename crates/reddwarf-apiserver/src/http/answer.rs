//! Answers of the verbs, and how they are written out.

use super::accept::{Accept, Representation};
use super::body::{ApiBody, CutShort};
use super::gzip::{GZIP_BYTES_MIN, compress, pack, say_packed};
use super::warning::warn;
use super::yaml::to_yaml;
use crate::errors::internal;
use crate::list::{ListAnswer, Rendering, Syntax, WHOLE_BYTES_MAX};
use crate::registry::{Document, Kind};
use crate::representation::{self, TableOptions};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Response, StatusCode};
use reddwarf_core::Status;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// What is answered.
pub enum Content {
    /// An object in its storage version, with its revision.
    Object(Arc<Kind>, Bytes),
    /// An object in the version of its kind, where a webhook had to say how it looks there.
    Shown(Arc<Kind>, Value),
    /// An object of another kind (a `Scale`, a review), or a discovery document.
    Value(Value),
    /// A JSON document that is written as it is.
    Json(Bytes),
    /// The same, of a document that is kept and sent to many.
    Kept(Arc<Document>),
    /// Bytes of another media type.
    Bytes(&'static str, Bytes),
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
#[derive(Clone, Copy, Default)]
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
/// heartbeat of the group; so many at a time.
const INLINE_ITEMS_MAX: usize = 128;
/// Pieces of such lists that are made at a time.
const RENDERINGS_MAX: usize = 2;
static RENDERINGS: Semaphore = Semaphore::const_new(RENDERINGS_MAX);

/// Writes an answer out, aside when that takes long.
pub async fn render_aside(answer: Answer, form: Form) -> Response<ApiBody> {
    match answer {
        Answer { code, content: Content::List(list), warnings, headers }
            if list.items.len() > INLINE_ITEMS_MAX && !form.is_stored(&list.kind) =>
        {
            let body = long_list(form.rendering(list)).await;
            let known = Answer { code, content: Content::Empty, warnings, headers };
            match body {
                Ok(body) => written(known, body, form.media(), form.gzip),
                Err(status) => render(status.into(), form),
            }
        }
        answer => render(answer, form),
    }
}

/// A list in another form: whole when it is short after all, else as the connection takes it.
async fn long_list(mut rendering: Rendering) -> Result<ApiBody, Box<Status>> {
    let mut begun = String::new();
    while begun.len() <= WHOLE_BYTES_MAX {
        let piece;
        (rendering, piece) = next_piece(rendering).await.map_err(internal)?;
        match piece {
            Some(piece) => begun.push_str(&piece),
            None => return Ok(ApiBody::full(begun)),
        }
    }
    let rest = stream::unfold(Some(rendering), |rendering| async {
        match next_piece(rendering?).await {
            Ok((rendering, piece)) => Some((Ok(Bytes::from(piece?)), Some(rendering))),
            Err(error) => {
                tracing::error!(%error, "making a list failed");
                Some((Err(CutShort::Failed), None))
            }
        }
    });
    Ok(ApiBody::Stream(stream::iter([Ok(Bytes::from(begun))]).chain(rest).boxed()))
}

async fn next_piece(mut rendering: Rendering) -> Result<(Rendering, Option<String>), JoinError> {
    let _place = RENDERINGS.acquire().await;
    tokio::task::spawn_blocking(move || {
        let piece = rendering.next(INLINE_ITEMS_MAX);
        (rendering, piece)
    })
    .await
}

impl Form {
    /// Whether objects of `kind` are answered as they are stored.
    fn is_stored(&self, kind: &Kind) -> bool {
        let plain = matches!(self.accept.representation, Representation::Full);
        plain && !self.accept.yaml && !self.pretty && !kind.converts()
    }

    fn syntax(&self) -> Syntax {
        match (self.accept.yaml, self.pretty) {
            (true, _) => Syntax::Yaml,
            (false, true) => Syntax::Indented,
            (false, false) => Syntax::Json,
        }
    }

    fn media(&self) -> &'static str {
        if self.accept.yaml { YAML } else { JSON }
    }

    /// The media type of a JSON document that goes out as it is; `None` where it is rewritten.
    fn media_as_written(&self) -> Option<&'static str> {
        match self.accept.representation {
            _ if self.accept.yaml || self.pretty => None,
            Representation::Full => Some(JSON),
            Representation::Aggregated => Some(AGGREGATED),
            _ => None,
        }
    }

    fn rendering(&self, list: ListAnswer) -> Rendering {
        Rendering::new(list, self.accept.representation, self.table, self.syntax())
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
pub fn render(mut answer: Answer, form: Form) -> Response<ApiBody> {
    let content = std::mem::replace(&mut answer.content, Content::Empty);
    if let Content::Status(status) = &content {
        let seconds = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        if seconds > 0 {
            answer.headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
        }
    }
    if let (Content::Kept(document), Some(media)) = (&content, form.media_as_written())
        && form.gzip
        && document.bytes.len() >= GZIP_BYTES_MIN
    {
        let body = ApiBody::full(document.packed(pack));
        return say_packed(written(answer, body, media, false));
    }
    let gzip = form.gzip && !matches!(content, Content::Watch(_));
    let (body, media) = body_of(content, form);
    written(answer, body, media, gzip)
}

/// The answer, whose content has become `body`.
fn written(answer: Answer, body: ApiBody, media: &'static str, gzip: bool) -> Response<ApiBody> {
    let mut response = Response::new(body);
    *response.status_mut() = answer.code;
    let headers = response.headers_mut();
    if !media.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    if media == TEXT {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    warn(headers, answer.warnings.iter().map(String::as_str));
    for (name, value) in answer.headers {
        headers.insert(name, value);
    }
    if gzip { compress(response) } else { response }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const YAML: &str = "application/yaml";
/// By its parameters clients tell aggregated discovery from the plain one.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn body_of(content: Content, form: Form) -> (ApiBody, &'static str) {
    match content {
        Content::Text(text) => (ApiBody::full(text), TEXT),
        Content::Empty => (ApiBody::full(Bytes::new()), ""),
        Content::Bytes(media, bytes) => (ApiBody::full(bytes), media),
        Content::Watch(stream) => (ApiBody::stream(stream), JSON),
        Content::Kept(document) => body_of(Content::Json(document.bytes.clone()), form),
        Content::Json(bytes) => match form.media_as_written() {
            Some(media) => (ApiBody::full(bytes), media),
            None => document(&representation::parse(&bytes), form),
        },
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
        Content::Object(kind, bytes) if form.is_stored(&kind) => (ApiBody::full(bytes), JSON),
        Content::Object(kind, bytes) => {
            let object = representation::shown(&kind, &bytes);
            body_of(Content::Shown(kind, object), form)
        }
        Content::Shown(kind, object) => {
            let form_of = form.accept.representation;
            document(&representation::one(&kind, object, form_of, &form.table), form)
        }
        Content::List(list) => {
            if form.is_stored(&list.kind) {
                return (list.into_body(), JSON);
            }
            (ApiBody::full(form.rendering(list).whole()), form.media())
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
