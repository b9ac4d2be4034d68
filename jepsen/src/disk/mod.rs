//! Disks and what they do to writes.

/// What stands below a member's data and can do worse than a disk.
#[derive(Debug)]
pub struct FaultyDisk;
