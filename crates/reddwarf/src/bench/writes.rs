//! Creations and patches.

use super::load::{Call, Limit, closed_loop, closed_loop_from};
use super::objects::{DATA_BYTES, config_map, fill, leader_of, named};
use super::report::Row;
use super::target::Target;
use miette::Result;
use std::sync::Arc;
use std::time::Duration;

/// Objects over which patches are spread.
const PATCHED: u64 = 256;

/// Creates 1 KiB ConfigMaps with many writers, spread over the members.
pub(super) async fn create(
    target: &Arc<Target>,
    namespace: &str,
    writers: usize,
    length: Duration,
) -> Result<Row> {
    let call = creation(namespace, format!("c{writers}"));
    let made = closed_loop(target, writers, Limit::For(length), call).await?;
    Ok(Row::rate(format!("create, {writers} writers"), &made))
}

/// The same with one writer: at the leader, and at a follower, which has to forward. Servers
/// that name no leader are driven at the first of them.
pub(super) async fn create_alone(
    target: &Arc<Target>,
    namespace: &str,
    length: Duration,
) -> Result<Vec<Row>> {
    let leader = leader_of(target).await.ok();
    let at = |name: &String| target.members().iter().position(|member| member.name == *name);
    let places = match leader.as_ref().and_then(at) {
        Some(leader) => {
            vec![(", 1 writer at the leader", leader), (", 1 at a follower", leader + 1)]
        }
        None => vec![(", 1 writer", 0)],
    };
    let mut rows = Vec::new();
    for (place, first) in places {
        let call = creation(namespace, format!("c1-{first}"));
        let made = closed_loop_from(target, first, 1, Limit::For(length), call).await?;
        rows.push(Row::rate(format!("create{place}"), &made));
    }
    Ok(rows)
}

fn creation(namespace: &str, prefix: String) -> impl Fn(u64) -> Call + Send + Sync + 'static {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    move |n| {
        let name = format!("{prefix}-{n}");
        Call::post(path.clone(), config_map(&name, None)).answered_by(named(&name), DATA_BYTES)
    }
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
