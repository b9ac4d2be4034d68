//! Replication: the write-ahead log, openraft over it, the transport between members, and the
//! node that offers all of it as one [`reddwarf_core::Store`].

pub mod config;
pub mod data;
pub mod error;
pub mod fanout;
mod log_store;
mod machine;
mod membership;
pub mod metrics;
pub mod peer;
mod pending;
mod snapshot;
pub mod status;
pub mod types;
pub mod wal;

pub use config::{Limits, NodeConfig, Peer};
pub use error::StartError;
pub use metrics::RaftMetrics;
pub use status::{GroupStatus, MemberStatus};
#[cfg(test)]
mod suite_tests;
