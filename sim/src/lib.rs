//! Deterministic simulation of the replicated core: whole groups of members in one thread, with
//! simulated time, network and disks, whose every step follows from a seed.
#![warn(missing_docs)]

pub mod disk;
