//! Replication: the write-ahead log, openraft over it, the transport between members, and the
//! node that offers all of it as one [`reddwarf_core::Store`].
//!
//! ```text
//! Node ── ReplicatedStore ── Proposer ──► Raft ──► Wal (entries, vote)
//!   │            │                          │
//!   │            └── ReadIndex              └────► Machine: State, Fanout, persister
//!   └── Handler ◄── peer: framed calls over mutual TLS
//! ```

mod background;
mod backup;
pub mod config;
mod contact;
mod core;
pub mod data;
mod environment;
pub mod error;
pub mod fanout;
mod founding;
mod full_leader;
mod group_clock;
mod handler;
mod health;
mod history;
mod identity;
pub mod inspect;
mod leadership;
mod log_store;
mod lost_leader;
mod machine;
mod members;
mod membership;
pub mod metrics;
mod node;
mod open;
mod outgoing;
pub mod peer;
mod pending;
mod persisting;
mod proposer;
mod quarantine;
mod read_index;
mod recent_commits;
pub mod recovery;
mod repair;
mod replace;
mod roots;
mod scrub;
mod snapshot;
mod start;
mod start_check;
pub mod status;
mod store;
#[cfg(test)]
mod suite_tests;
mod survey;
mod sweep;
mod transfer;
pub mod types;
pub mod wal;

pub use backup::{BackupFailure, BackupHead};
pub use config::{Admission, Limits, NodeConfig, Peer};
pub use environment::{Clock, Environment, Pace, SystemClock, Work};
pub use error::{Failure, StartError};
pub use identity::recorded as recorded_identity;
pub use members::ChangeError;
pub use metrics::RaftMetrics;
pub use node::Node;
/// The ALPNs of connections between members, the preferred one first.
pub const ALPNS: [&[u8]; 2] = [peer::ALPN, peer::ALPN_FIRST_LEVEL];
pub use health::MemberHealth;
pub use reddwarf_storage::{BackupSummary, RowsUsage, Usage};
pub use status::{GroupMember, GroupStatus, MemberStatus};
