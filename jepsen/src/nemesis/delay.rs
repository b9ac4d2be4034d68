//! Packets come late: a far or busy network.

use super::Rng;
use super::disturb::Disturbance;
use super::lines::Count;
use crate::history::{Edn, value};
use crate::net::{Delay, Rules};
use rand::Rng as _;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Milliseconds one way: between continents, and more than elections wait for.
const MEAN_MS: RangeInclusive<u64> = 5..=400;

/// Delays packets, some more than others.
#[derive(Debug)]
pub struct Late {
    mean_ms: u64,
    jitter_ms: u64,
}

impl Disturbance for Late {
    const COUNT: Count = ("delayed", |counters| counters.delayed);

    fn draw(rng: &mut Rng) -> Late {
        let mean_ms = rng.random_range(MEAN_MS);
        Late { mean_ms, jitter_ms: rng.random_range(0..=mean_ms / 2) }
    }

    fn parameters(&self) -> Vec<(&'static str, Edn)> {
        vec![("mean-ms", value::number(self.mean_ms)), ("jitter-ms", value::number(self.jitter_ms))]
    }

    fn set(&self, rules: &mut Rules) {
        rules.delay = Some(Delay {
            mean: Duration::from_millis(self.mean_ms),
            jitter: Duration::from_millis(self.jitter_ms),
        });
    }

    fn clear(rules: &mut Rules) {
        rules.delay = None;
    }
}
