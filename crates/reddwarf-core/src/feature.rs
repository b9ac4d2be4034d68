//! Feature levels: what all members of a group can do, so that they may run different builds.
//!
//! A group is at one level, which is part of its state. A build supports a range of levels. What
//! needs a level (an entry, a row, a way to write one) is used only once the group has reached it,
//! and the group reaches it only when all of its members support it; see
//! `docs/decisions/0020-feature-levels.md`.
//!
//! | level | brings |
//! |---|---|
//! | 1 | all that there was before levels; its state records none |
//! | 2 | the level in the state, and beside it the build of each member |

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Members whose builds a state may record.
pub const MEMBER_BUILDS_MAX: usize = 1_000;
/// Length of a version that a state may record.
pub const VERSION_BYTES_MAX: usize = 64;

/// One feature level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureLevel(pub u32);

impl FeatureLevel {
    /// The level of groups whose state records none.
    pub const FIRST: FeatureLevel = FeatureLevel(1);
    /// From this level on the state records the members' builds.
    pub const MEMBER_BUILDS: FeatureLevel = FeatureLevel(2);

    /// The level after this one: levels are raised one at a time.
    #[must_use]
    pub fn next(self) -> FeatureLevel {
        FeatureLevel(self.0.saturating_add(1))
    }
}

impl Default for FeatureLevel {
    fn default() -> Self {
        FeatureLevel::FIRST
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The levels that a build supports, from `oldest` up to and with `newest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevels {
    /// The lowest level of a group that a member of this build can belong to.
    pub oldest: FeatureLevel,
    /// The highest one.
    pub newest: FeatureLevel,
}

impl FeatureLevels {
    /// Of builds that know nothing of levels.
    pub const FIRST: FeatureLevels =
        FeatureLevels { oldest: FeatureLevel::FIRST, newest: FeatureLevel::FIRST };
    /// Of this source.
    pub const OF_THIS_BUILD: FeatureLevels =
        FeatureLevels { oldest: FeatureLevel::FIRST, newest: FeatureLevel::MEMBER_BUILDS };

    /// Whether a member of such a build can belong to a group at `level`.
    pub fn contains(&self, level: FeatureLevel) -> bool {
        self.oldest <= level && level <= self.newest
    }
}

impl Default for FeatureLevels {
    fn default() -> Self {
        FeatureLevels::OF_THIS_BUILD
    }
}

impl fmt::Display for FeatureLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "{}", self.oldest),
            false => write!(f, "{}-{}", self.oldest, self.newest),
        }
    }
}

impl FromStr for FeatureLevels {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "no feature levels; they are written like 1-2";
        let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
        let level = |text: &str| text.parse().map(FeatureLevel).map_err(|_| WRONG);
        let levels = FeatureLevels { oldest: level(oldest)?, newest: level(newest)? };
        let proper = levels.oldest >= FeatureLevel::FIRST && levels.oldest <= levels.newest;
        if proper { Ok(levels) } else { Err(WRONG) }
    }
}

/// What a program is, as far as others have to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// Its version.
    pub version: &'static str,
    /// The feature levels that it supports.
    pub levels: FeatureLevels,
}

impl Build {
    /// Of this source.
    pub const THIS: Build =
        Build { version: env!("CARGO_PKG_VERSION"), levels: FeatureLevels::OF_THIS_BUILD };
}

/// The build that a member ran when it was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBuild {
    /// The member's Raft node id.
    pub node: u64,
    /// Version of its program.
    pub version: String,
    /// The levels that it supports.
    pub levels: FeatureLevels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_written_and_read() {
        for text in ["1", "1-2", "2-3", "7"] {
            assert_eq!(text.parse::<FeatureLevels>().expect(text).to_string(), text);
        }
        for text in ["", "0", "0-1", "2-1", "1-", "-1", "x", "1-2-3"] {
            text.parse::<FeatureLevels>().expect_err(text);
        }
    }

    #[test]
    fn a_build_supports_a_range() {
        let levels: FeatureLevels = "2-3".parse().expect("levels");
        let contained: Vec<u32> =
            (0..6).filter(|level| levels.contains(FeatureLevel(*level))).collect();
        assert_eq!(contained, [2, 3]);
    }
}
