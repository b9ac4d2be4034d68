//! One direction between two ends: decides what becomes of each packet. No I/O, no clock.

use super::{Counters, Rules};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// How many bytes may wait on one link; what comes on top is dropped, as by a router's queue.
pub const HELD_BYTES_MAX: usize = 8 << 20;

/// One direction between two ends.
#[derive(Debug)]
pub struct Link {
    rules: Rules,
    counters: Counters,
    rng: SmallRng,
    /// Until when the bytes sent so far occupy the line.
    busy_until: Option<Instant>,
    /// When the last packet that keeps its place in the order is due.
    last_due: Option<Instant>,
    next_place: u64,
    /// The highest place handed over, plus one.
    reached: u64,
    held_bytes: usize,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// When it is due; at once when `None`.
    pub due: Option<Instant>,
    /// Its place in the order of sending.
    pub place: u64,
    /// Whether it is handed over twice.
    pub twice: bool,
}

impl Link {
    /// A link that passes everything on.
    pub fn new(seed: u64) -> Link {
        Link {
            rules: Rules::default(),
            counters: Counters::default(),
            rng: SmallRng::seed_from_u64(seed),
            busy_until: None,
            last_due: None,
            next_place: 0,
            reached: 0,
            held_bytes: 0,
        }
    }

    /// What it does now.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Does something else from now on. What waits is due at once: see [`super::fabric::Fabric`].
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
        self.last_due = None;
        self.busy_until = None;
    }

    /// What it has done since it was made.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Decides about a packet of `bytes` that came `now`; `None`: it is dropped.
    pub fn offer(&mut self, now: Instant, bytes: usize) -> Option<Fate> {
        if self.rules.cut {
            self.counters.cut += 1;
            return None;
        }
        if self.happens(self.rules.loss) {
            self.counters.lost += 1;
            return None;
        }
        let twice = self.happens(self.rules.duplicate);
        let due = self.due(now, bytes);
        if due.is_some() {
            let held_bytes = self.held_bytes + bytes * (1 + usize::from(twice));
            if held_bytes > HELD_BYTES_MAX {
                self.counters.overflowed += 1;
                return None;
            }
            self.held_bytes = held_bytes;
        }
        self.next_place += 1;
        Some(Fate { due, place: self.next_place - 1, twice })
    }

    /// Counts a packet that waited; false: the link has been cut meanwhile, and it is dropped.
    pub fn release(&mut self, bytes: usize, place: u64, again: bool) -> bool {
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        if self.rules.cut {
            self.counters.cut += 1;
            return false;
        }
        self.counters.delayed += u64::from(!again);
        self.hand_over(place, again);
        true
    }

    /// Counts a packet that is handed over, for the first time or again.
    pub fn hand_over(&mut self, place: u64, again: bool) {
        if again {
            self.counters.duplicated += 1;
            return;
        }
        self.counters.passed += 1;
        self.counters.reordered += u64::from(place < self.reached);
        self.reached = self.reached.max(place + 1);
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.min(1.0))
    }

    /// When a packet is due. One that is not overtaken is never due before an earlier one.
    fn due(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let mut at = now;
        if let Some(rate) = self.rules.rate_bytes_per_s {
            let takes = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
            at = self.busy_until.map_or(now, |until| until.max(now)) + takes;
            self.busy_until = Some(at);
        }
        if let Some(delay) = self.rules.delay {
            let earliest = delay.mean.saturating_sub(delay.jitter);
            let spread = (delay.mean + delay.jitter - earliest).as_secs_f64();
            at += earliest + Duration::from_secs_f64(spread * self.rng.random::<f64>());
        }
        if let Some(reorder) = self.rules.reorder
            && self.happens(reorder.probability)
        {
            return Some(at + reorder.by);
        }
        at = self.last_due.map_or(at, |last| last.max(at));
        self.last_due = (at > now).then_some(at);
        self.last_due
    }
}
