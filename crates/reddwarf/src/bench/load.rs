//! A closed loop of workers, each sending its next request when the last is answered.

use super::process::CpuTime;
use super::target::Target;
use crate::client::{ClientError, Connection};
use bytes::Bytes;
use http::Method;
use miette::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// One request, and what its answer must show to count.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub content_type: Option<&'static str>,
    pub body: Bytes,
    /// What the answer must contain.
    pub wanted: Option<String>,
    /// How long the answer must be.
    pub bytes_min: usize,
}

impl Call {
    /// A GET.
    pub fn get(path: String) -> Call {
        Call::new(Method::GET, path, None, Bytes::new())
    }

    /// A POST of JSON.
    pub fn post(path: String, body: impl Into<Bytes>) -> Call {
        Call::new(Method::POST, path, Some("application/json"), body.into())
    }

    /// A merge patch.
    pub fn merge(path: String, body: impl Into<Bytes>) -> Call {
        Call::new(Method::PATCH, path, Some("application/merge-patch+json"), body.into())
    }

    /// A request whose answer need only be a success.
    pub fn new(
        method: Method,
        path: String,
        content_type: Option<&'static str>,
        body: Bytes,
    ) -> Call {
        Call { method, path, content_type, body, wanted: None, bytes_min: 0 }
    }

    /// The same, answered by at least `bytes_min` bytes that contain `wanted`.
    pub fn answered_by(self, wanted: String, bytes_min: usize) -> Call {
        Call { wanted: Some(wanted), bytes_min, ..self }
    }

    /// Whether a successful answer is the one that was asked for.
    fn is_answered_by(&self, body: &[u8]) -> bool {
        let contains = |text: &String| memchr::memmem::find(body, text.as_bytes()).is_some();
        body.len() >= self.bytes_min && self.wanted.as_ref().is_none_or(contains)
    }
}

/// When a loop ends.
#[derive(Clone, Copy)]
pub(super) enum Limit {
    /// After a time.
    For(Duration),
    /// After a number of requests.
    Count(u64),
}

/// What a loop did.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub ok: u64,
    pub errors: u64,
    pub elapsed: Duration,
    /// Microseconds, ascending.
    pub latencies_us: Vec<u32>,
    pub cpu: CpuTime,
    /// The first error, in words.
    pub first_error: Option<String>,
}

impl Measured {
    /// The latency in milliseconds below which the share `q` of requests lies.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        quantile(&self.latencies_us, q)
    }

    /// Answered requests a second.
    pub fn per_second(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }
}

/// Quantile `q` of ascending microseconds, in milliseconds.
pub(super) fn quantile(sorted_us: &[u32], q: f64) -> f64 {
    let last = sorted_us.len().saturating_sub(1);
    let at = (last as f64 * q).round() as usize;
    sorted_us.get(at).map_or(0.0, |us| f64::from(*us) / 1e3)
}

/// Runs `workers` loops, spread over the members; `call` makes the n-th request of the whole run.
pub(super) async fn closed_loop(
    target: &Arc<Target>,
    workers: usize,
    limit: Limit,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Measured> {
    closed_loop_from(target, 0, workers, limit, call).await
}

/// The same, with the members counted from `first`.
pub(super) async fn closed_loop_from(
    target: &Arc<Target>,
    first: usize,
    workers: usize,
    limit: Limit,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Measured> {
    let connections = target.connections(first, workers).await?;
    let (call, next) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
    let before = CpuTime::now(target);
    let started = Instant::now();
    let mut running = JoinSet::new();
    for at in 0..workers {
        let mut worker = Worker {
            target: target.clone(),
            at: first + at,
            connection: connections[at % connections.len()].clone(),
        };
        let (call, next) = (call.clone(), next.clone());
        running.spawn(async move {
            let mut part = Measured::default();
            while limit_allows(limit, started) {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if matches!(limit, Limit::Count(count) if n >= count) {
                    break;
                }
                worker.send(call(n), &mut part).await;
            }
            part
        });
    }
    let mut whole = Measured::default();
    while let Some(part) = running.join_next().await {
        let part = part.map_err(|e| miette::miette!("a worker failed: {e}"))?;
        whole.ok += part.ok;
        whole.errors += part.errors;
        whole.latencies_us.extend(part.latencies_us);
        whole.first_error = whole.first_error.or(part.first_error);
    }
    whole.elapsed = started.elapsed();
    whole.cpu = CpuTime::now(target).since(before);
    whole.latencies_us.sort_unstable();
    Ok(whole)
}

fn limit_allows(limit: Limit, started: Instant) -> bool {
    match limit {
        Limit::For(length) => started.elapsed() < length,
        Limit::Count(_) => true,
    }
}

struct Worker {
    target: Arc<Target>,
    at: usize,
    connection: Connection,
}

impl Worker {
    async fn send(&mut self, call: Call, part: &mut Measured) {
        let began = Instant::now();
        let (method, body) = (call.method.clone(), call.body.clone());
        let sent = self.connection.send(method, &call.path, call.content_type, body).await;
        let took_us = began.elapsed().as_micros().try_into().unwrap_or(u32::MAX);
        match sent {
            Ok(answer) if answer.status.is_success() && call.is_answered_by(&answer.body) => {
                part.ok += 1;
                part.latencies_us.push(took_us);
            }
            Ok(answer) if answer.status.is_success() => {
                let bytes = answer.body.len();
                part.note(format!("{}: {bytes} bytes that are not what was asked for", call.path));
            }
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                part.note(format!("{} {}: {text}", answer.status, call.path));
            }
            Err(error) => {
                part.note(error.to_string());
                self.reconnect().await;
            }
        }
    }

    /// Turns to the next member that can be reached.
    async fn reconnect(&mut self) {
        for _ in 0..self.target.members().len() {
            self.at += 1;
            let opened: Result<Connection, ClientError> = self.target.connect(self.at).await;
            if let Ok(connection) = opened {
                self.connection = connection;
                return;
            }
        }
    }
}

impl Measured {
    fn note(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_when_it_is_long_enough_and_the_wanted_one() {
        let call = Call::get("/x".into()).answered_by("\"name\":\"a\"".into(), 14);
        assert!(call.is_answered_by(br#"{"name":"a"  }"#));
        assert!(!call.is_answered_by(br#"{"name":"a" }"#));
        assert!(!call.is_answered_by(br#"{"name":"b"  }"#));
        assert!(Call::get("/x".into()).is_answered_by(b""));
    }
}
