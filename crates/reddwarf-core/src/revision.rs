//! The global revision counter.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A position in the group's single, ever-growing sequence of object changes.
///
/// Every changed object takes the next revision, and that number, in decimal, is the object's
/// `metadata.resourceVersion` (comparable, KEP-5504). Zero means "before any change".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision before the first change.
    pub const ZERO: Revision = Revision(0);
    /// A revision that no change will ever take.
    pub const MAX: Revision = Revision(u64::MAX);

    /// The revision that follows this one.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Revision {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Revision)
    }
}
