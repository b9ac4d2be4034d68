//! What a disk did: the evidence that a fault happened.

use parking_lot::Mutex;
use std::time::Duration;

/// What a disk did since it was mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounters {
    /// Syncs of files and folders that were asked for.
    pub syncs: u64,
    /// Those that were made to wait.
    pub syncs_delayed: u64,
    /// For how long, together, in microseconds.
    pub delay_us: u64,
    /// Those that were made to fail.
    pub syncs_failed: u64,
    /// Writes, reservations and creations that found no room.
    pub refused_full: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Crashes.
    pub crashes: u64,
    /// What all crashes took.
    pub lost: Lost,
}

/// What a crash took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Files with other content now.
    pub files: u64,
    /// Bytes that are others now, or gone.
    pub bytes: u64,
    /// Unsynced bytes that survived.
    pub survived_bytes: u64,
    /// Creations, removals and renames that did not happen.
    pub names: u64,
}

impl Lost {
    /// Whether the crash changed anything.
    pub fn any(&self) -> bool {
        self.bytes > 0 || self.names > 0
    }
}

/// [`DiskCounters`] while they count.
#[derive(Debug, Default)]
pub(super) struct Counting(Mutex<DiskCounters>);

impl Counting {
    pub(super) fn read(&self) -> DiskCounters {
        *self.0.lock()
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.0.lock().written_bytes += bytes as u64;
    }

    pub(super) fn refused_full(&self) {
        self.0.lock().refused_full += 1;
    }

    pub(super) fn synced(&self, delay: Duration, failed: bool) {
        let mut counters = self.0.lock();
        counters.syncs += 1;
        counters.syncs_failed += u64::from(failed);
        counters.syncs_delayed += u64::from(!delay.is_zero());
        counters.delay_us += delay.as_micros() as u64;
    }

    pub(super) fn crashed(&self, lost: Lost) {
        let mut counters = self.0.lock();
        counters.crashes += 1;
        counters.lost.files += lost.files;
        counters.lost.bytes += lost.bytes;
        counters.lost.survived_bytes += lost.survived_bytes;
        counters.lost.names += lost.names;
    }
}
