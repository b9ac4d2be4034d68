//! How many conflicts a member explains.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Conflicts that are explained in a second. What is read for one may have to be written first,
/// and writers that all lose to each other must not make the disk their own.
const PER_SECOND: u32 = 50;

/// Counts the conflicts that were explained lately.
#[derive(Default)]
pub(crate) struct Budget(Mutex<Option<(Instant, u32)>>);

impl Budget {
    /// Whether one more is explained now.
    pub(crate) fn take(&self) -> bool {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> bool {
        let mut held = self.0.lock();
        let (_, count) = match &mut *held {
            Some(second) if now.duration_since(second.0) < Duration::from_secs(1) => second,
            other => other.insert((now, 0)),
        };
        *count += 1;
        *count <= PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_limit_and_the_next_another() {
        let (budget, now) = (Budget::default(), Instant::now());
        let taken = |at: Instant| (0..2 * PER_SECOND).filter(|_| budget.take_at(at)).count();
        assert_eq!(taken(now), PER_SECOND as usize);
        assert_eq!(taken(now + Duration::from_millis(999)), 0);
        assert_eq!(taken(now + Duration::from_secs(1)), PER_SECOND as usize);
    }
}
