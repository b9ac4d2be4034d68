//! When those who were refused may try again.

/// Advice at most.
const SECONDS_MAX: u32 = 32;

/// The advice of one level: longer while many are refused, shorter again when few are.
#[derive(Debug)]
pub struct RetryAfter {
    seconds: u32,
    /// Seconds at which the advice is thought over.
    until: u64,
    /// Refusals since it was last.
    refused: u32,
}

impl Default for RetryAfter {
    fn default() -> Self {
        RetryAfter { seconds: 1, until: 0, refused: 0 }
    }
}

impl RetryAfter {
    /// Counts a refusal at `now_seconds` (of any clock that only moves forward); the advice.
    pub fn refused(&mut self, now_seconds: u64) -> u32 {
        if now_seconds >= self.until {
            let intervals = (now_seconds - self.until) / u64::from(self.seconds) + 1;
            if self.refused >= 3 * self.seconds && intervals == 1 {
                self.seconds = (2 * self.seconds).min(SECONDS_MAX);
            } else if self.refused < self.seconds || intervals > 1 {
                let less = u32::try_from(intervals).unwrap_or(u32::MAX);
                self.seconds = self.seconds.saturating_sub(less).max(1);
            }
            self.refused = 0;
            self.until = now_seconds + u64::from(self.seconds);
        }
        self.refused = self.refused.saturating_add(1);
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_under_load_and_shorter_after() {
        let mut advice = RetryAfter::default();
        let mut second = |now: u64, count: u32| {
            (0..count).map(|_| advice.refused(now)).last().unwrap_or_default()
        };
        assert_eq!(second(0, 10), 1);
        assert_eq!(second(1, 10), 2);
        assert_eq!(second(2, 10), 2);
        assert_eq!(second(3, 100), 4);
        assert_eq!((4..300).map(|now| second(now, 100)).max(), Some(SECONDS_MAX));
        assert_eq!(second(2_000, 1), 1);
    }
}
