//! Volumes, claims and their classes stay while something uses them.
//!
//! Each of the three kinds has a finalizer of its own. An object that lacks it gets it; one that
//! is being deleted loses it once nothing uses the object any more: no scheduled pod the claim,
//! no claim the volume, no claim or volume the class.

mod driver;
mod plan;

pub use driver::run;
