//! Changes of the members, from whichever member is asked to the leader, which carries them out
//! one at a time.

use super::levels;
use super::plan::{self, Change, Step, View};
use crate::core::Core;
use crate::leadership;
use crate::peer::{CallError, Kind, Lane, MembersAsk, MembersReply, decode, encode};
use crate::status::MemberStatus;
use crate::transfer;
use bytes::Bytes;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use reddwarf_core::FeatureLevel;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::MutexGuard;

/// How long a change may take, with the change of the leader that it may need.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the leader may take for its part.
const LEADER_TIMEOUT: Duration = Duration::from_secs(8);
/// How long one change may wait for another, also one that is half done.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);
/// How long Raft may take to commit a change; both steps of a change of voters.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before another leader is looked for.
const RETRY: Duration = Duration::from_millis(20);
/// How long a member may take to show that it runs.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the members were not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It may not be done now, or never.
    #[error("{0}")]
    Refused(String),
    /// It may or may not have been done.
    #[error("it is not known whether the members were changed: {0}")]
    Unknown(String),
    /// There is no leader that could do it.
    #[error("no leader could change the members in time")]
    NoLeader,
}

/// Asks the leader, whoever that is.
///
/// # Errors
/// See [`ChangeError`].
pub async fn ask(core: &Core, ask: MembersAsk) -> Result<u64, ChangeError> {
    let deadline = Instant::now() + TIMEOUT;
    let mut leader = core.leader.clone();
    let to_go = match &ask {
        MembersAsk::Remove { name } if is_member(core, name) => Some(name.as_str()),
        _ => None,
    };
    let mut tried = false;
    while Instant::now() < deadline {
        let known = leader.borrow_and_update().leader;
        let reply = match known {
            Some(id) if id == core.node_id => carry_out(core, &ask).await,
            Some(id) => forward(core, id, &ask).await,
            None => MembersReply::NotLeader,
        };
        match reply {
            MembersReply::Done(index) => return Ok(index),
            MembersReply::Refused(why) => {
                let done = match to_go.filter(|_| tried) {
                    Some(name) => is_gone(core, name).await,
                    None => None,
                };
                return done.ok_or(ChangeError::Refused(why));
            }
            MembersReply::Unknown(why) => return Err(ChangeError::Unknown(why)),
            // Woken by the next leader.
            MembersReply::NotLeader => {
                tried |= known.is_some();
                leadership::changed(&mut leader, RETRY).await;
            }
        }
    }
    Err(ChangeError::NoLeader)
}

fn is_member(core: &Core, name: &str) -> bool {
    core.members().values().any(|member| member.name == name)
}

/// Whether an attempt that was interrupted has let a member go after all: the leader that was to
/// do it may have lost its place when it had appended the change, and the next one completes that.
async fn is_gone(core: &Core, name: &str) -> Option<u64> {
    let deadline = Instant::now() + TURN_TIMEOUT;
    while is_member(core, name) {
        if Instant::now() > deadline {
            return None;
        }
        tokio::time::sleep(RETRY).await;
    }
    Some(core.membership().log_id().as_ref().map_or(0, |log_id| log_id.index()))
}

async fn forward(core: &Core, leader: u64, ask: &MembersAsk) -> MembersReply {
    let Some(client) = core.client(leader) else { return MembersReply::NotLeader };
    if matches!(ask, MembersAsk::RaiseLevel | MembersAsk::Transfer { .. })
        && client.build().is_some_and(|build| build.levels.newest == FeatureLevel::FIRST)
    {
        let name = &client.member().name;
        return MembersReply::Refused(format!(
            "{name}, which leads, runs a version of reddwarf from before there were feature levels"
        ));
    }
    let body = match encode(ask) {
        Ok(body) => body,
        Err(error) => return MembersReply::Refused(error.to_string()),
    };
    match client.call(Lane::Control, Kind::Members, body, LEADER_TIMEOUT).await {
        Ok(answer) => {
            decode(&answer).unwrap_or_else(|error| MembersReply::Unknown(error.to_string()))
        }
        Err(CallError::Unreachable(_)) => MembersReply::NotLeader,
        Err(error) => MembersReply::Unknown(error.to_string()),
    }
}

/// Does what is asked, if this member leads.
pub async fn carry_out(core: &Core, ask: &MembersAsk) -> MembersReply {
    if *ask == MembersAsk::RaiseLevel {
        let leads = core.leadership.borrow().is_some();
        return if leads { levels::finish(core).await } else { MembersReply::NotLeader };
    }
    let Some(_turn) = turn(core).await else {
        return MembersReply::Refused("another change of the members is under way".to_owned());
    };
    if core.leadership.borrow().is_none() {
        return MembersReply::NotLeader;
    }
    let (view, _) = look(core).await;
    let planned = match ask {
        // Asked again, after an answer that was lost.
        MembersAsk::Admit { id, .. } if view.members.contains_key(id) => {
            let index = core.membership().log_id().as_ref().map_or(0, |log_id| log_id.index());
            return MembersReply::Done(index);
        }
        MembersAsk::Admit { id, member, replaces, check } => {
            match plan::admit(&view, *id, member, replaces.as_deref()) {
                Ok(_) if *check => return MembersReply::Done(0),
                planned => planned.map(Step::Change),
            }
        }
        MembersAsk::Remove { name } => plan::remove(&view, name),
        MembersAsk::Transfer { name } => match plan::lead(&view, name.as_deref()) {
            Ok(id) => return lead(core, id).await,
            Err(why) => Err(why),
        },
        MembersAsk::RaiseLevel => return MembersReply::NotLeader,
    };
    match planned {
        Err(why) => MembersReply::Refused(why),
        Ok(Step::Change(change)) => apply(core, change).await,
        Ok(Step::HandOver) => {
            // Whoever leads then is asked next.
            let _ = transfer::hand_over(core).await;
            MembersReply::NotLeader
        }
    }
}

/// Waits until nobody changes the members. A change that an earlier leader has left half done is
/// completed by the steward, which takes turns, too.
async fn turn(core: &Core) -> Option<MutexGuard<'_, ()>> {
    let deadline = tokio::time::Instant::now() + TURN_TIMEOUT;
    loop {
        let turn = core.changing_members.lock();
        let turn = tokio::time::timeout_at(deadline, turn).await.ok()?;
        let joint = core.membership().membership().get_joint_config().len() > 1;
        if !joint || tokio::time::Instant::now() > deadline {
            return Some(turn);
        }
        drop(turn);
        tokio::time::sleep(RETRY).await;
    }
}

/// Lets a member lead, or whichever is fittest.
async fn lead(core: &Core, wanted: Option<u64>) -> MembersReply {
    let taken = match wanted {
        Some(id) if id == core.node_id => Some(id),
        Some(id) => {
            if transfer::lag(core, id).is_none_or(|lag| lag > transfer::LAG_MAX) {
                let why = "it lacks too much of the log; try again when it has caught up";
                return MembersReply::Refused(why.to_owned());
            }
            transfer::transfer(core, id).await
        }
        None => transfer::hand_over(core).await,
    };
    match taken {
        Some(id) if wanted.is_none_or(|wanted| wanted == id) => MembersReply::Done(id),
        Some(id) => {
            let name = core.members().remove(&id).map_or_else(String::new, |member| member.name);
            MembersReply::Refused(format!("{name} took over instead"))
        }
        None => MembersReply::Unknown("no other member took over in time".to_owned()),
    }
}

/// Proposes a change, and waits until it is committed. Whoever is no voter afterwards is no member.
pub async fn apply(core: &Core, change: Change) -> MembersReply {
    let text = format!("{change}");
    let changed = core.raft.change_membership(change, false);
    let reply = match tokio::time::timeout(COMMIT_TIMEOUT, changed).await {
        Ok(Ok(done)) => MembersReply::Done(done.log_id.index()),
        Err(_) => MembersReply::Unknown("no majority has confirmed it in time".to_owned()),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
            // It may have been appended before the leadership was lost; asking again is answered
            // by what came of it.
            MembersReply::NotLeader
        }
        Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_),
        )))) => MembersReply::Refused("another change of the members is under way".to_owned()),
        Ok(Err(error)) => MembersReply::Refused(error.to_string()),
    };
    tracing::info!(change = text, outcome = ?reply, "changing the members");
    reply
}

/// What this member, which leads, knows of the members, and what they say of themselves.
pub async fn look(core: &Core) -> (View, BTreeMap<u64, MemberStatus>) {
    let stored = core.membership();
    let membership = stored.membership();
    let members: BTreeMap<_, _> =
        membership.nodes().map(|(id, member)| (*id, member.clone())).collect();
    let others = members.keys().copied().filter(|id| *id != core.node_id);
    let asked = others.map(|id| async move { Some((id, status(core, id).await?)) });
    let statuses: BTreeMap<_, _> =
        futures::future::join_all(asked).await.into_iter().flatten().collect();
    let mut reachable: BTreeSet<u64> = statuses.keys().copied().collect();
    reachable.insert(core.node_id);
    let view = View {
        leader: core.node_id,
        voters: membership.voter_ids().collect(),
        joint: membership.get_joint_config().len() > 1,
        members,
        reachable,
    };
    (view, statuses)
}

async fn status(core: &Core, id: u64) -> Option<MemberStatus> {
    let ask = core.client(id)?;
    let ask = ask.call(Lane::Control, Kind::Status, Bytes::new(), STATUS_TIMEOUT);
    decode(&ask.await.ok()?).ok()
}
