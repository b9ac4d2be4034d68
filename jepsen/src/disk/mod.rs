//! Disks and what they do to writes.
