//! How long a change takes to reach many watchers.

use super::load::{Call, quantile};
use super::objects::{config_map, make_namespace, must, remove_namespace};
use super::report::Row;
use super::target::Target;
use crate::client::Connection;
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use miette::{Result, miette};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Watches that share one connection; servers allow at least 100 streams.
const WATCHES_PER_CONNECTION: usize = 100;
/// How long the last events may take.
const DRAIN: Duration = Duration::from_secs(2);

/// Opens `watchers` watches, writes at a fixed rate and takes the time from before a write is
/// sent until each watcher has its event.
pub(super) async fn watch(
    target: &Arc<Target>,
    watchers: usize,
    per_second: u64,
    length: Duration,
) -> Result<Row> {
    let namespace = make_namespace(target).await?;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let list = must(target, Call::get(path.clone()), None).await?;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
    let started = Instant::now();
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let mut watches = JoinSet::new();
    let mut connections: Vec<Connection> = Vec::new();
    let count = watchers.div_ceil(WATCHES_PER_CONNECTION).max(target.members().len());
    for at in 0..count {
        connections.push(target.connect(at).await?);
    }
    for at in 0..watchers {
        let query = format!("{path}?watch=true&resourceVersion={version}");
        let connection = &mut connections[at % count];
        let response = connection.start(Method::GET, &query, None, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(miette!("the watch answered {}", response.status()));
        }
        watches.spawn(collect(response.into_body(), started, latencies.clone()));
    }
    let (written, errors) = write_at_rate(target, &path, started, per_second, length).await?;
    let expected = written as usize * watchers;
    let deadline = Instant::now() + DRAIN;
    while latencies.lock().len() < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watches.shutdown().await;
    remove_namespace(target, &namespace).await?;
    let mut sorted = std::mem::take(&mut *latencies.lock());
    sorted.sort_unstable();
    let missing = (expected - sorted.len().min(expected)) as u64;
    let name = format!("watch p99, {watchers} watchers, {per_second} writes/s");
    let problem = (missing > 0).then(|| format!("{missing} events did not arrive"));
    let row = Row::time(name, quantile(&sorted, 0.99)).with_latency(&sorted);
    Ok(row.with_errors(errors + missing, problem))
}

/// Reads one watch; the writer's clock stands in every object.
async fn collect(mut body: Incoming, started: Instant, latencies: Arc<Mutex<Vec<u32>>>) {
    let mut buffer = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else { continue };
        let now_us = started.elapsed().as_micros() as u64;
        buffer.extend_from_slice(data);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            if let Some(sent_us) = sent_us(&line) {
                let latency = now_us.saturating_sub(sent_us);
                latencies.lock().push(latency.try_into().unwrap_or(u32::MAX));
            }
        }
    }
}

/// The number in `"sent":"…"`.
fn sent_us(line: &[u8]) -> Option<u64> {
    const MARK: &[u8] = b"\"sent\":\"";
    let at = line.windows(MARK.len()).rposition(|window| window == MARK)? + MARK.len();
    let digits = line[at..].split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Creates objects at a fixed rate, whether or not earlier ones are answered; gives how many
/// were written and how many failed.
async fn write_at_rate(
    target: &Arc<Target>,
    path: &str,
    started: Instant,
    per_second: u64,
    length: Duration,
) -> Result<(u64, u64)> {
    let connection = target.connect(0).await?;
    let (done, mut outcomes) = mpsc::unbounded_channel();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_second as u32);
    let total = per_second * length.as_secs();
    for n in 0..total {
        ticks.tick().await;
        let sent = started.elapsed().as_micros() as u64;
        let (mut connection, path, done) = (connection.clone(), path.to_owned(), done.clone());
        tokio::spawn(async move {
            let body = config_map(&format!("w-{n}"), Some(sent));
            let json = Some("application/json");
            let answer = connection.send(Method::POST, &path, json, body.into()).await;
            // The receiver outlives all of them.
            let _ = done.send(answer.is_ok_and(|a| a.status.is_success()));
        });
    }
    drop(done);
    let (mut written, mut errors) = (0, 0);
    while let Some(ok) = outcomes.recv().await {
        if ok { written += 1 } else { errors += 1 }
    }
    Ok((written, errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writers_clock_is_found_in_a_frame() {
        let line = br#"{"type":"ADDED","object":{"data":{"fill":"x","sent":"1234"}}}"#;
        assert_eq!(sent_us(line), Some(1234));
        assert_eq!(sent_us(br#"{"type":"BOOKMARK","object":{}}"#), None);
    }
}
