//! Times and durations.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The largest time that can be told, in seconds: the end of the year 9999.
const SECONDS_MAX: i64 = 253_402_300_799;
/// The smallest: the beginning of the year 1.
const SECONDS_MIN: i64 = -62_135_596_800;

/// A point in time, with the offset under which it was written.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    seconds: i64,
    nanos: i32,
    /// Seconds east of Greenwich.
    offset: i32,
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Time {}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Time {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }
}

impl Time {
    /// A time in seconds since 1970, if there is such a one.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        let known = (SECONDS_MIN..=SECONDS_MAX).contains(&seconds);
        known.then_some(Time { seconds, nanos: 0, offset: 0 })
    }

    fn from_nanos(nanos: i128) -> Option<Self> {
        let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
        let time = Self::from_seconds(seconds)?;
        Some(Time { nanos: nanos.rem_euclid(1_000_000_000) as i32, ..time })
    }

    /// Reads a time as RFC 3339 has it, with a `T` and an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, clock) = text.split_once('T')?;
        let date = parse_day(day)?;
        let at = clock.find(['Z', '+', '-'])?;
        let offset = parse_offset(&clock[at..])?;
        let (hms, fraction) = clock[..at].split_once('.').unwrap_or((&clock[..at], ""));
        let [h, m, s] = hms.split(':').collect::<Vec<_>>().try_into().ok()?;
        let two = |part: &str| (part.len() == 2).then(|| digits(part)).flatten();
        let (hour, minute, second) = (two(h)?, two(m)?, two(s)?);
        if clock[..at].contains('.') && fraction.is_empty() {
            return None;
        }
        let nanos = if fraction.is_empty() { 0 } else { nanos_of(fraction)? };
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let civil = date.at(hour as i8, minute as i8, 0, 0);
        let day_seconds = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        let seconds = day_seconds + second - i64::from(offset);
        Some(Time { seconds, nanos, offset })
    }

    /// Reads a time as the format `date-time` allows it: also with a space or without an offset.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        let text = text.trim().replacen([' ', 't'], "T", 1).replace('z', "Z");
        if text.is_empty() {
            return Self::from_seconds(0);
        }
        Self::parse(&text).or_else(|| Self::parse(&format!("{text}Z")))
    }

    /// Whether the time can be told.
    pub fn is_known(&self) -> bool {
        (SECONDS_MIN..=SECONDS_MAX).contains(&self.seconds)
    }

    /// Whether it is the beginning of the year 1.
    pub fn is_zero(&self) -> bool {
        self.seconds == SECONDS_MIN && self.nanos == 0
    }

    /// Seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    fn total(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// The time so many nanoseconds later.
    pub fn plus(&self, nanos: i128) -> Option<Self> {
        let later = Self::from_nanos(self.total() + nanos)?;
        Some(Time { offset: self.offset, ..later })
    }

    /// The nanoseconds from another time to this one.
    pub fn since(&self, other: &Time) -> Option<i64> {
        i64::try_from(self.total() - other.total()).ok()
    }

    /// The date and the clock in a time zone: a name, an offset, or nothing for that of Greenwich.
    pub fn civil(&self, zone: &str) -> Result<DateTime, String> {
        let timestamp =
            Timestamp::new(self.seconds, self.nanos).map_err(|error| error.to_string())?;
        let zone = match zone.split_once(':') {
            Some((hours, minutes)) => offset_zone(zone, hours, minutes)?,
            None if zone.is_empty() || zone == "UTC" => TimeZone::UTC,
            None => TimeZone::get(zone).map_err(|_| format!("unknown time zone {zone}"))?,
        };
        Ok(Zoned::new(timestamp, zone).datetime())
    }

    /// The time as RFC 3339 has it.
    pub fn text(&self) -> String {
        let local = Time { seconds: self.seconds + i64::from(self.offset), ..*self };
        let Ok(civil) = local.civil("") else { return String::new() };
        let (date, clock) = (civil.date(), civil.time());
        let mut text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year(),
            date.month(),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        );
        if self.nanos > 0 {
            text.push('.');
            text.push_str(format!("{:09}", self.nanos).trim_end_matches('0'));
        }
        match self.offset {
            0 => text.push('Z'),
            offset => {
                let sign = if offset < 0 { '-' } else { '+' };
                let minutes = offset.abs() / 60;
                text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
            }
        }
        text
    }
}

fn offset_zone(zone: &str, hours: &str, minutes: &str) -> Result<TimeZone, String> {
    let number = |text: &str| {
        text.parse::<i32>().map_err(|_| format!("strconv.Atoi: parsing \"{text}\": invalid syntax"))
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if !(0..60).contains(&minutes) {
        return Err(format!("timezone offset minutes out of range [0, 59]: {zone}"));
    }
    let whole = hours.saturating_mul(60);
    let offset = if zone.starts_with('-') { whole - minutes } else { whole + minutes };
    let seconds = offset.saturating_mul(60).clamp(-93_599, 93_599);
    let offset = jiff::tz::Offset::from_seconds(seconds).map_err(|error| error.to_string())?;
    Ok(TimeZone::fixed(offset))
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn nanos_of(fraction: &str) -> Option<i32> {
    digits(fraction.get(..fraction.len().min(9))?)?;
    fraction.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    format!("{:0<9}", &fraction[..fraction.len().min(9)]).parse().ok()
}

fn parse_offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (hours, minutes) = text[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)? as i32, digits(minutes)? as i32);
    if hours > 24 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

fn parse_day(text: &str) -> Option<Date> {
    let [y, m, d] = text.split('-').collect::<Vec<_>>().try_into().ok()?;
    if y.len() != 4 || m.len() != 2 || d.len() != 2 {
        return None;
    }
    Date::new(digits(y)? as i16, digits(m)? as i8, digits(d)? as i8).ok()
}

/// Reads a date.
pub fn parse_date(text: &str) -> Option<Time> {
    let date = parse_day(text)?;
    Time::from_seconds(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Units of durations and their nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a duration such as `1h30m` or `-1.5s`, in nanoseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == &after[..unit])?;
        total = total.checked_add(in_nanos(number, *nanos)?)?;
        rest = &after[unit..];
    }
    match (negative, i64::try_from(total)) {
        (false, Ok(total)) => Some(total),
        (true, Ok(total)) => Some(-total),
        (true, Err(_)) if total == 1 << 63 => Some(i64::MIN),
        _ => None,
    }
}

/// A decimal number of a unit, in nanoseconds.
fn in_nanos(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(unit)?;
    let fraction = &fraction[..fraction.len().min(18)];
    if !fraction.is_empty() {
        let scale = 10_u128.pow(fraction.len() as u32);
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit) / scale;
        nanos = nanos.checked_add(part as u64)?;
    }
    Some(nanos)
}

/// Reads a duration as the format `duration` allows it: also `3 days` or `2 weeks`.
pub fn parse_any_duration(text: &str) -> Option<i64> {
    if let Some(nanos) = parse_duration(text) {
        return Some(nanos);
    }
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    const DAY: u64 = 86_400_000_000_000;
    let nanos = match unit.trim().trim_end_matches('s') {
        "" | "second" | "sec" => 1_000_000_000,
        "nano" | "nanosecond" => 1,
        "micro" | "microsecond" => 1_000,
        "milli" | "millisecond" => 1_000_000,
        "minute" | "min" => 60_000_000_000,
        "hour" | "hr" => 3_600_000_000_000,
        "d" | "day" => DAY,
        "w" | "week" | "wk" => 7 * DAY,
        _ => return None,
    };
    i64::try_from(in_nanos(number, nanos)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, nanos) in [
            ("0", 0),
            ("1h30m", 5_400_000_000_000),
            ("-1.5s", -1_500_000_000),
            ("1us", 1_000),
            (".5s", 500_000_000),
        ] {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
        }
        for text in ["", "1", "s", "1x", "1.2.3s", "9999999999h", "-"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_any_duration("2 days"), Some(172_800_000_000_000));
    }

    #[test]
    fn times() {
        for (text, shown) in [
            ("2023-01-02T03:04:05Z", "2023-01-02T03:04:05Z"),
            ("2023-01-02T03:04:05.100Z", "2023-01-02T03:04:05.1Z"),
            ("2023-01-02T03:04:05+01:30", "2023-01-02T03:04:05+01:30"),
        ] {
            assert_eq!(Time::parse(text).map(|at| at.text()).as_deref(), Some(shown));
        }
        for text in [
            "2023-01-02",
            "2023-13-02T03:04:05Z",
            "2023-01-02T25:04:05Z",
            "2023-01-02T03:04:05",
            "",
        ] {
            assert!(Time::parse(text).is_none(), "{text}");
        }
        let at = Time::parse("2023-07-14T10:30:45.123Z").expect("a time");
        assert_eq!(at.civil("-02:30").map(|civil| civil.hour()), Ok(8));
        assert_eq!(at.civil("America/Los_Angeles").map(|civil| civil.hour()), Ok(3));
        assert!(at.civil("Nowhere/Here").is_err());
    }
}
