//! `[upgrade]`: when the leader raises the group's feature level by itself.

use super::Interval;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long all members must support a level before it is raised, unless configured.
const SETTLE: Duration = Duration::from_secs(600);

/// When the leader raises the group's feature level. Versions from before there were levels know no
/// such section: a file without it is read by all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeConfig {
    /// For how long all members must have run and supported the next level.
    #[serde(default)]
    pub settle: Settle,
}

impl UpgradeConfig {
    /// Whether it says what is so without it.
    pub(super) fn is_default(&self) -> bool {
        *self == UpgradeConfig::default()
    }
}

/// A length of time, `0s` for none, or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle(pub Option<Duration>);

impl Default for Settle {
    fn default() -> Self {
        Settle(Some(SETTLE))
    }
}

impl FromStr for Settle {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "never" => Ok(Settle(None)),
            "0s" => Ok(Settle(Some(Duration::ZERO))),
            text => text
                .parse()
                .map(|Interval(settle)| Settle(Some(settle)))
                .map_err(|_| "not a settle time; use for example 10m, 0s or never"),
        }
    }
}

impl fmt::Display for Settle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("never"),
            Some(Duration::ZERO) => f.write_str("0s"),
            Some(settle) => Interval(settle).fmt(f),
        }
    }
}

impl Serialize for Settle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Settle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settle_times_are_read_and_shown() {
        for (text, seconds) in
            [("10m", Some(600)), ("0s", Some(0)), ("90s", Some(90)), ("never", None)]
        {
            let read: Settle = text.parse().expect(text);
            assert_eq!(read.0.map(|settle| settle.as_secs()), seconds);
            assert_eq!(read.to_string(), text);
        }
        for text in ["", "0", "0m", "soon", "-1s"] {
            text.parse::<Settle>().expect_err(text);
        }
        assert_eq!(Settle::default().to_string(), "10m");
    }
}
