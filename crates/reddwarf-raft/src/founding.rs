//! How a group comes into being, and how it knows its members' data folders.
//!
//! The one with the lowest id founds the group, and leads it first, when every first member
//! answers and none belongs to a group: members whose data was wiped must not found a second one
//! beside it.

use crate::config::NodeConfig;
use crate::core::{Core, RaftNode};
use crate::error::StartError;
use crate::peer::{Kind, Lane, decode};
use crate::status::MemberStatus;
use crate::types::Member;
use bytes::Bytes;
use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before the other first members are asked again.
const RETRY: Duration = Duration::from_millis(30);
/// How long one may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// How long recording data folders may take.
const RECORD_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is logged what is waited for.
const TELL: Duration = Duration::from_secs(5);

/// What keeps a group from being founded.
enum Obstacle {
    /// A first member does not answer.
    Silent(String),
    /// A first member belongs to the group already.
    Founded(String),
}

/// Founds the group, unless it is founded; ends when this member belongs to it.
pub async fn found(core: Arc<Core>, config: NodeConfig) {
    let mut told: Option<Instant> = None;
    // The others would only compete with it for the leadership of the first term.
    let first = config.peers.iter().all(|peer| config.node_id <= peer.id);
    while !matches!(core.raft.is_initialized().await, Ok(true) | Err(_)) {
        let members = first_members(&core, &config).await;
        let obstacle = match members {
            Ok(members) if first => {
                if let Err(error) = core.raft.initialize(members).await {
                    tracing::debug!(%error, "another member founded the group");
                }
                continue;
            }
            Ok(_) => None,
            Err(obstacle) => Some(obstacle),
        };
        if told.is_none_or(|at| at.elapsed() >= TELL) {
            told = Some(Instant::now());
            match obstacle {
                None => tracing::info!("founding waits for the first of the first members"),
                Some(Obstacle::Silent(name)) => {
                    tracing::info!(name, "founding waits for a first member")
                }
                Some(Obstacle::Founded(name)) => {
                    tracing::info!(name, "joining the group of a member")
                }
            }
        }
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

/// Waits until the membership of a group that is founded shows in Raft's metrics, by which
/// callers are judged. Whoever has only voted yet does not know it: it comes with the first entry.
///
/// # Errors
/// When Raft has stopped.
pub async fn known_members(raft: &RaftNode) -> Result<(), StartError> {
    let stopped = |error: &dyn std::fmt::Display| StartError::Raft(error.to_string());
    let known = raft.with_raft_state(|state| {
        state.membership_state.effective().membership().nodes().next().is_some()
    });
    if !known.await.map_err(|error| stopped(&error))? {
        return Ok(());
    }
    let mut metrics = raft.metrics();
    while metrics.borrow_watched().membership_config.membership().nodes().next().is_none() {
        metrics.changed().await.map_err(|error| stopped(&error))?;
    }
    Ok(())
}

/// The first membership, with the data folder of each member: whoever has any of the log knows
/// from its first entry on who has lost one.
async fn first_members(
    core: &Core,
    config: &NodeConfig,
) -> Result<BTreeMap<u64, Member>, Obstacle> {
    let mut members = config.members();
    for (id, member) in &mut members {
        if *id == config.node_id {
            member.incarnation = core.incarnation;
            continue;
        }
        let silent = || Obstacle::Silent(member.name.clone());
        let client = core.clients.get(*id, member).ok_or_else(silent)?;
        let asked = client.call(Lane::Control, Kind::Status, Bytes::new(), ASK_TIMEOUT).await;
        let status: MemberStatus =
            asked.ok().and_then(|body| decode(&body).ok()).ok_or_else(silent)?;
        if status.founded {
            return Err(Obstacle::Founded(member.name.clone()));
        }
        member.incarnation = client.incarnation_seen();
    }
    Ok(members)
}

/// Records the data folders of members that the membership does not know yet: those of one that
/// joined, of a group that was recovered or that an older version founded. For the leader.
pub async fn record_incarnations(core: &Core) {
    // While another change is under way, the next look is soon enough.
    let Ok(_turn) = core.changing_members.try_lock() else { return };
    if core.membership().membership().get_joint_config().len() > 1 {
        return;
    }
    let known = |id: u64, member: &Member| match id == core.node_id {
        true => core.incarnation,
        false => core.clients.get(id, member).map_or(0, |client| client.incarnation_seen()),
    };
    let unknown = core.members().into_iter().filter(|(_, member)| member.incarnation == 0);
    let learnt: BTreeMap<u64, Member> = unknown
        .map(|(id, member)| (id, Member { incarnation: known(id, &member), ..member }))
        .filter(|(_, member)| member.incarnation != 0)
        .collect();
    if learnt.is_empty() {
        return;
    }
    // What fails, or waits for a majority, is tried again at the next look.
    let recorded = core.raft.change_membership(ChangeMembers::SetNodes(learnt), true);
    if let Ok(Err(error)) = tokio::time::timeout(RECORD_TIMEOUT, recorded).await {
        tracing::debug!(%error, "data folders not recorded");
    }
}
