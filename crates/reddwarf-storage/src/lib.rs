//! Reddwarf storage.
