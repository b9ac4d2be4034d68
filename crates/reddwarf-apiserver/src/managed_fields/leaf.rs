//! A value inside a path element: an item of a set, or one key of a list item.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A value that tells an item of a list apart from the others.
///
/// Whole floats count as integers, so that `80` and `80.0` are one value, as upstream compares
/// them.
#[derive(Clone, Debug)]
pub enum Leaf<'a> {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// Null, a list or an object; only clients that write `managedFields` themselves get here.
    Other(Box<Value>),
}

/// Floats up to here are exact as integers.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

impl<'a> Leaf<'a> {
    /// The leaf that stands for `value`.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Leaf::Text(Cow::Borrowed(text)),
            Value::Bool(flag) => Leaf::Bool(*flag),
            Value::Number(number) => Leaf::number(number),
            other => Leaf::Other(Box::new(other.clone())),
        }
    }

    /// The same for a value that does not outlive the leaf.
    pub fn owned(value: Value) -> Leaf<'static> {
        match value {
            Value::String(text) => Leaf::Text(Cow::Owned(text)),
            Value::Bool(flag) => Leaf::Bool(flag),
            Value::Number(number) => Leaf::number(&number),
            other => Leaf::Other(Box::new(other)),
        }
    }

    fn number(number: &Number) -> Leaf<'static> {
        if let Some(whole) = number.as_i64() {
            return Leaf::Int(whole);
        }
        let float = number.as_f64().unwrap_or(f64::MAX);
        match float.fract() == 0.0 && float.abs() < WHOLE_MAX {
            true => Leaf::Int(float as i64),
            false => Leaf::Float(float),
        }
    }

    /// Appends the value as JSON, with the characters escaped that upstream's writer escapes.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Leaf::Int(number) => out.push_str(&number.to_string()),
            Leaf::Float(number) => out.push_str(&Value::from(*number).to_string()),
            Leaf::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Leaf::Text(text) if text.bytes().all(is_plain) => {
                out.push('"');
                out.push_str(text);
                out.push('"');
            }
            Leaf::Text(text) => write_escaped(&Value::from(text.as_ref()).to_string(), out),
            Leaf::Other(value) => write_escaped(&value.to_string(), out),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Leaf::Int(_) | Leaf::Float(_) => 0,
            Leaf::Text(_) => 1,
            Leaf::Bool(_) => 2,
            Leaf::Other(value) => match **value {
                Value::Array(_) => 3,
                Value::Object(_) => 4,
                _ => 5,
            },
        }
    }
}

/// Whether a byte of a text stands for itself in JSON.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

/// Go escapes what would end a script element, wherever it writes text.
fn write_escaped(json: &str, out: &mut String) {
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
}

/// Text is borrowed where it has no escapes.
impl<'de: 'a, 'a> Deserialize<'de> for Leaf<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LeafVisitor)
    }
}

struct LeafVisitor;

impl<'de> Visitor<'de> for LeafVisitor {
    type Value = Leaf<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Other(Box::new(Value::Null)))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::number(&number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Leaf<'de>, E> {
        Ok(Leaf::owned(number.into()))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Leaf<'de>, E> {
        Ok(Leaf::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Leaf<'de>, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(seq)).map(Leaf::owned)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Leaf<'de>, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Leaf::owned)
    }
}

impl Ord for Leaf<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Leaf::Int(a), Leaf::Int(b)) => a.cmp(b),
            (Leaf::Float(a), Leaf::Float(b)) => a.total_cmp(b),
            (Leaf::Int(a), Leaf::Float(b)) => (*a as f64).total_cmp(b),
            (Leaf::Float(a), Leaf::Int(b)) => a.total_cmp(&(*b as f64)),
            (Leaf::Text(a), Leaf::Text(b)) => a.cmp(b),
            (Leaf::Bool(a), Leaf::Bool(b)) => a.cmp(b),
            (Leaf::Other(a), Leaf::Other(b)) => {
                self.rank().cmp(&other.rank()).then_with(|| a.to_string().cmp(&b.to_string()))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Leaf<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Leaf<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Leaf<'_> {}

/// As paths show it in messages.
impl fmt::Display for Leaf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::Int(number) => write!(f, "{number}"),
            Leaf::Float(number) => write!(f, "{number}"),
            Leaf::Text(text) => write!(f, "{text:?}"),
            Leaf::Bool(flag) => write!(f, "{flag}"),
            Leaf::Other(value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_floats_are_integers() {
        let (float, int) = (json!(80.0), json!(80));
        assert_eq!(Leaf::of(&float), Leaf::of(&int));
        assert_ne!(Leaf::owned(json!(80.5)), Leaf::of(&int));
    }

    #[test]
    fn numbers_come_before_text_and_booleans() {
        let mut leaves: Vec<Leaf<'_>> =
            [json!(null), json!(true), json!("a"), json!(2), json!(1.5), json!([1])]
                .into_iter()
                .map(Leaf::owned)
                .collect();
        leaves.sort();
        let shown: Vec<String> = leaves.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["1.5", "2", "\"a\"", "true", "[1]", "null"]);
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let mut out = String::new();
        Leaf::owned(json!("a<b>&\"c")).write_json(&mut out);
        assert_eq!(out, r#""a\u003cb\u003e\u0026\"c""#);
    }
}
