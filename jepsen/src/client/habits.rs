//! How clients behave, which a nemesis may change while they run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct Habits {
    hopping: AtomicBool,
    hops: AtomicU64,
    slow: AtomicBool,
    stalls: AtomicU64,
}

impl Habits {
    /// Whether each operation goes to another member.
    pub fn hopping(&self) -> bool {
        self.hopping.load(Ordering::Relaxed)
    }

    /// Lets clients hop from now on, or stay.
    pub fn set_hopping(&self, on: bool) {
        self.hopping.store(on, Ordering::Relaxed);
    }

    /// A client went to another member.
    pub fn hopped(&self) {
        self.hops.fetch_add(1, Ordering::Relaxed);
    }

    /// How often clients went to another member.
    pub fn hops(&self) -> u64 {
        self.hops.load(Ordering::Relaxed)
    }

    /// Whether watchers leave what they are sent unread.
    pub fn slow_watchers(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Lets watchers stop reading, or go on.
    pub fn set_slow_watchers(&self, on: bool) {
        self.slow.store(on, Ordering::Relaxed);
    }

    /// A watcher stopped reading.
    pub fn stalled(&self) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
    }

    /// How often watchers stopped reading.
    pub fn stalls(&self) -> u64 {
        self.stalls.load(Ordering::Relaxed)
    }
}
