//! Little passes in a second: a network that is full.

use super::Rng;
use super::disturb::Disturbance;
use super::lines::Count;
use crate::history::{Edn, value};
use crate::net::Rules;
use rand::Rng as _;
use std::ops::RangeInclusive;

/// In a second, one way.
const KIB: RangeInclusive<u64> = 16..=1024;

/// Lets only so many bytes pass in a second.
#[derive(Debug)]
pub struct Narrow {
    kib_per_s: u64,
}

impl Disturbance for Narrow {
    const COUNT: Count = ("delayed", |counters| counters.delayed);

    fn draw(rng: &mut Rng) -> Narrow {
        Narrow { kib_per_s: rng.random_range(KIB) }
    }

    fn parameters(&self) -> Vec<(&'static str, Edn)> {
        vec![("kib-per-s", value::number(self.kib_per_s))]
    }

    fn set(&self, rules: &mut Rules) {
        rules.rate_bytes_per_s = Some(self.kib_per_s << 10);
    }

    fn clear(rules: &mut Rules) {
        rules.rate_bytes_per_s = None;
    }
}
