//! How long a simulated disk takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A disk's times, which faults change.
#[derive(Debug, Default)]
pub struct DiskPace {
    log_ms: AtomicU64,
    state_ms: AtomicU64,
}

impl DiskPace {
    /// Sets both, in milliseconds.
    pub fn set(&self, log_ms: u64, state_ms: u64) {
        self.log_ms.store(log_ms, Ordering::Relaxed);
        self.state_ms.store(state_ms, Ordering::Relaxed);
    }

    /// Of a batch of the log.
    pub fn log_time(&self) -> Duration {
        Duration::from_millis(self.log_ms.load(Ordering::Relaxed))
    }

    /// Of a transaction of the state.
    pub fn state_time(&self) -> Duration {
        Duration::from_millis(self.state_ms.load(Ordering::Relaxed))
    }
}
