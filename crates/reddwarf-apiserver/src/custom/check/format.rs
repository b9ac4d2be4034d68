//! The formats of texts (`strfmt`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

const OF_TEXT: [&str; 25] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
];
const LONG_NAME: &str = "k8slongname";

/// The format, if it is known for values of that type; others are not looked at.
pub fn known<'f>(ty: &str, format: &'f str) -> Option<&'f str> {
    let known = match ty {
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        // A value that is an integer or a text counts as neither.
        "" | "string" | "integer,string" => {
            let plain = plain(format);
            OF_TEXT.contains(&&*plain) || plain == LONG_NAME
        }
        _ => false,
    };
    known.then_some(format)
}

fn plain(format: &str) -> String {
    format.replace('-', "")
}

/// Whether texts are checked against the format.
pub fn is_checked(format: &str) -> bool {
    let plain = plain(format);
    OF_TEXT.contains(&&*plain) || plain == LONG_NAME
}

/// Whether a text has the format.
pub fn fits(format: &str, text: &str) -> bool {
    match &*plain(format) {
        "bsonobjectid" => text.len() == 24 && is_hex(text),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok() || is_sloppy_ipv4(text) || is_mapped(text),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uuid" => UUID.is_match(text),
        "uuid3" => UUID3.is_match(text),
        "uuid4" => UUID4.is_match(text),
        "uuid5" => UUID5.is_match(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "creditcard" => is_credit_card(text),
        "ssn" => SSN.is_match(text),
        "hexcolor" => HEX_COLOR.is_match(text),
        "rgbcolor" => RGB_COLOR.is_match(text),
        "byte" => STANDARD.decode(text).is_ok(),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "k8sshortname" => text.len() <= 63 && SHORT_NAME.is_match(text),
        LONG_NAME => text.len() <= 253 && text.split('.').all(|part| SHORT_NAME.is_match(part)),
        _ => true,
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("invariant: the patterns of formats compile")
}

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)+) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| regex($pattern));)+
    };
}

patterns! {
    HOSTNAME = r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9\-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$";
    UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID3 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$";
    UUID4 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    UUID5 = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$";
    SSN = r"^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$";
    HEX_COLOR = r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$";
    RGB_COLOR = r"^rgb\(\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*,\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*\)$";
    SHORT_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    TIME = r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    CREDIT_CARD = r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}|6[27][0-9]{14})$";
    GO_DURATION = r"^[-+]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$";
    SCALA_DURATION = r"(?i)([0-9]+)\s*(ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)";
    SCHEME = r"^[a-zA-Z][a-zA-Z0-9+.-]*:";
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What Go takes as the URI of a request: a path, or a scheme with something behind it.
fn is_uri(text: &str) -> bool {
    let clean = !text.is_empty() && text.bytes().all(|b| b > b' ' && b != 0x7f);
    clean && (text.starts_with('/') || SCHEME.is_match(text))
}

fn is_email(text: &str) -> bool {
    let address = match (text.rfind('<'), text.ends_with('>')) {
        (Some(at), true) => &text[at + 1..text.len() - 1],
        _ => text.trim(),
    };
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    const ATOM: &[u8] = b"!#$%&'*+-/=?^_`{|}~";
    let atom = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || ATOM.contains(&b) || b >= 0x80;
        !part.is_empty() && part.bytes().all(plain)
    };
    let dotted = |text: &str| text.split('.').all(atom);
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let literal = domain.starts_with('[') && domain.ends_with(']');
    (quoted || dotted(local)) && (literal || dotted(domain))
}

fn is_hostname(text: &str) -> bool {
    HOSTNAME.is_match(text) && text.len() <= 255 && text.split('.').all(|part| part.len() <= 63)
}

/// Octets with leading zeros, which Go once took.
fn is_sloppy_ipv4(text: &str) -> bool {
    let octet = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits
            && part.trim_start_matches('0').len() <= 3
            && part.parse::<u32>().is_ok_and(|n| n < 256)
    };
    text.split('.').count() == 4 && text.split('.').all(octet)
}

fn is_mapped(text: &str) -> bool {
    text.contains('.') && text.parse::<IpAddr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let max = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) if is_sloppy_ipv4(address) => 32,
        Err(_) => return false,
    };
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    digits && bits.parse::<u32>().is_ok_and(|bits| bits <= max)
}

/// 6, 8 or 20 bytes, written with colons, dashes or dots.
fn is_mac(text: &str) -> bool {
    let with = |separator: char, width: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|p| p.len() == width && is_hex(p))
    };
    with(':', 2, [6, 8, 20]) || with('-', 2, [6, 8, 20]) || with('.', 4, [3, 4, 10])
}

fn digits_of(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '-' | '\t' | '\n')).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = digits_of(text);
    if digits.len() != 10 || !digits.is_ascii() {
        return false;
    }
    let sum = digits.bytes().zip(1u32..).try_fold(0, |sum, (b, at)| match b {
        b'0'..=b'9' => Some(sum + at * u32::from(b - b'0')),
        b'X' if at == 10 => Some(sum + 100),
        _ => None,
    });
    sum.is_some_and(|sum| sum % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let digits = digits_of(text);
    if digits.len() != 13 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let weighted = digits.bytes().zip([1u32, 3].into_iter().cycle());
    weighted.map(|(b, weight)| weight * u32::from(b - b'0')).sum::<u32>() % 10 == 0
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let luhn = digits.bytes().rev().zip([1u32, 2].into_iter().cycle()).map(|(b, factor)| {
        let value = factor * u32::from(b - b'0');
        if value > 9 { value - 9 } else { value }
    });
    CREDIT_CARD.is_match(&digits) && luhn.sum::<u32>() % 10 == 0
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some((date, time)) = lower.split_once('t') else { return false };
    let Some(found) = TIME.captures(time) else { return false };
    let within = |at: usize, max: &str| found.get(at).is_some_and(|part| part.as_str() <= max);
    is_date(date) && within(1, "23") && within(2, "59") && within(3, "59")
}

fn is_duration(text: &str) -> bool {
    GO_DURATION.is_match(text) || SCALA_DURATION.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_their_formats() {
        for (format, good, bad) in [
            ("bsonobjectid", "507f1f77bcf86cd799439011", "507f1f77"),
            ("uri", "https://example.com/a?b", "a b"),
            ("email", "a@example.com", "x"),
            ("hostname", "a-b.example.com", "a_b"),
            ("ipv4", "192.0.2.1", "x"),
            ("ipv6", "2001:db8::1", "192.0.2.1"),
            ("cidr", "192.0.2.0/24", "192.0.2.0"),
            ("mac", "01:02:03:04:05:ab", "01:02"),
            ("uuid", "123E4567-e89b-12d3-a456-426614174000", "123"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("isbn10", "0321751043", "0321751044"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("ssn", "111-22-3333", "111"),
            ("hexcolor", "#FFFFFF", "#FFFF"),
            ("rgbcolor", "rgb(255,0,10)", "rgb(300,0,0)"),
            ("byte", "aGVsbG8=", "aGVsbG8"),
            ("date", "2020-02-29", "2021-02-29"),
            ("date-time", "2020-01-01T00:00:00Z", "yesterday"),
            ("date-time", "2020-01-01T23:59:59.5+01:00", "2020-01-01T24:00:00Z"),
            ("duration", "1h30m", "soon"),
            ("duration", "22 ns", ""),
            ("k8s-short-name", "a-b", "A"),
            ("k8s-long-name", "a.b", "a..b"),
        ] {
            assert!(fits(format, good), "{format} {good}");
            assert!(!fits(format, bad), "{format} {bad}");
        }
        assert!(fits("password", "anything"));
    }

    #[test]
    fn a_format_belongs_to_a_type() {
        assert_eq!(known("string", "date-time"), Some("date-time"));
        assert_eq!(known("string", "int32"), None);
        assert_eq!(known("integer", "int32"), Some("int32"));
        assert_eq!(known("boolean", "date"), None);
        assert_eq!(known("string", "odd"), None);
    }
}
