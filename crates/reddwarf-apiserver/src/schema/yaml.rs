//! YAML bodies, read as upstream reads them: YAML 1.1 scalars, the first document only.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use reddwarf_core::limits::JSON_DEPTH_MAX;
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};
use std::borrow::Cow;
use std::collections::HashMap;

/// Values that the aliases of one document may add.
const ALIAS_VALUES_MAX: usize = 10_000;

/// Parses the first document of `body`; duplicate keys go to `problems`.
///
/// # Errors
/// The text that follows `couldn't decode`, e.g. `yaml: line 2: …`.
pub(super) fn parse(body: &[u8], problems: &mut Vec<String>) -> Result<Value, String> {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader {
        events: Parser::new_from_str(&text),
        anchors: HashMap::new(),
        alias_values: 0,
        problems,
    };
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

struct Reader<'p, P> {
    events: P,
    anchors: HashMap<usize, Value>,
    alias_values: usize,
    problems: &'p mut Vec<String>,
}

impl<'i, P> Reader<'_, P>
where
    P: Iterator<Item = Result<(Event<'i>, Span), ScanError>>,
{
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
            return Err("yaml: exceeded max depth".to_owned());
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.as_ref().is_some_and(|t| t.suffix() == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                (if plain { resolve(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor),
            _ => return Err(format!("yaml: line {}: unexpected end", span.start.line())),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize) -> Result<Value, String> {
        let value = self.anchors.get(&anchor).ok_or("yaml: unknown anchor")?;
        self.alias_values += count(value);
        if self.alias_values > ALIAS_VALUES_MAX {
            return Err("yaml: document contains excessive aliasing".to_owned());
        }
        Ok(value.clone())
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

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
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
