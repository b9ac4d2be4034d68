//! The clocks of a simulated machine.

use parking_lot::Mutex;
use std::time::Duration;

/// What all wall clocks show when a run begins: milliseconds since the Unix epoch.
const BEGIN_MS: i64 = 1_800_000_000_000;

/// A machine's clocks, over the time of the simulation.
#[derive(Debug, Default)]
pub struct MachineClock(Mutex<Offsets>);

#[derive(Debug, Default)]
struct Offsets {
    wall_ms: i64,
    /// How long the machine has stood, and since when it stands.
    stood: Duration,
    stands_since: Option<Duration>,
}

impl MachineClock {
    /// Lets the wall clock jump.
    pub fn jump(&self, by_ms: i64) {
        self.0.lock().wall_ms += by_ms;
    }

    /// The wall clock shows what the others show.
    pub fn set_right(&self) {
        self.0.lock().wall_ms = 0;
    }

    /// The machine is suspended: its monotonic clock does not go on.
    pub fn stand(&self, now: Duration) {
        self.0.lock().stands_since.get_or_insert(now);
    }

    /// The machine goes on.
    pub fn go_on(&self, now: Duration) {
        let mut offsets = self.0.lock();
        if let Some(since) = offsets.stands_since.take() {
            offsets.stood += now.saturating_sub(since);
        }
    }

    /// What the wall clock shows when the simulation has run for so long.
    pub fn wall_ms_at(&self, now: Duration) -> u64 {
        let offset = self.0.lock().wall_ms;
        (BEGIN_MS + now.as_millis() as i64).saturating_add(offset).max(0) as u64
    }

    /// What the monotonic clock shows.
    pub fn monotonic_at(&self, now: Duration) -> Duration {
        let offsets = self.0.lock();
        let until = offsets.stands_since.unwrap_or(now);
        until.saturating_sub(offsets.stood)
    }
}
