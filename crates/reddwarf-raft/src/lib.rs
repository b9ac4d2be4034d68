//! Reddwarf raft.
pub mod fanout;
