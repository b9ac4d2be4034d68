//! Schedules in the notation of cron, read as the library reads them that upstream uses.

use jiff::tz::TimeZone;

struct Field {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Minute, hour, day of the month, month, day of the week.
const FIELDS: [Field; 5] = [
    Field { min: 0, max: 59, names: &[] },
    Field { min: 0, max: 23, names: &[] },
    Field { min: 1, max: 31, names: &[] },
    Field { min: 1, max: 12, names: MONTHS },
    Field { min: 0, max: 6, names: DAYS },
];
const DESCRIPTORS: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Checks a schedule.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn check(schedule: &str) -> Result<(), String> {
    let mut rest = schedule;
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        let (zone, after) = schedule.split_once(' ').unwrap_or((schedule, ""));
        let zone = zone.split_once('=').map_or("", |(_, zone)| zone);
        if !zone.is_empty() && zone != "Local" && TimeZone::get(zone).is_err() {
            return Err(format!("provided bad location {zone}: unknown time zone {zone}"));
        }
        rest = after.trim();
    }
    if rest.starts_with('@') {
        return descriptor(rest);
    }
    let fields: Vec<&str> = rest.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let (expected, found) = (FIELDS.len(), fields.len());
        let shown = fields.join(" ");
        return Err(format!("expected exactly {expected} fields, found {found}: [{shown}]"));
    }
    let mut parts = fields.iter().zip(&FIELDS).flat_map(|(text, field)| {
        text.split(',').filter(|part| !part.is_empty()).map(move |part| (part, field))
    });
    parts.try_for_each(|(part, field)| range(part, field))
}

fn descriptor(text: &str) -> Result<(), String> {
    if DESCRIPTORS.contains(&text) {
        return Ok(());
    }
    match text.strip_prefix("@every ") {
        Some(duration) if is_duration(duration) => Ok(()),
        Some(duration) => {
            Err(format!("failed to parse duration {text}: time: invalid duration {duration:?}"))
        }
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

/// A duration as Go writes it: `1h30m`, `-1.5s`, `0`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number = &rest[..digits];
        let unit = ["ns", "us", "µs", "μs", "ms", "s", "m", "h"]
            .into_iter()
            .filter(|unit| rest[digits..].starts_with(unit))
            .max_by_key(|unit| unit.len());
        let (Some(unit), true) = (unit, number.parse::<f64>().is_ok()) else { return false };
        rest = &rest[digits + unit.len()..];
        parts += 1;
    }
    parts > 0
}

fn range(text: &str, field: &Field) -> Result<(), String> {
    let halves: Vec<&str> = text.split('/').collect();
    let limits: Vec<&str> = halves[0].split('-').collect();
    let (start, mut end) = match limits[..] {
        ["*" | "?", ..] => (field.min, field.max),
        [one] => {
            let value = int_or_name(one, field)?;
            (value, value)
        }
        [low, high] => (int_or_name(low, field)?, int_or_name(high, field)?),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    let step = match halves[..] {
        [_] => 1,
        [_, step] => {
            let step = int(step)?;
            // `N/step` goes on to the end.
            if limits.len() == 1 {
                end = field.max;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let (min, max) = (field.min, field.max);
    match () {
        () if start < min => {
            Err(format!("beginning of range ({start}) below minimum ({min}): {text}"))
        }
        () if end > max => Err(format!("end of range ({end}) above maximum ({max}): {text}")),
        () if start > end => {
            Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"))
        }
        () if step == 0 => Err(format!("step of range should be a positive number: {text}")),
        () => Ok(()),
    }
}

fn int_or_name(text: &str, field: &Field) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match field.names.iter().position(|name| *name == lower) {
        Some(at) => Ok(field.min + u32::try_from(at).unwrap_or_default()),
        None => int(text),
    }
}

fn int(text: &str) -> Result<u32, String> {
    let failed = |why: &str| {
        format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}")
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(failed("invalid syntax"));
    }
    let number: i64 = text.parse().map_err(|_| failed("value out of range"))?;
    if number < 0 {
        return Err(format!("negative number ({number}) not allowed: {text}"));
    }
    u32::try_from(number).map_err(|_| failed("value out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in [
            "0 0 1 1 *",
            "*/5 * * * MON-FRI",
            "@hourly",
            "@every 1h30m",
            "0 0,12 1-15 jan-Mar 6",
            "TZ=UTC 0 0 1 1 *",
            "5/15 ? * * *",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_wrong() {
        for (schedule, why) in [
            ("not a schedule", "expected exactly 5 fields, found 3: [not a schedule]"),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("5-3 * * * *", "beginning of range (5) beyond end of range (3): 5-3"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            (
                "x * * * *",
                "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            ("-1 * * * *", "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax"),
            ("@often", "unrecognized descriptor: @often"),
            ("@every x", "failed to parse duration @every x: time: invalid duration \"x\""),
            ("TZ=No/Where * * * * *", "provided bad location No/Where: unknown time zone No/Where"),
        ] {
            assert_eq!(check(schedule), Err(why.to_owned()), "{schedule}");
        }
    }
}
