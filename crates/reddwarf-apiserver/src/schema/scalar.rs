//! Texts with a format: times, bytes, quantities.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;

const SECONDS_LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICROS_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// A time as upstream writes it: UTC, whole seconds.
///
/// # Errors
/// Upstream's text.
pub(super) fn time(text: &str) -> Result<String, String> {
    if is_canonical_seconds(text.as_bytes()) {
        return Ok(text.to_owned());
    }
    let parsed = parse(text, SECONDS_LAYOUT)?;
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A time with exactly six digits of a second.
///
/// # Errors
/// Upstream's text.
pub(super) fn micro_time(text: &str) -> Result<String, String> {
    let fraction = text.get(19..).unwrap_or_default();
    let digits =
        fraction.strip_prefix('.').map_or(0, |f| f.bytes().take_while(u8::is_ascii_digit).count());
    let parsed = parse(text, MICROS_LAYOUT)?;
    if digits != 6 {
        return Err(format!(
            "parsing time {text:?} as {MICROS_LAYOUT:?}: cannot parse {fraction:?} as \".000000\""
        ));
    }
    Ok(parsed.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

/// `2026-01-02T03:04:05Z` with digits where digits belong and in range; days are checked
/// against the longest month only when they are at most 28.
fn is_canonical_seconds(b: &[u8]) -> bool {
    let two = |at: usize| (b[at].wrapping_sub(b'0')) * 10 + b[at + 1].wrapping_sub(b'0');
    b.len() == 20
        && b.iter().enumerate().all(|(at, c)| match at {
            4 | 7 => *c == b'-',
            10 => *c == b'T',
            13 | 16 => *c == b':',
            19 => *c == b'Z',
            _ => c.is_ascii_digit(),
        })
        && b[..4] != *b"0000"
        && (1..=12).contains(&two(5))
        && (1..=28).contains(&two(8))
        && two(11) < 24
        && two(14) < 60
        && two(17) < 60
}

fn parse(text: &str, layout: &str) -> Result<Timestamp, String> {
    let shaped = text.as_bytes().get(10) == Some(&b'T') && !text.contains('[');
    static PARSER: DateTimeParser = DateTimeParser::new();
    match PARSER.parse_timestamp(text) {
        Ok(time) if shaped => Ok(time),
        _ => Err(format!(
            "parsing time {text:?} as {layout:?}: cannot parse {:?} as {:?}",
            rest(text),
            element(text)
        )),
    }
}

/// The part of the text at which upstream stops, for the shapes that are likely.
fn rest(text: &str) -> &str {
    let at = good_prefix(text);
    text.get(at..).unwrap_or(text)
}

/// The element of the layout that the rest does not match.
fn element(text: &str) -> &'static str {
    const ELEMENTS: [&str; 12] =
        ["2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05", "Z07:00"];
    let at = good_prefix(text);
    const ENDS: [usize; 12] = [0, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19];
    ENDS.iter().position(|end| *end == at).map_or("Z07:00", |i| ELEMENTS[i])
}

fn good_prefix(text: &str) -> usize {
    const SHAPE: &[(usize, usize, u8)] = &[
        (0, 4, b'9'),
        (4, 5, b'-'),
        (5, 7, b'9'),
        (7, 8, b'-'),
        (8, 10, b'9'),
        (10, 11, b'T'),
        (11, 13, b'9'),
        (13, 14, b':'),
        (14, 16, b'9'),
        (16, 17, b':'),
        (17, 19, b'9'),
    ];
    let bytes = text.as_bytes();
    for &(from, to, class) in SHAPE {
        let fits = bytes.get(from..to).is_some_and(|part| {
            part.iter().all(|c| if class == b'9' { c.is_ascii_digit() } else { *c == class })
        });
        if !fits {
            return from;
        }
    }
    19
}

/// Base64 text, as it is written again.
///
/// # Errors
/// Upstream's text, with the offset of the first bad byte.
pub(super) fn bytes(text: &str) -> Result<String, String> {
    // Go's decoder skips line breaks.
    let clean: String;
    let plain = if text.bytes().any(|c| matches!(c, b'\n' | b'\r')) {
        clean = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
        clean.as_str()
    } else {
        text
    };
    match STANDARD.decode(plain) {
        Ok(_) => Ok(plain.to_owned()),
        Err(base64::DecodeError::InvalidByte(at, _))
        | Err(base64::DecodeError::InvalidLastSymbol(at, _)) => {
            Err(format!("illegal base64 data at input byte {at}"))
        }
        Err(_) => Err(format!("illegal base64 data at input byte {}", plain.len() / 4 * 4)),
    }
}

/// A quantity in canonical form.
///
/// # Errors
/// Upstream's text.
pub(super) fn quantity(text: &str) -> Result<String, String> {
    reddwarf_core::Quantity::canonical_text(text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|e| e.to_string())
}
