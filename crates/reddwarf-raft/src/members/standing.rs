//! Whether a node is a member, as others know it and as it knows itself.

use crate::config::NodeConfig;
use crate::core::Core;
use crate::members::roster;
use crate::peer::{Hello, Identity, Kind, Lane};
use crate::types::{Member, StoredMembership};
use bytes::Bytes;
use openraft::Instant as _;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the members are asked again.
const RETRY: Duration = Duration::from_millis(200);
/// How long one may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// How often it is logged what is waited for.
const TELL: Duration = Duration::from_secs(5);

/// Log index of the membership that says that the caller was removed, if it was. A caller that
/// knows itself as a member by a newer one than this member has may be right.
pub fn removed_at(core: &Core, hello: &Hello) -> Option<u64> {
    if names(core, hello.from) {
        return None;
    }
    let committed = core.machine.membership().ok()?;
    let index = committed.log_id().as_ref()?.index();
    let named = committed.membership().get_node(&hello.from).is_some();
    (!named && index >= hello.member_since).then_some(index)
}

/// Whether the membership that this member goes by names a node.
pub fn names(core: &Core, id: u64) -> bool {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.membership().get_node(&id).is_some()
}

/// Whether no membership is in force that this member does not go by: it leads, and is all voters itself, or
/// a quorum has said so within the time that electing another leader takes at least.
pub fn is_newest(core: &Core) -> bool {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let acked = metrics.last_quorum_acked.as_ref().map(|at| at.elapsed());
    let alone = metrics.membership_config.membership().voter_ids().all(|id| id == core.node_id);
    metrics.current_leader == Some(core.node_id)
        && (alone || acked.is_some_and(|age| age < core.limits.election_min))
}

/// Waits until the caller is removed.
pub async fn removed(core: &Core, hello: &Hello) {
    let mut server = core.raft.server_metrics();
    let mut applied = core.machine.applied.subscribe();
    while removed_at(core, hello).is_none() {
        let ended = match names(core, hello.from) {
            true => server.changed().await.is_err(),
            // What is not committed yet will be, or its place is taken.
            false => applied.changed().await.is_err(),
        };
        if ended {
            return;
        }
    }
}

/// Keeps `identity` up to date with the memberships that name this node, and the file with the
/// members, until Raft ends.
pub async fn follow(core: Arc<Core>, identity: Option<Identity>) {
    let mut server = core.raft.server_metrics();
    let mut written = BTreeMap::new();
    loop {
        let stored = StoredMembership::clone(&server.borrow_watched().membership_config);
        let index = stored.log_id().as_ref().map(|id| id.index());
        let members: BTreeMap<u64, Member> =
            stored.membership().nodes().map(|(id, member)| (*id, member.clone())).collect();
        if let (Some(identity), Some(index)) = (&identity, index)
            && members.contains_key(&core.node_id)
        {
            identity.is_member_since(index);
        }
        if members.len() > 1 {
            core.quarantine().has_others();
        }
        if !members.is_empty() && members != written {
            keep(&core, members.clone()).await;
            written = members;
        }
        if server.changed().await.is_err() {
            return;
        }
    }
}

/// Writes the file with the members, which is of use only if the state is ever damaged.
async fn keep(core: &Core, members: BTreeMap<u64, Member>) {
    let store = Arc::clone(&core.machine.store);
    let disk = Arc::clone(&core.environment.disk);
    let write = move || {
        let data_dir = store.path().parent().unwrap_or(Path::new(""));
        roster::write(disk.as_ref(), data_dir, &members)
    };
    if let Ok(Err(error)) = core.environment.work.spawn(write).await {
        tracing::warn!(%error, "the file with the members is not written");
    }
}

/// Until the leader has sent the first entry or a snapshot, asks the members that this node knows
/// of: one of them says so if it was removed meanwhile. A leader that was heard of is not enough,
/// since it sends nothing more to whom it removes.
pub async fn await_leader(core: Arc<Core>, config: NodeConfig) {
    let mut told: Option<Instant> = None;
    while core.members().is_empty() && core.raft.is_initialized().await.is_ok() {
        for peer in &config.peers {
            let member =
                Member { name: peer.name.clone(), addr: peer.addr.clone(), incarnation: 0 };
            let Some(client) = core.clients.get(peer.id, &member) else { return };
            // What it answers is of no interest, only whether it refuses.
            let _ = client.call(Lane::Control, Kind::Status, Bytes::new(), ASK_TIMEOUT).await;
        }
        if told.is_none_or(|at| at.elapsed() >= TELL) {
            told = Some(Instant::now());
            tracing::info!("waiting for the leader to send the state");
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}
