//! Whether the disk takes too long to make the log durable.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// A sync that takes longer is slow: a disk that is busy, or about to fail.
const SLOW: Duration = Duration::from_millis(250);
/// For how long one is remembered: longer than from one tick of the cluster clock to the next, so
/// that a disk does not pass for quick because nothing is written.
const REMEMBERED: Duration = Duration::from_secs(15);

/// The syncs of one log, as far as they are slow.
#[derive(Debug, Default)]
pub struct SlowSync(Mutex<Syncs>);

#[derive(Debug, Default)]
struct Syncs {
    began: Option<Instant>,
    /// When the last slow one ended, and how long it took.
    slow: Option<(Instant, Duration)>,
}

impl SlowSync {
    /// A sync begins.
    pub fn begin(&self, now: Instant) {
        self.0.lock().began = Some(now);
    }

    /// It has ended.
    pub fn end(&self, now: Instant) {
        let mut syncs = self.0.lock();
        let took = syncs.began.take().map(|began| now - began);
        if let Some(took) = took.filter(|took| *took >= SLOW) {
            syncs.slow = Some((now, took));
        }
    }

    /// How long a slow one has taken so far, or took lately.
    pub fn duration(&self, now: Instant) -> Option<Duration> {
        let syncs = self.0.lock();
        let so_far = syncs.began.map(|began| now - began).filter(|took| *took >= SLOW);
        let lately = syncs.slow.filter(|(at, _)| now - *at < REMEMBERED).map(|(_, took)| took);
        so_far.max(lately)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_sync_is_told_while_it_lasts_and_for_a_while_after() {
        let syncs = SlowSync::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let told = |ms| syncs.duration(at(ms)).map(|took| took.as_millis());
        syncs.begin(at(0));
        syncs.end(at(249));
        assert_eq!(told(249), None);
        syncs.begin(at(1_000));
        assert_eq!((told(1_200), told(1_300)), (None, Some(300)));
        syncs.end(at(1_400));
        syncs.begin(at(2_000));
        syncs.end(at(2_001));
        assert_eq!((told(2_001), told(16_399)), (Some(400), Some(400)));
        assert_eq!(told(16_400), None);
    }
}
