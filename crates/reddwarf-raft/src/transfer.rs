//! Handing leadership to another member.

use crate::core::Core;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long another member may take to take over.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Transfers leadership to the follower that has most of the log, and waits until it leads.
pub async fn hand_over(core: &Core) {
    hand_over_but(core, &BTreeSet::new()).await;
}

/// The same, to none of `unfit`.
pub async fn hand_over_but(core: &Core, unfit: &BTreeSet<u64>) {
    let Some(target) = target(core, unfit) else { return };
    tracing::info!(target, "handing leadership over");
    if let Err(error) = core.raft.trigger().transfer_leader(target).await {
        tracing::warn!(%error, "leadership was not handed over");
        return;
    }
    let mut leader = core.leader.clone();
    let taken = leader.wait_for(|view| view.leader.is_some_and(|id| id != core.node_id));
    if tokio::time::timeout(TIMEOUT, taken).await.is_err() {
        tracing::warn!(target, "no other member took over in time");
    }
}

fn target(core: &Core, unfit: &BTreeSet<u64>) -> Option<u64> {
    let voters: Vec<u64> = core.raft.voter_ids().collect();
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let followers = metrics.replication.iter().flatten();
    let wrong = core.wrong_members.lock();
    followers
        .filter(|(id, _)| **id != core.node_id && voters.contains(id))
        .filter(|(id, _)| !wrong.contains(id) && !unfit.contains(id))
        .max_by_key(|(_, matched)| matched.as_ref().map(|id| id.index()))
        .map(|(id, _)| *id)
}
