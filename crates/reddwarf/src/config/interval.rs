//! Lengths of time in the configuration: `90s`, `15m`, `1h`, `7d`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The units, the largest first.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A length of time, a whole number of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a length of time; use for example 90s, 15m, 1h or 7d";
        let (unit, seconds) =
            UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit)).ok_or(WRONG)?;
        let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| WRONG)?;
        let seconds = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or(WRONG)?;
        Ok(Interval(Duration::from_secs(seconds)))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let fits = UNITS.into_iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
        let (unit, length) = fits.unwrap_or(('s', 1));
        write!(f, "{}{unit}", seconds / length)
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_and_shown() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            let read: Interval = text.parse().expect(text);
            assert_eq!((read.0.as_secs(), read.to_string().as_str()), (seconds, text));
        }
        for text in ["", "h", "0s", "1.5h", "-1h", "5", "1h30m", "999999999999999999d"] {
            text.parse::<Interval>().expect_err(text);
        }
    }
}
