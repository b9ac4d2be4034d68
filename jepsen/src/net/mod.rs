//! Addresses, links and what they do to packets.

/// The links between members.
#[derive(Debug)]
pub struct Network;
