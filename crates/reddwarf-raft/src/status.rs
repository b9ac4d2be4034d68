//! The group as one member sees it.

use crate::core::Core;
use crate::handler::HandlerIdentity;
use crate::health::MemberHealth;
use crate::peer::{Kind, Lane, decode};
use crate::types::term_of;
use bytes::Bytes;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use reddwarf_core::{FeatureLevel, FeatureLevels};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Status of the whole group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Id of the group.
    pub cluster_id: String,
    /// The group's feature level, as far as the member that was asked has applied it.
    #[serde(default)]
    pub level: FeatureLevel,
    /// Whether a change of the voters is half done.
    #[serde(default)]
    pub changing: bool,
    /// All members, by id; one that did not answer says so.
    pub members: Vec<GroupMember>,
}

/// [`MemberStatus::role`] of a member that did not answer.
pub const UNREACHABLE: &str = "unreachable";

/// A member as the one that was asked for the status sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// What it said.
    #[serde(flatten)]
    pub status: MemberStatus,
    /// How it is.
    #[serde(flatten)]
    pub health: MemberHealth,
    /// The feature levels that its program supports; of one that does not answer those that it
    /// supported last, if that is recorded.
    pub levels: Option<FeatureLevels>,
}

impl std::ops::Deref for GroupMember {
    type Target = MemberStatus;

    fn deref(&self) -> &MemberStatus {
        &self.status
    }
}

/// Status of one member, as members tell each other: its fields stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Raft node id.
    pub id: u64,
    /// Name of the node.
    pub name: String,
    /// `leader`, `follower`, `candidate`, `learner`, or `unreachable`.
    pub role: String,
    /// Whether it votes, as the member that was asked for the status knows it.
    pub voter: bool,
    /// Name of the voter whose place it takes once it has caught up.
    pub replaces: Option<String>,
    /// `host:port` of the node's one port.
    pub endpoint: String,
    /// Whether it belongs to a group already.
    pub founded: bool,
    /// Raft term.
    pub term: u64,
    /// Index of the last log entry.
    pub last_log_index: u64,
    /// Term of that entry.
    pub last_log_term: u64,
    /// Index of the last applied entry.
    pub applied_index: u64,
    /// Revision of the applied state.
    pub applied_revision: u64,
    /// Index up to which the state is durable beside the log.
    pub durable_index: u64,
    /// Entries between the newest log index known in the group and the applied one.
    pub lag: u64,
    /// Version of the program.
    pub version: String,
    /// State root at the applied index, in hex.
    pub state_root: String,
    /// Where its state was found to differ from the majority's.
    pub diverged_at: Option<u64>,
    /// Whether it serves nothing, because its state is wrong or not confirmed yet.
    pub quarantined: bool,
    /// What is wrong with its state or its file; it repairs itself from the others.
    pub trouble: Option<String>,
}

/// Asks a member for its own part of the status; `None` when it does not answer in time.
pub(crate) async fn of_member(core: &Core, id: u64, timeout: Duration) -> Option<MemberStatus> {
    let client = core.client(id)?;
    let asked = client.call(Lane::Control, Kind::Status, Bytes::new(), timeout);
    decode(&asked.await.ok()?).ok()
}

/// This member's part of the status; [`MemberStatus::lag`] is known to the asking one only.
pub(crate) fn own(core: &Core, identity: &HandlerIdentity) -> MemberStatus {
    let metrics = core.raft.metrics();
    let raft = metrics.borrow_watched();
    let role = match raft.state {
        ServerState::Leader => "leader",
        ServerState::Candidate => "candidate",
        ServerState::Learner => "learner",
        _ => "follower",
    };
    let member = raft.membership_config.membership().get_node(&core.node_id);
    let (applied_index, revision, root) = core.machine.standing();
    MemberStatus {
        id: core.node_id,
        name: identity.name.clone(),
        role: role.to_owned(),
        voter: raft.membership_config.membership().voter_ids().any(|id| id == core.node_id),
        replaces: identity.replaces.clone(),
        endpoint: member.map(|member| member.addr.clone()).unwrap_or_default(),
        founded: raft.membership_config.membership().nodes().next().is_some(),
        term: raft.current_term,
        last_log_index: raft.last_log_index.unwrap_or_default(),
        last_log_term: core.wal.state().1.map_or(0, |last| term_of(&last)),
        applied_index,
        applied_revision: revision.0,
        durable_index: core.machine.persist.durable().applied.index,
        lag: 0,
        version: identity.version.clone(),
        state_root: root.to_string(),
        diverged_at: core.quarantine().diverged_at(),
        quarantined: core.quarantine().refusal().is_some(),
        trouble: core.quarantine().trouble().map(|trouble| trouble.to_string()),
    }
}
