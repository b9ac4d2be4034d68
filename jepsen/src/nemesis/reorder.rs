//! Packets overtake each other.

use super::Rng;
use super::disturb::Disturbance;
use super::lines::Count;
use crate::history::{Edn, value};
use crate::net::{Reorder, Rules};
use rand::Rng as _;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Of a hundred packets.
const PERCENT: RangeInclusive<u32> = 10..=50;
/// How long a packet is held back: long enough for others to come by on a quiet line.
const BY_MS: RangeInclusive<u64> = 10..=100;

/// Holds some packets back, so that later ones overtake them.
#[derive(Debug)]
pub struct Overtaken {
    percent: u32,
    by_ms: u64,
}

impl Disturbance for Overtaken {
    const COUNT: Count = ("reordered", |counters| counters.reordered);

    fn draw(rng: &mut Rng) -> Overtaken {
        Overtaken { percent: rng.random_range(PERCENT), by_ms: rng.random_range(BY_MS) }
    }

    fn parameters(&self) -> Vec<(&'static str, Edn)> {
        vec![("percent", value::number(self.percent.into())), ("by-ms", value::number(self.by_ms))]
    }

    fn set(&self, rules: &mut Rules) {
        rules.reorder = Some(Reorder {
            probability: f64::from(self.percent) / 100.0,
            by: Duration::from_millis(self.by_ms),
        });
    }

    fn clear(rules: &mut Rules) {
        rules.reorder = None;
    }
}
