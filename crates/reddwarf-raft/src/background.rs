//! What a node does by itself: the cluster clock, snapshots, figures.

use crate::core::Core;
use crate::data::LogData;
use crate::founding;
use openraft::async_runtime::watch::WatchReceiver;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{Proposal, ProposalKind, RequestId};
use std::sync::Arc;
use std::time::Duration;

/// How often figures are taken and the size of the log is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Advances the cluster clock while this member leads (invariant 8).
pub async fn tick_clock(core: Arc<Core>) {
    let mut leadership = core.leadership.clone();
    loop {
        let leads = tokio::select! {
            () = core.stop.cancelled() => return,
            leads = leadership.wait_for(Option::is_some) => leads.is_ok(),
        };
        if !leads {
            return;
        }
        let clock = &core.environment.clock;
        let mut last = clock.monotonic();
        while core.leadership.borrow().is_some() {
            tokio::select! {
                () = core.stop.cancelled() => return,
                () = tokio::time::sleep(core.limits.clock_tick) => {}
            }
            let now = clock.monotonic();
            let elapsed_ms = now.saturating_sub(last).as_millis() as u64;
            let proposal = Proposal {
                request_id: RequestId(rand::random()),
                made_at: core.machine.applied.borrow().index,
                kind: ProposalKind::Tick { elapsed_ms },
            };
            let Ok(data) = LogData::encode(proposal) else { return };
            // A tick that is lost with the leadership is not made up for by the next leader:
            // ages only grow a little later.
            if core.raft.client_write(data).await.is_ok() {
                last = now;
            }
        }
    }
}

/// Takes figures, and records a snapshot whenever the log has grown enough, so that it is
/// purged up to what is durable beside it.
pub async fn look(core: Arc<Core>) {
    // What an earlier process has written counts too, or a member that is often started again
    // would never purge its log.
    let held_bytes = || core.wal.found_bytes() + core.wal.written_bytes();
    let mut snapshot_at = 0;
    let mut to_purge = None;
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        take_figures(&core);
        // Also tells the ways to the members which data folders they are known by.
        for id in core.members().into_keys().filter(|id| *id != core.node_id) {
            if let Some(client) = core.client(id) {
                tokio::spawn(async move { client.warm().await });
            }
        }
        if core.leadership.borrow().is_some() {
            founding::record_incarnations(&core).await;
        }
        if core.quarantine().trouble().is_some() {
            // The log is what a state that was replaced is brought up to date with.
            continue;
        }
        let held = held_bytes();
        // A purge that comes too early is to be seen without filling the log first.
        let due_at = if planted::is(Bug::EarlyPurge) { 1 } else { core.limits.snapshot_wal_bytes };
        if held - snapshot_at >= due_at {
            snapshot_at = held;
            if let Err(error) = core.raft.trigger().snapshot().await {
                tracing::warn!(%error, "no snapshot");
            }
            to_purge = core.wal.index_behind(core.limits.log_keep_bytes);
        }
        if let Some(upto) = to_purge {
            to_purge = purge(&core, upto).await;
        }
    }
}

/// Purges the log up to an index once a snapshot covers it; what is still to be purged.
async fn purge(core: &Core, upto: u64) -> Option<u64> {
    let covered = {
        let metrics = core.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.snapshot.as_ref().is_some_and(|id| id.index() >= upto)
    };
    if covered && let Err(error) = core.raft.trigger().purge_log(upto).await {
        tracing::warn!(%error, "the log is not purged");
    }
    (!covered).then_some(upto)
}

fn take_figures(core: &Core) {
    let metrics = core.raft.metrics();
    let raft = metrics.borrow_watched();
    let figures = &core.metrics;
    figures.term.set(raft.current_term as i64);
    figures.leader.set(i64::from(raft.current_leader == Some(core.node_id)));
    figures.last_log_index.set(raft.last_log_index.unwrap_or_default() as i64);
    figures.committed_index.set(raft.local_committed.map_or(0, |id| id.index()) as i64);
    let applied = core.machine.applied.borrow().index;
    let durable = core.machine.persist.durable().applied.index;
    figures.durable_lag.set(applied.saturating_sub(durable) as i64);
    figures.disk_full.set(i64::from(core.disk_full()));
    figures.proposals_pending.set(core.machine.pending.len() as i64);
}
