//! What clients do next: when, on which object, with which value.

mod keys;
mod pace;

pub use keys::Keys;
pub use pace::Pace;

use std::sync::atomic::{AtomicU64, Ordering};

/// Values, of which no two are the same.
#[derive(Debug, Default)]
pub struct Values(AtomicU64);

impl Values {
    /// One that was not given before.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
