//! Reddwarf raft.
