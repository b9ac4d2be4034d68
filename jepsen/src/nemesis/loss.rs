//! Packets are lost: TCP sends them again, late.

use super::Rng;
use super::disturb::Disturbance;
use super::lines::Count;
use crate::history::{Edn, value};
use crate::net::Rules;
use rand::Rng as _;
use std::ops::RangeInclusive;

/// Of a hundred packets.
const PERCENT: RangeInclusive<u32> = 3..=40;

/// Loses packets.
#[derive(Debug)]
pub struct Lost {
    percent: u32,
}

impl Disturbance for Lost {
    const COUNT: Count = ("lost", |counters| counters.lost);

    fn draw(rng: &mut Rng) -> Lost {
        Lost { percent: rng.random_range(PERCENT) }
    }

    fn parameters(&self) -> Vec<(&'static str, Edn)> {
        vec![("percent", value::number(self.percent.into()))]
    }

    fn set(&self, rules: &mut Rules) {
        rules.loss = f64::from(self.percent) / 100.0;
    }

    fn clear(rules: &mut Rules) {
        rules.loss = 0.0;
    }
}
