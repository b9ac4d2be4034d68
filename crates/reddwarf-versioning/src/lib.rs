//! Reddwarf versioning.
