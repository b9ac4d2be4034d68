//! Resource quantities: exact decimal numbers with upstream's suffixes and canonical form.
//!
//! A quantity is `mantissa × 10^exponent`, never a float, with no digit below a nano. Binary
//! suffixes are only a way of writing: `1Ki` is the number 1024, remembered as binary.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Significant digits of a quantity; more is refused (upstream computes with any number).
const DIGITS_MAX: usize = 36;
/// Digits below a nano are rounded away from zero.
const NANO: i32 = -9;
/// The largest binary quantity, to which upstream cuts larger ones.
const BINARY_MAX: i128 = i64::MAX as i128;
/// Decimal digits that upstream's fast path takes; within it a canonical text is kept as written.
const KEPT_DIGITS_MAX: i32 = 18;

/// How a quantity was written, and will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `12e6`.
    DecimalExponent,
    /// `12Mi`.
    BinarySi,
    /// `12M`.
    DecimalSi,
}

/// An exact amount of some resource.
///
/// Equality and order look at the number only: `1Ki` equals `1024`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Zero, or not divisible by ten.
    mantissa: i128,
    /// At least [`NANO`]; zero when the mantissa is.
    exponent: i32,
    format: Format,
}

/// Why a text is no quantity; the texts are upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not have the shape of one.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// It has more digits than are computed with here.
    #[error("unable to parse numeric part of quantity")]
    Numeric,
    /// The suffix is none of the known ones.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Quantity = Quantity { mantissa: 0, exponent: 0, format: Format::DecimalSi };

    /// A whole number of units.
    pub fn new(value: i64, format: Format) -> Self {
        Self::normal(value.into(), 0, format)
    }

    /// A number of thousandths.
    pub fn from_milli(milli: i64) -> Self {
        Self::normal(milli.into(), -3, Format::DecimalSi)
    }

    /// Parses a quantity.
    ///
    /// # Errors
    /// See [`QuantityError`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let scanned = Scanned::scan(text)?;
        let suffix = Suffix::interpret(scanned.suffix).ok_or(QuantityError::Suffix)?;
        let mut mantissa = scanned.digits()?;
        if scanned.negative {
            mantissa = -mantissa;
        }
        let fraction = scanned.fraction.len() as i32;
        let exponent = suffix.exponent10.checked_sub(fraction).ok_or(QuantityError::Suffix)?;
        match suffix.format {
            Format::BinarySi => Self::binary(mantissa, exponent, suffix.shift),
            format => Ok(Self::normal(mantissa, exponent, format)),
        }
    }

    /// The text under which upstream stores `text`: mostly the canonical form, but a text that
    /// is already in steps of a thousand is kept as it was written (`1E6`, `1.500`, `1025Ki`).
    ///
    /// # Errors
    /// See [`QuantityError`].
    pub fn canonical_text(text: &str) -> Result<Cow<'_, str>, QuantityError> {
        let quantity = Self::parse(text)?;
        let scanned = Scanned::scan(text)?;
        let suffix = Suffix::interpret(scanned.suffix).ok_or(QuantityError::Suffix)?;
        if text == "0" || scanned.is_kept(&suffix) {
            return Ok(Cow::Borrowed(text));
        }
        Ok(Cow::Owned(quantity.to_string()))
    }

    /// `mantissa × 10^exponent × 2^shift`, cut to the largest binary quantity.
    fn binary(mantissa: i128, exponent: i32, shift: u32) -> Result<Self, QuantityError> {
        let negative = mantissa < 0;
        let largest = Self::normal(BINARY_MAX, 0, Format::BinarySi);
        let magnitude = match mantissa.abs().checked_mul(1 << shift) {
            Some(product) => Self::normal(product, exponent, Format::BinarySi),
            None if exponent >= 0 => largest,
            None => return Err(QuantityError::Numeric),
        };
        let mut quantity = magnitude.min(largest);
        if quantity < Self::new(1, Format::BinarySi) && quantity.mantissa != 0 {
            quantity.format = Format::DecimalSi;
        }
        Ok(if negative { quantity.negated() } else { quantity })
    }

    /// Rounds to nano and strips zeros.
    fn normal(mut mantissa: i128, mut exponent: i32, format: Format) -> Self {
        if mantissa == 0 {
            return Quantity { mantissa: 0, exponent: 0, format };
        }
        if exponent < NANO {
            mantissa = divide_up(mantissa, NANO.abs_diff(exponent));
            exponent = NANO;
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent = exponent.saturating_add(1);
        }
        Quantity { mantissa, exponent, format }
    }

    /// The format in which it was written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.mantissa < 0
    }

    /// Whole units, rounded away from zero, held within an i64.
    pub fn value(&self) -> i64 {
        self.scaled_value(0)
    }

    /// Thousandths, rounded away from zero, held within an i64.
    pub fn milli_value(&self) -> i64 {
        self.scaled_value(-3)
    }

    /// Multiples of `10^scale`, rounded away from zero, held within an i64.
    pub fn scaled_value(&self, scale: i32) -> i64 {
        let wide = match self.exponent.checked_sub(scale) {
            Some(up) if up >= 0 => times_pow10(self.mantissa, up as u32)
                .unwrap_or(if self.mantissa < 0 { i128::MIN } else { i128::MAX }),
            Some(down) => divide_up(self.mantissa, down.unsigned_abs()),
            None => return 0,
        };
        wide.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// The number with the other sign.
    pub fn negated(mut self) -> Self {
        self.mantissa = -self.mantissa;
        self
    }

    /// The sum, in the format of `self`, or of `other` when `self` is zero; held within the
    /// digits that a quantity has.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        let exponent = self.exponent.min(other.exponent);
        let aligned = |q: Quantity| times_pow10(q.mantissa, q.exponent.abs_diff(exponent));
        match aligned(self).zip(aligned(other)).and_then(|(a, b)| a.checked_add(b)) {
            Some(sum) => Self::normal(sum, exponent, format),
            // Digits that far below the larger one do not fit beside it.
            None => {
                Quantity { format, ..if self.magnitude_is_less(&other) { other } else { self } }
            }
        }
    }

    /// The difference, in the format of `self`, or of `other` when `self` is zero.
    #[must_use]
    pub fn minus(self, other: Quantity) -> Self {
        self.plus(other.negated())
    }

    fn magnitude_is_less(&self, other: &Quantity) -> bool {
        let magnitude = |q: &Quantity| Quantity { mantissa: q.mantissa.abs(), ..*q };
        magnitude(self) < magnitude(other)
    }

    /// The whole number, when it is one that fits.
    fn whole(&self) -> Option<i128> {
        u32::try_from(self.exponent).ok().and_then(|up| times_pow10(self.mantissa, up))
    }

    fn write_decimal(&self, f: &mut fmt::Formatter<'_>, exponents: bool) -> fmt::Result {
        // Steps of a thousand; SI suffixes end at E, and what is above it is written out.
        let mut exponent = self.exponent - self.exponent.rem_euclid(3);
        if !exponents {
            exponent = exponent.min(18);
        }
        write!(f, "{}", self.mantissa)?;
        for _ in exponent..self.exponent {
            f.write_str("0")?;
        }
        match (exponents, exponent) {
            (_, 0) => Ok(()),
            (true, _) => write!(f, "e{exponent}"),
            (false, _) => f.write_str(decimal_suffix(exponent)),
        }
    }
}

fn decimal_suffix(exponent: i32) -> &'static str {
    let at = (exponent - NANO) / 3;
    ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][at as usize]
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, the largest suffix that keeps every digit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let binary = self.whole().filter(|whole| whole.abs() >= 1024);
        match (self.format, binary) {
            (Format::DecimalExponent, _) => self.write_decimal(f, true),
            (Format::BinarySi, Some(mut whole)) => {
                let mut steps = 0;
                while whole % 1024 == 0 && steps < 6 {
                    whole /= 1024;
                    steps += 1;
                }
                write!(f, "{whole}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][steps])
            }
            _ => self.write_decimal(f, false),
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        (self.mantissa, self.exponent) == (other.mantissa, other.exponent)
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs.is_ne() {
            return signs;
        }
        let up = self.exponent.abs_diff(other.exponent);
        // A product that overflows is further from zero than anything that did not need one.
        let beyond = if self.mantissa < 0 { Ordering::Less } else { Ordering::Greater };
        if self.exponent >= other.exponent {
            times_pow10(self.mantissa, up).map_or(beyond, |wide| wide.cmp(&other.mantissa))
        } else {
            times_pow10(other.mantissa, up)
                .map_or(beyond.reverse(), |wide| self.mantissa.cmp(&wide))
        }
    }
}

fn times_pow10(value: i128, power: u32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    10i128.checked_pow(power).and_then(|factor| value.checked_mul(factor))
}

/// `value / 10^power`, rounded away from zero.
fn divide_up(value: i128, power: u32) -> i128 {
    let Some(divisor) = 10i128.checked_pow(power) else { return value.signum() };
    value / divisor + (value % divisor).signum()
}

/// The parts of a quantity's text.
struct Scanned<'a> {
    negative: bool,
    /// Digits before the point without leading zeros, `0` when there are none.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

impl<'a> Scanned<'a> {
    fn scan(text: &'a str) -> Result<Self, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let negative = text.starts_with('-');
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let significant = unsigned.trim_start_matches('0');
        let (whole, rest) = split_digits(significant);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
        let digits = letters.strip_prefix(['-', '+']).unwrap_or(letters);
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(QuantityError::Format);
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        Ok(Scanned { negative, whole, fraction, suffix })
    }

    fn digits(&self) -> Result<i128, QuantityError> {
        // Zeros at the end do not count: the canonical form adds some, up to a suffix.
        let significant = match self.fraction.trim_end_matches('0').len() {
            0 => self.whole.trim_end_matches('0').len(),
            fraction => self.whole.len() + fraction,
        };
        if significant > DIGITS_MAX || self.fraction.len() > DIGITS_MAX {
            return Err(QuantityError::Numeric);
        }
        let mut digits = self.whole.bytes().chain(self.fraction.bytes());
        digits
            .try_fold(0i128, |n, b| n.checked_mul(10)?.checked_add((b - b'0').into()))
            .ok_or(QuantityError::Numeric)
    }

    /// Whether upstream's fast path keeps the text as it is.
    fn is_kept(&self, suffix: &Suffix) -> bool {
        let digits = (self.whole.len() + self.fraction.len()) as i32;
        if suffix.format == Format::BinarySi {
            let precision = 15 - digits - (suffix.shift as i32) * 3 / 10 - 1;
            let eighths = self.whole.bytes().last().is_some()
                && self.digits().is_ok_and(|value| value & 7 != 0);
            return self.fraction.is_empty() && precision >= 0 && eighths;
        }
        let scale = suffix.exponent10 - self.fraction.len() as i32;
        let thousands = if self.fraction.is_empty() {
            self.whole.ends_with("000")
        } else {
            format!("{}{}", self.whole, self.fraction).ends_with("000")
        };
        digits <= KEPT_DIGITS_MAX
            && scale >= NANO
            && scale % 3 == 0
            && !thousands
            && !self.whole.starts_with('0')
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// What a suffix stands for: `10^exponent10 × 2^shift`.
struct Suffix {
    exponent10: i32,
    shift: u32,
    format: Format,
}

impl Suffix {
    fn interpret(text: &str) -> Option<Suffix> {
        let decimal = |exponent10| Suffix { exponent10, shift: 0, format: Format::DecimalSi };
        let binary = |shift| Suffix { exponent10: 0, shift, format: Format::BinarySi };
        Some(match text {
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "" => decimal(0),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(10),
            "Mi" => binary(20),
            "Gi" => binary(30),
            "Ti" => binary(40),
            "Pi" => binary(50),
            "Ei" => binary(60),
            _ => {
                let exponent10 = text.strip_prefix(['e', 'E'])?.parse().ok()?;
                Suffix { exponent10, shift: 0, format: Format::DecimalExponent }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        Quantity::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
    }

    /// Zeros that a suffix of thousandths adds are no digits more.
    #[test]
    fn the_longest_number_reads_what_it_prints() {
        let text = "9999999999999999999999900099999999.59";
        let printed = canonical(text);
        assert_eq!(printed, "9999999999999999999999900099999999590m");
        assert_eq!(canonical(&printed), printed);
        assert_eq!(Quantity::parse(&format!("{text}1")).err(), Some(QuantityError::Numeric));
    }

    #[test]
    fn canonical_forms() {
        for (text, expected) in [
            ("0", "0"),
            ("0Ki", "0"),
            ("00", "0"),
            (".", "0"),
            ("1000m", "1"),
            ("0.5", "500m"),
            ("1.08", "1080m"),
            ("1080000000n", "1080m"),
            ("1024Ki", "1Mi"),
            ("1024Mi", "1Gi"),
            ("307200Ki", "300Mi"),
            ("1025024Mi", "1001Gi"),
            ("1024Gi", "1Ti"),
            ("1.5Gi", "1536Mi"),
            ("0.5Mi", "512Ki"),
            ("0.05Gi", "53687091200m"),
            ("1000M", "1G"),
            ("0.001T", "1G"),
            ("1000000000", "1G"),
            ("1000u", "1m"),
            ("1234567M", "1234567M"),
            ("1025", "1025"),
            (".001e12", "1e9"),
            ("0.001e0", "1e-3"),
            ("1000e-12", "1e-9"),
            ("12E", "12E"),
            ("1000E", "1000E"),
            (".001Ki", "1024m"),
            (".000001Ki", "1024u"),
            (".000000001Ki", "1024n"),
            (".000000000001Ki", "2n"),
            ("-.000000000001Ki", "-2n"),
            ("-1.5Gi", "-1536Mi"),
            ("+5", "5"),
            ("1.G", "1G"),
            ("1E-3", "1e-3"),
            ("100m", "100m"),
            ("100.035k", "100035"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers() {
        for (text, equal) in [
            ("3.001n", "4n"),
            ("1.1E-9", "2n"),
            ("0.0000000001", "1n"),
            ("0.00000012345", "124n"),
            ("9223372036854775807Ki", "9223372036854775807"),
            ("9Ei", "9223372036854775807"),
            ("1e-2147483648", "1n"),
            ("1Ki", "1024"),
            ("2.5P", "2500T"),
            ("1.3E+6", "1300k"),
        ] {
            assert_eq!(Quantity::parse(text), Quantity::parse(equal), "{text}");
        }
        let of = |text: &str| Quantity::parse(text).expect("parses");
        assert_eq!((of("1.5").value(), of("-1.5").value()), (2, -2));
        assert_eq!((of("1.5").milli_value(), of("1u").milli_value()), (1500, 1));
        assert_eq!(of("1e30").value(), i64::MAX);
        assert!(of("10000T") > of("100Gi") && of("50m") < of("100m") && of("-1e40") < of("-1n"));
    }

    #[test]
    fn refused() {
        for text in ["", "abc", "1..2", "1 ", " 1", "1.2.3", "1Kib", "1m5m", "é"] {
            assert_eq!(Quantity::parse(text), Err(QuantityError::Format), "{text}");
        }
        for text in ["1i", "1-5", "--1", "1KiKi", "1e", "1e99999999999", "1mm"] {
            assert_eq!(Quantity::parse(text), Err(QuantityError::Suffix), "{text}");
        }
        assert_eq!(Quantity::parse(&"9".repeat(40)), Err(QuantityError::Numeric));
    }

    #[test]
    fn what_upstream_keeps_as_written() {
        for text in ["0", "1E6", "1.500", "1.005", "1025Ki", "12Ki", "100m", "+1Ki", "1500m"] {
            assert_eq!(Quantity::canonical_text(text).as_deref(), Ok(text));
        }
        for (text, stored) in [
            ("1000m", "1"),
            ("1024Ki", "1Mi"),
            ("8Ki", "8Ki"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("2048Mi", "2Gi"),
        ] {
            assert_eq!(Quantity::canonical_text(text).as_deref(), Ok(stored));
        }
    }

    #[test]
    fn zero_takes_the_format_of_what_is_added() {
        let sum = Quantity::ZERO.plus(Quantity::parse("1Gi").expect("parses"));
        assert_eq!(sum.to_string(), "1Gi");
        assert_eq!(sum.minus(sum).plus(Quantity::from_milli(100)).to_string(), "100m");
    }

    fn any_quantity() -> impl Strategy<Value = String> {
        let suffix = prop::sample::select(vec![
            "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
            "e3", "E-2", "e+7",
        ]);
        ("[+-]?[0-9]{1,7}(\\.[0-9]{0,6})?", suffix).prop_map(|(n, s)| format!("{n}{s}"))
    }

    proptest! {
        #[test]
        fn canonical_form_is_the_same_number(text in any_quantity()) {
            let quantity = Quantity::parse(&text).expect("parses");
            let canonical = quantity.to_string();
            let again = Quantity::parse(&canonical).expect("parses");
            prop_assert_eq!(quantity, again);
            prop_assert_eq!(again.to_string(), canonical);
            let stored = Quantity::canonical_text(&text).expect("parses");
            prop_assert_eq!(Quantity::parse(&stored), Ok(quantity));
        }

        #[test]
        fn arithmetic_agrees_with_integers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let (x, y) = (Quantity::from_milli(a), Quantity::from_milli(b));
            prop_assert_eq!(x.plus(y).milli_value(), a + b);
            prop_assert_eq!(x.minus(y).milli_value(), a - b);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.plus(y), y.plus(x));
        }

        #[test]
        fn order_is_total(a in any_quantity(), b in any_quantity(), c in any_quantity()) {
            let [a, b, c] = [a, b, c].map(|text| Quantity::parse(&text).expect("parses"));
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
        }

        #[test]
        fn garbage_never_panics(text in "\\PC{0,12}") {
            let _ = Quantity::canonical_text(&text);
        }
    }
}
