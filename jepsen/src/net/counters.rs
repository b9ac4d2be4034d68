//! What happened to packets.

use std::iter::Sum;
use std::ops::{Add, Sub};

/// What happened to packets of one link, or of several together: the evidence of a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Handed to the receiver, second copies not counted.
    pub passed: u64,
    /// Dropped because the link was cut.
    pub cut: u64,
    /// Dropped by chance.
    pub lost: u64,
    /// Handed over later than they came.
    pub delayed: u64,
    /// Handed over twice.
    pub duplicated: u64,
    /// Handed over after a packet that was sent later.
    pub reordered: u64,
    /// Dropped because too many bytes waited.
    pub overflowed: u64,
}

impl Counters {
    fn zip(self, other: Counters, f: impl Fn(u64, u64) -> u64) -> Counters {
        Counters {
            passed: f(self.passed, other.passed),
            cut: f(self.cut, other.cut),
            lost: f(self.lost, other.lost),
            delayed: f(self.delayed, other.delayed),
            duplicated: f(self.duplicated, other.duplicated),
            reordered: f(self.reordered, other.reordered),
            overflowed: f(self.overflowed, other.overflowed),
        }
    }
}

impl Add for Counters {
    type Output = Counters;

    fn add(self, other: Counters) -> Counters {
        self.zip(other, u64::saturating_add)
    }
}

/// What happened since an earlier moment.
impl Sub for Counters {
    type Output = Counters;

    fn sub(self, earlier: Counters) -> Counters {
        self.zip(earlier, u64::saturating_sub)
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Counters>>(all: I) -> Counters {
        all.fold(Counters::default(), Add::add)
    }
}
