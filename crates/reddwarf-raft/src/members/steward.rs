//! What the leader does about the members by itself: it completes a change that an earlier leader
//! has left half done, and makes voters of learners that have caught up.

use super::change::{apply, look};
use super::plan::{self, Candidate, Change, Step, View};
use crate::core::Core;
use crate::founding;
use crate::peer::MembersReply;
use crate::status::MemberStatus;
use crate::transfer;
use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often the leader looks while there is something to do.
const INTERVAL: Duration = Duration::from_millis(100);
/// Entries that a learner may lack to count as caught up: a moment's worth under load.
const LAG_MAX: u64 = 1_000;

/// Looks after the members while this member leads, until the node stops.
pub async fn steward(core: Arc<Core>) {
    let mut told = String::new();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if core.leadership.borrow().is_none() || !has_work(&core) {
            continue;
        }
        founding::record_incarnations(&core).await;
        let turn = core.changing_members.lock().await;
        let outcome = attend(&core).await;
        drop(turn);
        if let Err(why) = outcome
            && why != told
        {
            tracing::warn!(why, "a member that joins is not made a voter yet");
            told = why;
        }
    }
}

/// Whether a change is half done, or there are learners.
fn has_work(core: &Core) -> bool {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let membership = metrics.membership_config.membership();
    membership.get_joint_config().len() > 1 || membership.learner_ids().next().is_some()
}

async fn attend(core: &Core) -> Result<(), String> {
    if core.membership().membership().get_joint_config().len() > 1 {
        return outcome(apply(core, completed()).await);
    }
    let caught_up = caught_up(core);
    if caught_up.is_empty() {
        return Ok(());
    }
    let (view, statuses) = look(core).await;
    // The next one is judged by what becomes of this.
    let ready = caught_up.iter().find_map(|id| candidate(*id, &view, &statuses));
    let Some(candidate) = ready else { return Ok(()) };
    match plan::promote(&view, &candidate)? {
        Step::Change(change) => outcome(apply(core, change).await),
        Step::HandOver => {
            transfer::hand_over(core).await;
            Ok(())
        }
    }
}

/// Openraft goes on from the half-done change to the voters that it names last.
fn completed() -> Change {
    ChangeMembers::AddVoterIds(BTreeSet::new())
}

fn outcome(reply: MembersReply) -> Result<(), String> {
    match reply {
        MembersReply::Done(_) | MembersReply::NotLeader => Ok(()),
        MembersReply::Refused(why) | MembersReply::Unknown(why) => Err(why),
    }
}

/// Learners that have nearly all of the log.
fn caught_up(core: &Core) -> Vec<u64> {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let last = metrics.last_log_index.unwrap_or_default();
    let matched = |id: &u64| metrics.replication.as_ref()?.get(id)?.as_ref().map(|at| at.index());
    let learners = metrics.membership_config.membership().learner_ids();
    learners.filter(|id| matched(id).is_some_and(|at| at + LAG_MAX >= last)).collect()
}

/// A learner that answers, has nothing wrong with it and has applied nearly all, and whose data
/// folder is recorded.
fn candidate(id: u64, view: &View, statuses: &BTreeMap<u64, MemberStatus>) -> Option<Candidate> {
    let (status, member) = (statuses.get(&id)?, view.members.get(&id)?);
    let newest = statuses.values().map(|status| status.last_log_index).max().unwrap_or_default();
    let ready = status.applied_index + LAG_MAX >= newest
        && status.trouble.is_none()
        && member.incarnation != 0
        && !view.voters.contains(&id);
    ready.then(|| Candidate { id, replaces: status.replaces.clone() })
}
