//! Addresses, links and what they do to packets.
//!
//! Each member lives in a network namespace of its own whose only device is a TUN; the clients'
//! side, the root namespace, has one too. The other ends of all of them are held by one *switch*, a
//! thread of this process that passes IP packets from one to another. So every directed pair of
//! ends is a *link* of its own, whose [`Rules`] may change at any moment and whose [`Counters`] say
//! what really happened to packets. All random choices of a link come from the run's seed.
//!
//! ```text
//!  root namespace     namespace n1      namespace n2
//!  clients            member            member
//!  10.213.x.1         10.213.x.11       10.213.x.12
//!     │ TUN              │ TUN             │ TUN
//!     └────────► switch: Fabric of links ◄─┘
//! ```
//!
//! Not netem and not nftables: many kernels (of containers, of small virtual machines) lack the
//! former, and neither says which packets it touched.
//!
//! Layers, each of which knows only those before it: [`Rules`] and [`Counters`] are data;
//! `link` decides about one packet; `fabric` holds back and hands out packets; `switch` reads and
//! writes devices; [`Network`] makes and removes all of it. [`Grudge`] computes who is cut off from
//! whom, and knows none of them.
//!
//! Deliberately absent: corrupt packets (checksums are left to the devices' offloading, so nobody
//! would notice one), IPv6, and anything but IP between the ends.

mod counters;
mod device;
mod error;
mod fabric;
mod grudge;
mod link;
mod namespace;
mod network;
mod rules;
mod subnet;
mod switch;

pub use counters::Counters;
pub use error::NetError;
pub use grudge::{Grudge, Line};
pub use namespace::Namespace;
pub use network::{CLIENTS, Network};
pub use rules::{Delay, Reorder, Rules};
