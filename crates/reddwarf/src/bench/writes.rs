//! Creations and patches.

use super::load::{Call, Limit, closed_loop};
use super::objects::{DATA_BYTES, config_map, fill, named};
use super::report::Row;
use super::target::Target;
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
        let name = format!("c{writers}-{n}");
        Call::post(path.clone(), config_map(&name, None)).answered_by(named(&name), DATA_BYTES)
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
    let made = closed_loop(target, writers, Limit::For(length), move |n| {
        let path = format!("{path}/p-{}", n % PATCHED);
        let body = format!(r#"{{"data":{{"n":"{n}"}}}}"#);
        Call::merge(path, body).answered_by(format!(r#""n":"{n}""#), DATA_BYTES)
    })
    .await?;
    Ok(Row::rate(format!("merge patch, {writers} writers"), &made))
}
