//! How often operations begin.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Gives turns to clients at a steady rate. Turns that nobody took are not made up for: after an
/// outage there is no flood.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many turns a second; 0 is as many as are asked for.
    pub fn per_second(rate: f64) -> Pace {
        let interval =
            if rate > 0.0 { Duration::from_secs_f64(1.0 / rate) } else { Duration::ZERO };
        Pace { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits for a turn.
    pub async fn turn(&self) {
        tokio::time::sleep_until(self.take(Instant::now())).await;
    }

    /// When the next turn is, for a client that asks at `now`.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock();
        let at = (*next).max(now);
        *next = at + self.interval;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spaced_and_lost_when_not_taken() {
        let pace = Pace::per_second(10.0);
        let (start, step) = (Instant::now() + Duration::from_secs(1), Duration::from_millis(100));
        let turns: Vec<Duration> = (0..3).map(|_| pace.take(start) - start).collect();
        assert_eq!(turns, [Duration::ZERO, step, step * 2]);
        let later = start + step * 50;
        assert_eq!((pace.take(later), pace.take(later)), (later, later + step));
    }
}
