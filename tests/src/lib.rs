//! Test support.
pub mod branch_suite;
pub mod cluster;
pub mod definitions;
pub mod fuzz;
pub mod history_suite;
pub mod joiner;
pub mod leader;
pub mod meddled_store;
pub mod memory_api;
mod memory_history;
pub mod memory_store;
pub mod program;
pub mod reader;
pub mod store_suite;
pub mod trial;
pub mod watcher;
pub mod writers;
