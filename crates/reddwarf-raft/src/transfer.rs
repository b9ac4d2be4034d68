//! Handing leadership to another member.

use crate::core::Core;
use openraft::Instant;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long another member may take to take over.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long its first entry may take until this member has applied it.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Entries that a member may lack to take over when it is named: it fetches them first, while
/// nobody leads.
pub const LAG_MAX: u64 = 1_000;

/// Transfers leadership to the follower that is fittest, and waits until another member leads;
/// gives that one.
pub async fn hand_over(core: &Core) -> Option<u64> {
    hand_over_but(core, &BTreeSet::new()).await
}

/// The same, to none of `unfit`.
pub async fn hand_over_but(core: &Core, unfit: &BTreeSet<u64>) -> Option<u64> {
    transfer(core, fittest(core, unfit)?).await
}

/// The same to a certain follower.
pub async fn transfer(core: &Core, target: u64) -> Option<u64> {
    tracing::info!(target, "handing leadership over");
    let mut leader = core.leader.clone();
    if let Err(error) = core.raft.trigger().transfer_leader(target).await {
        tracing::warn!(%error, "leadership was not handed over");
        return None;
    }
    let taken = leader.wait_for(|view| view.leader.is_some_and(|id| id != core.node_id));
    let Ok(Ok(view)) = tokio::time::timeout(TIMEOUT, taken).await.map(|taken| taken.map(|v| *v))
    else {
        tracing::warn!(target, "no other member took over in time");
        return None;
    };
    // Its first entry needs a majority, to which this member still belongs: it does not leave the
    // others alone with that.
    let mut applied = core.machine.applied.subscribe();
    let settled = applied.wait_for(|at| at.term >= view.term);
    if tokio::time::timeout(SETTLE_TIMEOUT, settled).await.is_err() {
        tracing::warn!(leader = view.leader, "the next leader has not committed anything yet");
    }
    view.leader
}

/// A voter that answers, before one that does not, and of those the one that has most of the log.
fn fittest(core: &Core, unfit: &BTreeSet<u64>) -> Option<u64> {
    let voters: Vec<u64> = core.raft.voter_ids().collect();
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let followers = metrics.replication.iter().flatten();
    let wrong = core.wrong_members.lock();
    let answers = |id: &u64| {
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(id)?.as_ref());
        heard.is_some_and(|at| at.elapsed() < core.limits.election_max)
    };
    followers
        .filter(|(id, _)| **id != core.node_id && voters.contains(id))
        .filter(|(id, _)| !wrong.contains(id) && !unfit.contains(id))
        .max_by_key(|(id, matched)| (answers(id), matched.as_ref().map(|at| at.index())))
        .map(|(id, _)| *id)
}

/// How many entries a member lacks, as far as this one, which leads, knows.
pub fn lag(core: &Core, id: u64) -> Option<u64> {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let matched = metrics.replication.as_ref()?.get(&id)?.as_ref().map_or(0, |at| at.index());
    Some(metrics.last_log_index?.saturating_sub(matched))
}
