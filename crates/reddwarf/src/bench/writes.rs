//! Creations and patches.

use super::load::{Call, Limit, closed_loop};
use super::objects::{config_map, fill};
use super::report::Row;
use super::target::Target;
use http::Method;
use miette::Result;
use std::sync::Arc;
use std::time::Duration;

/// Objects over which patches are spread.
const PATCHED: u64 = 256;

/// Creates 1 KiB ConfigMaps.
pub(super) async fn create(
    target: &Arc<Target>,
    namespace: &str,
    writers: usize,
    length: Duration,
) -> Result<Row> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let made = closed_loop(target, writers, Limit::For(length), move |n| {
        Call::post(path.clone(), config_map(&format!("c{writers}-{n}"), None))
    })
    .await?;
    Ok(Row::rate(format!("create, {writers} writers"), &made))
}

/// Merge patches of one field, over a few hundred objects.
pub(super) async fn patch(
    target: &Arc<Target>,
    namespace: &str,
    writers: usize,
    length: Duration,
) -> Result<Row> {
    fill(target, namespace, "p", PATCHED).await?;
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let made = closed_loop(target, writers, Limit::For(length), move |n| Call {
        method: Method::PATCH,
        path: format!("{path}/p-{}", n % PATCHED),
        content_type: Some("application/merge-patch+json"),
        body: format!(r#"{{"data":{{"n":"{n}"}}}}"#).into(),
    })
    .await?;
    Ok(Row::rate(format!("merge patch, {writers} writers"), &made))
}
