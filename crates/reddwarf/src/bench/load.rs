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

/// One request.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub content_type: Option<&'static str>,
    pub body: Bytes,
}

impl Call {
    /// A GET.
    pub fn get(path: String) -> Call {
        Call { method: Method::GET, path, content_type: None, body: Bytes::new() }
    }

    /// A POST of JSON.
    pub fn post(path: String, body: impl Into<Bytes>) -> Call {
        let content_type = Some("application/json");
        Call { method: Method::POST, path, content_type, body: body.into() }
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

/// Runs `workers` loops; `call` makes the n-th request of the whole run.
pub(super) async fn closed_loop(
    target: &Arc<Target>,
    workers: usize,
    limit: Limit,
    call: impl Fn(u64) -> Call + Send + Sync + 'static,
) -> Result<Measured> {
    let connections = target.connections(workers).await?;
    let (call, next) = (Arc::new(call), Arc::new(AtomicU64::new(0)));
    let before = CpuTime::now(target);
    let started = Instant::now();
    let mut running = JoinSet::new();
    for at in 0..workers {
        let mut worker = Worker {
            target: target.clone(),
            at,
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
        let sent =
            self.connection.send(call.method, &call.path, call.content_type, call.body).await;
        match sent {
            Ok(answer) if answer.status.is_success() => {
                part.ok += 1;
                part.latencies_us.push(began.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
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
