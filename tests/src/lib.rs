//! Test support.
pub mod cluster;
pub mod memory_api;
pub mod memory_store;
pub mod store_suite;
pub mod watcher;
pub mod writers;
