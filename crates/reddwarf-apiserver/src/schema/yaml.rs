//! YAML bodies, read as upstream reads them: YAML 1.1 scalars, the first document only.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use reddwarf_core::limits::{BODY_BYTES_MAX, JSON_DEPTH_MAX};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Values that the aliases of one document may add.
const ALIAS_VALUES_MAX: usize = 10_000;
/// Bytes that anchors and aliases of one document may hold besides the document itself.
const ALIAS_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;
const EXCESSIVE: &str = "yaml: document contains excessive aliasing";
const TOO_DEEP: &str = "yaml: exceeded max depth";

/// A value to which aliases may refer.
struct Anchored {
    value: Value,
    size: Size,
}

/// What a value costs.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
    depth: usize,
}

/// Parses the first document of `body`; duplicate keys go to `problems`.
///
/// # Errors
/// The text that follows `couldn't decode`, e.g. `yaml: line 2: …`.
pub(super) fn parse(body: &[u8], problems: &mut Vec<String>) -> Result<Value, String> {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::new(Parser::new_from_str(&text), problems);
    loop {
        match reader.next()? {
            (Event::DocumentStart(..), _) => {
                let (event, span) = reader.next()?;
                return reader.value(event, span, 0);
            }
            (Event::StreamEnd, _) => return Ok(Value::Null),
            _ => {}
        }
    }
}

/// Parses all documents of `body`, empty ones too; duplicate keys go to `problems`.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_all(body: &[u8], problems: &mut Vec<String>) -> Result<Vec<Value>, String> {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::new(Parser::new_from_str(&text), problems);
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::DocumentStart(..), _) => {
                let (event, span) = reader.next()?;
                documents.push(reader.value(event, span, 0)?);
            }
            (Event::StreamEnd, _) => return Ok(documents),
            _ => {}
        }
    }
}

struct Reader<'p, P> {
    events: P,
    anchors: HashMap<usize, Anchored>,
    alias_values: usize,
    alias_bytes: usize,
    problems: &'p mut Vec<String>,
}

impl<'i, P> Reader<'_, P>
where
    P: Iterator<Item = Result<(Event<'i>, Span), ScanError>>,
{
    fn new(events: P, problems: &mut Vec<String>) -> Reader<'_, P> {
        Reader { events, anchors: HashMap::new(), alias_values: 0, alias_bytes: 0, problems }
    }

    fn next(&mut self) -> Result<(Event<'i>, Span), String> {
        loop {
            match self.events.next() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(event),
                Some(Err(e)) => {
                    return Err(format!("yaml: line {}: {}", e.marker().line(), e.info()));
                }
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn value(&mut self, event: Event<'i>, span: Span, depth: usize) -> Result<Value, String> {
        if depth > JSON_DEPTH_MAX {
            return Err(TOO_DEEP.to_owned());
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.as_ref().is_some_and(|t| t.suffix() == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                (if plain { resolve(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, depth),
            _ => return Err(format!("yaml: line {}: unexpected end", span.start.line())),
        };
        if anchor != 0 {
            let size = size(&value);
            self.spend(size)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), size });
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, depth: usize) -> Result<Value, String> {
        let Anchored { value, size } = self.anchors.get(&anchor).ok_or("yaml: unknown anchor")?;
        let (value, size) = (value.clone(), *size);
        self.alias_values += size.values;
        self.spend(size)?;
        if depth + size.depth > JSON_DEPTH_MAX {
            return Err(TOO_DEEP.to_owned());
        }
        match self.alias_values > ALIAS_VALUES_MAX {
            true => Err(EXCESSIVE.to_owned()),
            false => Ok(value),
        }
    }

    fn spend(&mut self, size: Size) -> Result<(), String> {
        self.alias_bytes = self.alias_bytes.saturating_add(size.bytes);
        if self.alias_bytes > ALIAS_BYTES_MAX { Err(EXCESSIVE.to_owned()) } else { Ok(()) }
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut map = Map::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Object(map));
            }
            let line = span.start.line();
            let is_merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, ..) if text == "<<");
            let key = key_text(self.value(event, span, depth + 1)?)?;
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            if is_merge {
                merge_into(&mut map, value);
                continue;
            }
            match map.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(mut entry) => {
                    self.problems.push(format!(
                        "yaml: line {line}: key {:?} already set in map",
                        entry.key()
                    ));
                    entry.insert(value);
                }
            }
        }
    }
}

/// `<<`: keys that the map does not give itself.
fn merge_into(map: &mut Map<String, Value>, merged: Value) {
    match merged {
        Value::Object(entries) => {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
        }
        Value::Array(items) => items.into_iter().for_each(|item| merge_into(map, item)),
        _ => {}
    }
}

fn size(value: &Value) -> Size {
    match value {
        Value::Array(items) => of_parts(items.iter().map(|item| (0, item))),
        Value::Object(entries) => of_parts(entries.iter().map(|(key, value)| (key.len(), value))),
        Value::String(text) => Size { values: 1, bytes: 16 + text.len(), depth: 0 },
        _ => Size { values: 1, bytes: 16, depth: 0 },
    }
}

/// The size of a list or map, from its values and the lengths of their keys.
fn of_parts<'v>(parts: impl Iterator<Item = (usize, &'v Value)>) -> Size {
    let begun = Size { values: 1, bytes: 16, depth: 0 };
    let all = parts.fold(begun, |sum, (key_bytes, part)| {
        let part = size(part);
        Size {
            values: sum.values + part.values,
            bytes: sum.bytes + key_bytes + part.bytes,
            depth: sum.depth.max(part.depth),
        }
    });
    Size { depth: all.depth + 1, ..all }
}

fn key_text(key: Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok("null".to_owned()),
        _ => Err("yaml: invalid map key".to_owned()),
    }
}

/// A plain scalar by the rules of YAML 1.1, as go-yaml has them.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    let first = text.as_bytes()[0];
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::String(text.to_owned());
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    let plain: Cow<'_, str> =
        if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    let (negative, digits) = match plain.as_bytes().first()? {
        b'-' => (true, &plain[1..]),
        b'+' => (false, &plain[1..]),
        _ => (false, plain.as_ref()),
    };
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok();
    let whole = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => radix(&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => radix(&digits[2..], 2),
        [b'0', b'o' | b'O', ..] => radix(&digits[2..], 8),
        [b'0', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) => {
            radix(&digits[1..], 8)
        }
        all if !all.is_empty() && all.iter().all(u8::is_ascii_digit) => digits.parse().ok(),
        _ => None,
    };
    match whole {
        Some(whole) if !negative => return Some(Value::from(whole)),
        Some(whole) => {
            if let Ok(value) = i64::try_from(-i128::from(whole)) {
                return Some(Value::from(value));
            }
        }
        None => {}
    }
    let is_float = !digits.is_empty()
        && digits
            .bytes()
            .all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-'))
        && digits.bytes().any(|c| c.is_ascii_digit());
    let float: f64 = if is_float { plain.parse().ok()? } else { return None };
    Number::from_f64(float).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn aliases() {
        assert_eq!(read("a: &x [1, 2]\nb: *x"), Ok(json!({"a": [1, 2], "b": [1, 2]})));
        assert_eq!(read("a: &x {k: 1}\nb: {<<: *x}"), Ok(json!({"a": {"k": 1}, "b": {"k": 1}})));
    }

    #[test]
    fn aliases_that_blow_up() {
        let mut doubling = "a0: &a0 x\n".to_owned();
        for n in 1..40 {
            let before = n - 1;
            doubling.push_str(&format!("a{n}: &a{n} [*a{before}, *a{before}]\n"));
        }
        assert_eq!(read(&doubling), Err(EXCESSIVE.to_owned()));
        let long = format!("a: &x {}\nb: [{}]", "x".repeat(1_000_000), "*x, ".repeat(100));
        assert_eq!(read(&long), Err(EXCESSIVE.to_owned()), "few values, but long ones");
        let open: String = (0..100).map(|n| format!("&a{n} [")).collect();
        let nested = format!("{open}{}{}", "x".repeat(1_000_000), "]".repeat(100));
        assert_eq!(read(&nested), Err(EXCESSIVE.to_owned()), "anchors around one another");
    }

    #[test]
    fn aliases_that_nest() {
        let mut nested = format!("a0: &a0 {}{}\n", "[".repeat(60), "]".repeat(60));
        for n in 1..3 {
            let before = n - 1;
            nested.push_str(&format!(
                "a{n}: &a{n} {}*a{before}{}\n",
                "[".repeat(60),
                "]".repeat(60)
            ));
        }
        assert_eq!(read(&nested), Err(TOO_DEEP.to_owned()));
    }
}
