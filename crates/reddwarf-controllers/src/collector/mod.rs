//! The garbage collector: removes objects whose owners are gone, and finishes deletions that wait
//! for dependents.
//!
//! [`graph`] knows which objects name which owners, [`plan`] says what becomes of one object, and
//! the driver carries that out. Deletions and patches are conditional on what the plan was made
//! from, so that an object that changed meanwhile is looked at again rather than removed.

mod act;
mod driver;
pub mod graph;
pub mod plan;
#[cfg(test)]
mod simulation;
mod stray;

pub use driver::run;
