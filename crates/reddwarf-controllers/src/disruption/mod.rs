//! The disruption controller: counts the pods that disruption budgets cover, so that evictions
//! know how many may go.
//!
//! [`budget`] computes a status from a budget and its pods, [`scale`] finds out how many pods
//! there should be, and the driver writes the status when it is another one. It also takes back
//! the announcement of a disruption that did not come.

pub mod budget;
mod driver;
pub mod pod;
pub mod scale;
mod sync;

pub use driver::run;
