//! Reads of one object and of many.

use super::load::{Call, Limit, closed_loop};
use super::objects::{DATA_BYTES, fill, make_namespace, must, named, remove_namespace};
use super::report::Row;
use super::target::Target;
use miette::{Result, miette};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Objects over which gets are spread.
const READ: u64 = 256;
/// Objects in the long list.
const LISTED: u64 = 5_000;
/// Lists made of it.
const LISTS: u64 = 20;

/// Gets; from the member's own state when `local`, else linearizable.
pub(super) async fn get(
    target: &Arc<Target>,
    namespace: &str,
    readers: usize,
    length: Duration,
    local: bool,
) -> Result<Row> {
    let prefix = if local { "l" } else { "g" };
    fill(target, namespace, prefix, READ).await?;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/{prefix}");
    let query = if local { "?resourceVersion=0" } else { "" };
    let done = closed_loop(target, readers, Limit::For(length), move |n| {
        let at = n % READ;
        let call = Call::get(format!("{path}-{at}{query}"));
        call.answered_by(named(&format!("{prefix}-{at}")), DATA_BYTES)
    })
    .await?;
    let how = if local { "resourceVersion=0" } else { "linearizable" };
    Ok(Row::rate(format!("get {how}, {readers} readers"), &done))
}

/// Lists of 5,000 ConfigMaps, one after the other.
pub(super) async fn list(target: &Arc<Target>) -> Result<Row> {
    let namespace = make_namespace(target).await?;
    fill(target, &namespace, "i", LISTED).await?;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let list = must(target, Call::get(path.clone()), None).await?;
    let full = |item: &Value| item["data"]["fill"].as_str().is_some_and(|f| f.len() == DATA_BYTES);
    let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
    // Other objects may live in a namespace, such as the authority's certificate.
    let there = items.iter().filter(|item| full(item)).count();
    if there != LISTED as usize {
        return Err(miette!("a list of {LISTED} held {there} of the objects that were made"));
    }
    let bytes_min = there * DATA_BYTES;
    let call = move |_| Call::get(path.clone()).answered_by(r#""items":["#.into(), bytes_min);
    let done = closed_loop(target, 1, Limit::Count(LISTS), call).await?;
    remove_namespace(target, &namespace).await?;
    let row = Row::time(format!("list of {LISTED}"), done.quantile_ms(0.5));
    let row = row.with_latency(&done.latencies_us).with_cpu(done.cpu, done.ok);
    Ok(row.with_errors(done.errors, done.first_error))
}
