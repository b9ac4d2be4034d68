//! What a request passes before it is served: whether the member stops, how long it may take,
//! and whether there is a seat for it.

use crate::authn::anonymous;
use crate::errors::{bad_request, request_timeout};
use crate::flow::{Digest, Flow, FlowControl, Permit, Refused, list_width};
use crate::http::answer::{Answer, Content};
use crate::http::{ApiBody, CutShort, Place, Query, RequestInfo, duration};
use crate::list::ReadOptions;
use crate::metrics::FlowMetrics;
use crate::registry::Registry;
use crate::request::UserInfo;
use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt};
use http::header::RETRY_AFTER;
use http::{Method, Response, StatusCode};
use parking_lot::Mutex;
use reddwarf_core::{Status, View};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// What a server takes on at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seats of priority and fairness, for all levels together.
    pub seats: u32,
    /// How long a request may take that is no watch and no connection.
    pub request_timeout: Duration,
}

impl Default for Limits {
    /// As upstream: 400 requests that read and 200 that write, a minute each.
    fn default() -> Self {
        Limits { seats: 600, request_timeout: Duration::from_secs(60) }
    }
}

/// Of its time a request waits for a seat at most this part.
const WAIT_PART: u32 = 4;
/// Subresources whose requests last as long as their clients want.
const LASTING: [&str; 5] = ["attach", "exec", "proxy", "log", "portforward"];
/// Paths that are answered to the end.
const TO_THE_END: [&str; 5] = ["/readyz", "/livez", "/healthz", "/metrics", "/reddwarf"];
const STOPPING: &str = "The apiserver is shutting down, please try again later.";
const TOO_MANY: &str = "Too many requests, please try again later.";

/// A request as far as the gate looks at it.
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path, as it came.
    pub path: &'a str,
    /// What the path names.
    pub place: &'a Place,
    /// Its parameters.
    pub query: &'a Query,
    /// Who sends it, if that is known.
    pub user: Option<&'a UserInfo>,
}

/// The gate of a server.
pub struct Gate {
    limits: Limits,
    flows: Arc<FlowControl>,
}

/// A request that was let in.
pub struct Admitted {
    deadline: Option<Instant>,
    seat: Option<(Flow, Permit)>,
}

impl Gate {
    /// A gate of a server whose state is `view` now.
    pub fn new(limits: Limits, view: &View, metrics: FlowMetrics) -> Self {
        let flows = Arc::new(FlowControl::new(limits.seats, view, metrics));
        Gate { limits, flows }
    }

    /// Lets a request in, at once or when a seat is free.
    ///
    /// # Errors
    /// The answer to a request that is not let in.
    pub async fn admit(
        &self,
        asked: &Asked<'_>,
        registry: &Registry,
        newest: impl Fn() -> View,
    ) -> Result<Admitted, Answer> {
        let verb = asked.verb();
        let lasting = verb == "watch" || asked.is_connection();
        let deadline = match lasting {
            true => None,
            false => Some(Instant::now() + self.time_of(asked.query)?),
        };
        if asked.is_connection() {
            return Ok(Admitted { deadline, seat: None });
        }
        let user = asked.user.unwrap_or(&ANONYMOUS);
        let resource = asked.resource();
        let digest = Digest { user, verb, path: asked.path, resource };
        let flow = self.flows.classify(&newest, &digest);
        let width = match resource {
            Some(info) if matches!(verb, "list" | "watch") && !flow.is_exempt() => {
                let most = flow.width_max();
                width_of(info, verb == "watch", asked.query, registry, &newest(), most)
            }
            _ => 1,
        };
        let time = deadline.map_or(self.limits.request_timeout, |d| d - Instant::now());
        match self.flows.enter(&flow, width, time / WAIT_PART).await {
            Ok(permit) => Ok(Admitted { deadline, seat: Some((flow, permit)) }),
            Err(Refused { retry_after_seconds }) => Err(too_many(TOO_MANY, retry_after_seconds)),
        }
    }

    /// How long a request may take: the server's limit, or less when it says so.
    fn time_of(&self, query: &Query) -> Result<Duration, Box<Status>> {
        let limit = self.limits.request_timeout;
        let Some(text) = query.text("timeout") else { return Ok(limit) };
        let asked = duration::parse(text).map_err(|why| {
            bad_request(format!("invalid timeout specified in the request URL - {why}"))
        })?;
        Ok(if asked.is_zero() { limit } else { asked.min(limit) })
    }
}

static ANONYMOUS: LazyLock<UserInfo> = LazyLock::new(anonymous);

/// The answer of a member that stops, unless the path is one that it serves to the end.
pub fn stopping(path: &str) -> Option<Answer> {
    // Another member serves at once, so there is nothing to wait for.
    (!answers_to_the_end(path)).then(|| too_many(STOPPING, 1))
}

/// Whether a path tells of the member itself, and is answered whatever state that is in.
pub fn answers_to_the_end(path: &str) -> bool {
    let below = |folder: &str| {
        path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    TO_THE_END.into_iter().any(below)
}

fn too_many(text: &str, retry_after_seconds: u32) -> Answer {
    let answer = Answer::ok(Content::Text(format!("{text}\n")));
    let answer = answer.code(StatusCode::TOO_MANY_REQUESTS);
    answer.header(RETRY_AFTER, &retry_after_seconds.to_string())
}

impl Asked<'_> {
    fn resource(&self) -> Option<&RequestInfo> {
        match self.place {
            Place::Resource(info) => Some(info),
            Place::Other(_) => None,
        }
    }

    fn verb(&self) -> &'static str {
        match self.resource() {
            Some(info) => info.verb(self.method, self.query),
            None => match *self.method {
                Method::GET => "get",
                Method::HEAD => "head",
                Method::POST => "post",
                Method::PUT => "put",
                Method::PATCH => "patch",
                Method::DELETE => "delete",
                Method::OPTIONS => "options",
                _ => "",
            },
        }
    }

    fn is_connection(&self) -> bool {
        let sub = self.resource().and_then(|info| info.subresource.as_deref());
        sub.is_some_and(|sub| LASTING.contains(&sub))
    }
}

/// The seats of a list, and of a watch that begins with one.
fn width_of(
    info: &RequestInfo,
    watch: bool,
    query: &Query,
    registry: &Registry,
    view: &View,
    most: u32,
) -> u32 {
    let Some(kind) = registry.resource(&info.group, &info.version, &info.resource) else {
        return 1;
    };
    match ReadOptions::read(query, watch) {
        // It will be refused, which costs nothing.
        Err(_) => 1,
        Ok(options) if watch && options.initial_events != Some(true) => 1,
        Ok(options) => {
            let limit = options.limit.unwrap_or(usize::MAX);
            let namespace = info.namespace.as_deref();
            list_width(view, &kind.storage.collection, namespace, limit, most)
        }
    }
}

impl Admitted {
    /// Does the request's work within its time.
    pub async fn serve(
        self,
        work: impl Future<Output = Response<ApiBody>>,
    ) -> Result<Response<ApiBody>, Box<Status>> {
        let response = match self.deadline {
            None => work.await,
            Some(deadline) => {
                tokio::time::timeout_at(deadline, work).await.map_err(|_| request_timeout())?
            }
        };
        Ok(self.send(response))
    }

    fn send(self, mut response: Response<ApiBody>) -> Response<ApiBody> {
        if let Some((flow, _)) = &self.seat {
            flow.mark(response.headers_mut());
        }
        let Some(deadline) = self.deadline else { return response };
        let permit = self.seat.map(|(_, permit)| permit);
        response.map(|body| match body {
            ApiBody::Stream(stream) => {
                ApiBody::Stream(Sending::until(deadline, stream, permit).boxed())
            }
            known => known,
        })
    }
}

/// An answer that is made as it is sent: it keeps its seats, and is given up when its time is
/// over, even if the client takes nothing and the connection therefore asks for nothing.
struct Sending {
    held: Arc<Mutex<Option<Held>>>,
    alarm: AbortHandle,
}

struct Held {
    stream: BoxStream<'static, Result<Bytes, CutShort>>,
    _permit: Option<Permit>,
}

impl Sending {
    fn until(
        deadline: Instant,
        stream: BoxStream<'static, Result<Bytes, CutShort>>,
        permit: Option<Permit>,
    ) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { stream, _permit: permit })));
        let watched = Arc::downgrade(&held);
        let alarm = tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            let given_up = watched.upgrade().and_then(|held| held.lock().take());
            drop(given_up);
        });
        Sending { held, alarm: alarm.abort_handle() }
    }
}

impl Stream for Sending {
    type Item = Result<Bytes, CutShort>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self.held.lock() {
            Some(held) => held.stream.poll_next_unpin(context),
            None => Poll::Ready(Some(Err(CutShort::Time))),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.alarm.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn gate(limits: Limits) -> Gate {
        Gate::new(limits, &View::default(), FlowMetrics::default())
    }

    async fn admit(gate: &Gate, method: Method, path_and_query: &str) -> Result<Admitted, Answer> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let (place, query) = (Place::parse(path), Query::parse(Some(query)));
        let asked = Asked { method: &method, path, place: &place, query: &query, user: None };
        gate.admit(&asked, &Registry::builtin(), View::default).await
    }

    #[tokio::test]
    async fn times() {
        let gate = gate(Limits::default());
        for (path, seconds) in [
            ("/api/v1/pods", Some(60)),
            ("/api/v1/pods?timeout=5s", Some(5)),
            ("/api/v1/pods?timeout=0", Some(60)),
            ("/api/v1/pods?timeout=1h", Some(60)),
            ("/api/v1/pods?watch=1&timeout=x", None),
            ("/api/v1/watch/pods", None),
            ("/api/v1/namespaces/a/pods/p/log", None),
            ("/version", Some(60)),
        ] {
            let admitted = admit(&gate, Method::GET, path).await;
            let deadline = admitted.unwrap_or_else(|_| panic!("{path} is let in")).deadline;
            let left = deadline.map(|d| (d - Instant::now()).as_secs_f64().round() as u64);
            assert_eq!(left, seconds, "{path}");
        }
        let refused = admit(&gate, Method::GET, "/api/v1/pods?timeout=5").await;
        let Err(Answer { content: Content::Status(status), .. }) = refused else {
            panic!("it is refused")
        };
        assert_eq!(
            status.message,
            "invalid timeout specified in the request URL - time: missing unit in duration \"5\""
        );
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_given_up() {
        let gate = gate(Limits::default());
        let admitted = admit(&gate, Method::GET, "/api/v1/pods?timeout=50ms").await;
        let admitted = admitted.unwrap_or_else(|_| panic!("it is let in"));
        let Err(status) = admitted.serve(std::future::pending()).await else {
            panic!("it takes too long")
        };
        assert_eq!((status.code, status.message.starts_with("Timeout: ")), (504, true));
    }

    #[tokio::test]
    async fn a_long_answer_keeps_its_seat_until_it_is_sent_or_given_up() {
        let time = Duration::from_millis(500);
        let gate = gate(Limits { seats: 1, request_timeout: time });
        let begin = async || {
            let admitted = admit(&gate, Method::GET, "/api/v1/pods").await;
            let endless = futures::stream::repeat(Bytes::from_static(b"x"));
            let work = async { Response::new(ApiBody::stream(endless)) };
            let served = admitted.unwrap_or_else(|_| panic!("let in")).serve(work).await;
            served.unwrap_or_else(|_| panic!("in time"))
        };
        let mut sent = Vec::new();
        while let Some(response) = begin().now_or_never() {
            sent.push(response);
        }
        let seats = sent.len();
        assert!(seats > 0);
        sent.pop();
        sent.push(begin().now_or_never().expect("a seat was free again"));
        assert!(begin().now_or_never().is_none());
        tokio::time::sleep(2 * time).await;
        let later = (0..seats).filter(|_| {
            // None of the new answers is kept.
            begin().now_or_never().is_some()
        });
        assert_eq!(later.count(), seats, "those that were not taken gave up their seats");
        let ApiBody::Stream(stream) = sent.remove(0).into_body() else { panic!("a stream") };
        let last = stream.skip_while(|c| std::future::ready(c.is_ok())).next().await;
        assert_eq!(last, Some(Err(CutShort::Time)));
    }

    #[test]
    fn what_a_stopping_member_answers() {
        assert!(stopping("/readyz/ping").is_none() && stopping("/metrics").is_none());
        let answer = stopping("/api/v1/pods").expect("refused");
        assert_eq!(answer.code, StatusCode::TOO_MANY_REQUESTS);
    }
}
