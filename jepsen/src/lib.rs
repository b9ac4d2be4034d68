//! Chaos tests of a replicated Kubernetes API.
//!
//! A *workload* lets clients act on an API while a *nemesis* makes faults; what they did is a
//! *history*; *checkers* look for what must not have happened in it. The words and the history's
//! form are those of [Jepsen](https://jepsen.io), so that its tools read these histories too.

pub mod checker;
pub mod cli;
pub mod client;
pub mod clock;
pub mod disk;
pub mod generator;
pub mod history;
pub mod host;
pub mod nemesis;
pub mod net;
pub mod report;
pub mod run;
pub mod trace;
pub mod workload;
