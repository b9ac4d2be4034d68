//! Addresses, links and what they do to packets.
