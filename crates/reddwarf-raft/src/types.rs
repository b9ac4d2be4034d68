//! openraft's type configuration and the aliases used throughout this crate.

use crate::data::LogData;
use reddwarf_core::Outcome;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A member as the replicated membership records it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Name of the node, unique in the group; its certificate carries it.
    pub name: String,
    /// `host:port` of the node's one port.
    pub addr: String,
    /// The data folder that the member votes from; zero until the group knows it.
    pub incarnation: u64,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.addr)
    }
}

openraft::declare_raft_types!(
    /// What Raft carries here: encoded proposals in, outcomes of `apply` out. There is at most
    /// one leader in a term, so that a term alone can fence (invariant 7).
    pub TypeConfig:
        D = LogData,
        R = Outcome,
        NodeId = u64,
        Node = Member,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
);

/// Term and index of an entry.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// An entry of the log.
pub type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// A vote.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// A membership and the entry that set it.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// A membership.
pub type Membership = openraft::Membership<u64, Member>;

/// A log id of a term and an index.
pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

/// The term of a log id.
pub fn term_of(id: &LogId) -> u64 {
    **id.committed_leader_id()
}
