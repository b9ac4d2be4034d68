//! Numbers of bytes in the configuration: `8MiB`, `1GiB`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// The units, the largest first.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A number of bytes, a whole number of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a size; use for example 512KiB, 128MiB or 1GiB";
        let split = |(unit, bytes)| Some((text.strip_suffix(unit)?, bytes));
        let (number, bytes) = UNITS.into_iter().find_map(split).ok_or(WRONG)?;
        let number: u64 = number.parse().map_err(|_| WRONG)?;
        number.checked_mul(bytes).filter(|bytes| *bytes > 0).map(Size).ok_or(WRONG)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.into_iter().find(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = fits.unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("512KiB", 1 << 19), ("128MiB", 1 << 27), ("2GiB", 1 << 31)] {
            let read: Size = text.parse().expect(text);
            assert_eq!((read.0, read.to_string().as_str()), (bytes, text));
        }
        for wrong in ["", "8", "MiB", "0MiB", "8MB", "-1MiB", "99999999999GiB"] {
            wrong.parse::<Size>().expect_err(wrong);
        }
    }
}
