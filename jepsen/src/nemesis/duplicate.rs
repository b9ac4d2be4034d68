//! Packets come twice.

use super::Rng;
use super::disturb::Disturbance;
use super::lines::Count;
use crate::history::{Edn, value};
use crate::net::Rules;
use rand::Rng as _;
use std::ops::RangeInclusive;

/// Of a hundred packets.
const PERCENT: RangeInclusive<u32> = 5..=80;

/// Sends packets twice.
#[derive(Debug)]
pub struct Twice {
    percent: u32,
}

impl Disturbance for Twice {
    const COUNT: Count = ("duplicated", |counters| counters.duplicated);

    fn draw(rng: &mut Rng) -> Twice {
        Twice { percent: rng.random_range(PERCENT) }
    }

    fn parameters(&self) -> Vec<(&'static str, Edn)> {
        vec![("percent", value::number(self.percent.into()))]
    }

    fn set(&self, rules: &mut Rules) {
        rules.duplicate = f64::from(self.percent) / 100.0;
    }

    fn clear(rules: &mut Rules) {
        rules.duplicate = 0.0;
    }
}
