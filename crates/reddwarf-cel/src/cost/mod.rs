//! How much work an expression is: a guess beforehand, and a count while it is evaluated.
//!
//! The unit is upstream's: about the work of one operator. Expressions are accepted or refused by
//! these numbers, so they must be upstream's, oddities included.

mod calls;
mod estimate;
mod functions;
pub(crate) mod spent;

pub use estimate::estimate;

/// Access to a name or a field.
pub(crate) const SELECT: u64 = 1;
/// A new list.
pub(crate) const LIST: u64 = 10;
/// A new map.
pub(crate) const MAP: u64 = 30;
/// A new object.
pub(crate) const OBJECT: u64 = 40;
/// For each character of a text that is gone through.
pub(crate) const PER_CHARACTER: f64 = 0.1;
/// For each character of a pattern.
pub(crate) const PER_PATTERN_CHARACTER: f64 = 0.25;

/// A number between two bounds; arithmetic on it stops at the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// At least.
    pub min: u64,
    /// At most.
    pub max: u64,
}

impl Range {
    pub(crate) const UNKNOWN: Range = Range { min: 0, max: u64::MAX };

    pub(crate) const fn exactly(of: u64) -> Self {
        Range { min: of, max: of }
    }

    pub(crate) fn plus(self, other: Range) -> Self {
        Range { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(crate) fn times(self, other: Range) -> Self {
        Range { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    /// Each bound times a factor, rounded up.
    pub(crate) fn factor(self, factor: f64) -> Self {
        // A float that is too large becomes the largest number.
        let scaled = |of: u64| (of as f64 * factor).ceil() as u64;
        Range { min: scaled(self.min), max: scaled(self.max) }
    }

    /// The smallest range that holds both.
    pub(crate) fn union(self, other: Range) -> Self {
        Range { min: self.min.min(other.min), max: self.max.max(other.max) }
    }
}
