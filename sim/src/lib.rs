//! Deterministic simulation of the replicated core: whole groups of members in one thread, with
//! simulated time, network and disks, whose every step follows from a seed.
//!
//! ```text
//! sim ── starts ──► sim-world (a seed): Plan ──► Group ──► Machine: Node, SimDisk, clocks
//!   │                                              │          ▲ Request
//!   │                                  Checks ◄── Run ──► Clients ──► Journal
//!   └── shrinks the plan of a seed that fails        └── Model
//! ```
#![warn(missing_docs)]

pub mod checks;
pub mod clients;
pub mod disk;
pub mod group;
pub mod model;
pub mod plan;
pub mod planted;
pub mod run;
pub mod runner;
pub mod trace;
