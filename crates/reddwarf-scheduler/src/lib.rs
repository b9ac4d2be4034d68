//! Reddwarf scheduler.
