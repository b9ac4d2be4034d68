//! Where members run.
//!
//! [`Hosts`] give every member a [`Place`]: an address, and what its process is started under. A
//! [`Group`] then configures the members there, starts and reaps them, and is what nemeses act on.

mod choose;
mod equip;
mod error;
mod group;
mod loopback;
mod member;
mod membership;
mod namespaces;
mod process;
mod strays;

pub use choose::{HostsWanted, choose};
pub use equip::{equip, lacking};
pub use error::HostError;
pub use group::{Group, READY_TIMEOUT};
pub use loopback::Loopback;
pub use member::{Member, Role};
pub use membership::NO_MEMBER_EXIT;
pub use namespaces::Namespaces;
pub use process::Launch;
pub use strays::Strays;

use crate::net::Network;
use std::net::SocketAddr;
use std::sync::Arc;

/// The network's end of a member.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where the member listens, for clients and for the others.
    pub address: SocketAddr,
    /// What its process is started under.
    pub launch: Launch,
}

/// Where the members of one run live. Dropping it removes whatever it made.
pub trait Hosts: Send + Sync {
    /// What the report calls it, such as `loopback`.
    fn name(&self) -> &'static str;

    /// The places of the members, in their order.
    fn places(&self) -> &[Place];

    /// The links between the members, when they can be acted on.
    fn network(&self) -> Option<Arc<Network>> {
        None
    }
}
