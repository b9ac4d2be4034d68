//! The status of the group: what each member tells of itself, put together.

use crate::core::Core;
use crate::handler::HandlerIdentity;
use crate::health::{self, MemberHealth};
use crate::peer::PeerBuild;
use crate::status::{self, GroupMember, GroupStatus, MemberStatus, UNREACHABLE};
use crate::types::Member;
use reddwarf_core::MemberBuild;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long another member may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);

/// The group, asking every member for its own part.
pub(crate) async fn group(core: &Core, identity: &HandlerIdentity) -> GroupStatus {
    let own = status::own(core, identity);
    let members = core.members();
    let asked = members.into_iter().map(|(id, member)| {
        let own = &own;
        async move {
            if id == own.id {
                return (own.clone(), health::own(core));
            }
            let health = health::of_member(core, id, STATUS_TIMEOUT);
            let (status, health) = tokio::join!(ask(core, id, member), health);
            (status, health.unwrap_or_default())
        }
    });
    let (mut members, health): (Vec<_>, Vec<_>) =
        futures::future::join_all(asked).await.into_iter().unzip();
    let voters: BTreeSet<u64> = core.raft.voter_ids().collect();
    let newest = members.iter().map(|member| member.last_log_index).max().unwrap_or_default();
    for member in &mut members {
        member.lag = newest.saturating_sub(member.applied_index);
        member.voter = voters.contains(&member.id);
    }
    let level = *core.machine.level.borrow();
    let recorded = core.machine.builds();
    let members = members.into_iter().zip(health);
    let members = members.map(|(status, health)| with_build(core, status, health, &recorded));
    let changing = core.membership().membership().get_joint_config().len() > 1;
    GroupStatus {
        cluster_id: identity.cluster_id.clone(),
        level,
        changing,
        members: members.collect(),
    }
}

/// With the levels that the member supports; of one that does not answer, as it was recorded.
fn with_build(
    core: &Core,
    mut status: MemberStatus,
    health: MemberHealth,
    recorded: &[MemberBuild],
) -> GroupMember {
    let answers = status.role != UNREACHABLE;
    let build = match status.id == core.node_id {
        true => Some(core.build.clone()),
        false if answers => core.client(status.id).and_then(|client| client.build()),
        false => {
            let found = recorded.iter().find(|build| build.node == status.id);
            found.map(|build| PeerBuild { version: build.version.clone(), levels: build.levels })
        }
    };
    if let Some(build) = build.as_ref().filter(|_| !answers) {
        status.version.clone_from(&build.version);
    }
    GroupMember { levels: build.map(|build| build.levels), health, status }
}

async fn ask(core: &Core, id: u64, member: Member) -> MemberStatus {
    let unreachable = MemberStatus {
        id,
        name: member.name,
        endpoint: member.addr,
        role: UNREACHABLE.to_owned(),
        ..MemberStatus::default()
    };
    match status::of_member(core, id, STATUS_TIMEOUT).await {
        // One that has no entry yet does not know its own.
        Some(status) => MemberStatus { endpoint: unreachable.endpoint, ..status },
        None => unreachable,
    }
}
