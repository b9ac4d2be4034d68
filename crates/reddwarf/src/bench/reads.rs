//! Reads of one object and of many.

use super::load::{Call, Limit, closed_loop};
use super::objects::{fill, make_namespace, remove_namespace};
use super::report::Row;
use super::target::Target;
use miette::Result;
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
        Call::get(format!("{path}-{}{query}", n % READ))
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
    let done =
        closed_loop(target, 1, Limit::Count(LISTS), move |_| Call::get(path.clone())).await?;
    remove_namespace(target, &namespace).await?;
    let row = Row::time(format!("list of {LISTED}"), done.quantile_ms(0.5));
    Ok(row.with_latency(&done.latencies_us).with_errors(done.errors, done.first_error))
}
