//! Test support.
pub mod cluster;
pub mod memory_store;
pub mod watcher;
pub mod writers;
