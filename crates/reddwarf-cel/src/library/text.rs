//! Functions on texts.

use super::{Call, Function, Pattern};
use crate::value::{Fault, Outcome, Value};
use std::borrow::Cow;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "contains" => |call| Ok(Value::Bool(call.text(0)?.contains(call.text(1)?))),
        "startsWith" => |call| Ok(Value::Bool(call.text(0)?.starts_with(call.text(1)?))),
        "endsWith" => |call| Ok(Value::Bool(call.text(0)?.ends_with(call.text(1)?))),
        "matches" => |call| Ok(Value::Bool(pattern(&call, "")?.is_match(call.text(0)?))),
        "find" => find,
        "findAll" => find_all,
        "charAt" => char_at,
        "lowerAscii" => |call| Ok(Value::text(call.text(0)?.to_ascii_lowercase())),
        "upperAscii" => |call| Ok(Value::text(call.text(0)?.to_ascii_uppercase())),
        "trim" => |call| Ok(Value::text(call.text(0)?.trim())),
        "substring" => substring,
        "replace" => replace,
        "split" => split,
        "join" => join,
        "strings.quote" => |call| Ok(Value::text(quoted(call.text(0)?))),
        "format" => super::formatting::format,
        "jsonpatch.escapeKey" => {
            |call| Ok(Value::text(call.text(0)?.replace('~', "~0").replace('/', "~1")))
        }
        _ => return None,
    })
}

fn pattern<'c>(call: &Call<'c, '_>, prefix: &str) -> Result<Cow<'c, Pattern>, Fault> {
    match call.pattern {
        Some(pattern) => Ok(Cow::Borrowed(pattern)),
        None => Pattern::new(call.text(1)?)
            .map(Cow::Owned)
            .map_err(|error| Fault::Failed(format!("{prefix}{error}"))),
    }
}

const ILLEGAL: &str = "Illegal regex: ";

fn find<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let found = pattern(&call, ILLEGAL)?;
    Ok(Value::text(found.find(call.text(0)?).unwrap_or_default()))
}

fn find_all<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let pattern = pattern(&call, ILLEGAL)?;
    let most = match call.args.len() {
        3 => usize::try_from(call.int(2)?).unwrap_or(usize::MAX),
        _ => usize::MAX,
    };
    let found = pattern.find_all(call.text(0)?, most);
    call.meter.step(found.len())?;
    Ok(Value::texts(found))
}

fn out_of_range<'a>(at: i64) -> Outcome<'a> {
    Fault::failed(format!("index out of range: {at}"))
}

/// The byte at which a character begins; the end counts as one.
fn offset(text: &str, at: i64) -> Option<usize> {
    let at = usize::try_from(at).ok()?;
    text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(at)
}

fn char_at<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (text, at) = (call.text(0)?, call.int(1)?);
    match offset(text, at) {
        Some(byte) => {
            Ok(Value::text(text[byte..].chars().next().map(String::from).unwrap_or_default()))
        }
        None => out_of_range(at),
    }
}

fn substring<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (text, start) = (call.text(0)?, call.int(1)?);
    let end = match call.args.len() {
        3 => {
            let end = call.int(2)?;
            if start > end {
                return Fault::failed(format!(
                    "invalid substring range. start: {start}, end: {end}"
                ));
            }
            Some(end)
        }
        _ => None,
    };
    let Some(from) = offset(text, start) else { return out_of_range(start) };
    let to = match end {
        Some(end) => match offset(text, end) {
            Some(to) => to,
            None => return out_of_range(end),
        },
        None => text.len(),
    };
    Ok(Value::text(&text[from..to]))
}

/// Where a text begins in another, from a character on.
pub(super) fn index_of<'a>(call: &Call<'_, 'a>) -> Outcome<'a> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    let from = if call.args.len() == 3 { call.int(2)? } else { 0 };
    if from < 0 {
        return out_of_range(from);
    }
    let count = text.chars().count() as i64;
    if part.is_empty() {
        return Ok(Value::Int(from.min(count)));
    }
    let Some(start) = offset(text, from) else { return Ok(Value::Int(-1)) };
    Ok(Value::Int(match text[start..].find(part) {
        Some(at) => from + text[start..start + at].chars().count() as i64,
        None => -1,
    }))
}

/// Where a text begins in another for the last time, up to a character.
pub(super) fn last_index_of<'a>(call: &Call<'_, 'a>) -> Outcome<'a> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    let count = text.chars().count() as i64;
    let until = match call.args.len() {
        3 => call.int(2)?,
        _ if part.is_empty() => return Ok(Value::Int(count)),
        _ => (count - 1).max(0),
    };
    if until < 0 {
        return out_of_range(until);
    }
    if part.is_empty() {
        return Ok(Value::Int(until.min(count)));
    }
    if until >= count {
        return Ok(Value::Int(-1));
    }
    let start = offset(text, until).unwrap_or(text.len());
    let end = (start + part.len()).min(text.len());
    let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let found = text[..end].rmatch_indices(part).find(|(at, _)| *at <= start);
    Ok(Value::Int(match found {
        Some((at, _)) => text[..at].chars().count() as i64,
        None => -1,
    }))
}

fn replace<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (text, old, new) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let most = match call.args.len() {
        4 => call.int(3)?,
        _ => -1,
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let times = if old.is_empty() { text.chars().count() + 1 } else { text.matches(old).count() };
    let grown = times.min(most).saturating_mul(new.len()).saturating_add(text.len());
    let replaced = |meter: &mut crate::cost::spent::Meter| meter.step(grown / 8);
    let result = if most == usize::MAX { None } else { Some(most) };
    let (text, old, new) = (text.to_owned(), old.to_owned(), new.to_owned());
    replaced(call.meter)?;
    Ok(Value::text(match result {
        None => text.replace(&old, &new),
        Some(most) => text.replacen(&old, &new, most),
    }))
}

fn split<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let (text, separator) = (call.text(0)?, call.text(1)?);
    let most = if call.args.len() == 3 { call.int(2)? } else { -1 };
    let most = match most {
        0 => return Ok(Value::list(Vec::new())),
        _ => usize::try_from(most).unwrap_or(usize::MAX),
    };
    let parts: Vec<String> = if separator.is_empty() {
        characters(text, most)
    } else {
        text.splitn(most, separator).map(str::to_owned).collect()
    };
    call.meter.step(parts.len())?;
    Ok(Value::texts(parts))
}

/// The characters of a text; the last part has all that is left.
fn characters(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        if parts.len() + 1 == most {
            parts.push(text[at..].to_owned());
            break;
        }
        parts.push(c.to_string());
    }
    parts
}

fn join<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let Value::List(list) = call.take(0) else { return Err(call.no_such_overload()) };
    let separator = if call.args.len() == 2 { call.text(1)?.to_owned() } else { String::new() };
    let mut joined = String::new();
    for (at, item) in list.iter().enumerate() {
        let item = item?;
        let Some(text) = item.as_str() else {
            return Fault::failed(format!("join: invalid input: {}", super::shown(&item)));
        };
        call.meter.step(1 + (separator.len() + text.len()) / 8)?;
        if at > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(text);
    }
    Ok(Value::text(joined))
}

/// A text in quotes, with what cannot stand in them escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
