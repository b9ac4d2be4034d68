//! Test support.
pub mod memory_store;
