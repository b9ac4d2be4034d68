//! `fieldPath` of a rule, such as `.spec['a.b'].c`.

use super::finding::Path;
use crate::schema::Schema;

/// The field that a path leads to, as errors name it.
///
/// # Errors
/// Why it leads nowhere, in upstream's words.
pub fn field_path(path: &str, schema: &Schema) -> Result<String, String> {
    let end = || "unexpected end of JSON path".to_owned();
    let tokens = tokens(path);
    let mut tokens = tokens.iter();
    let (mut field, mut at) = (Path::default(), schema);
    while let Some(token) = tokens.next() {
        let name = match token.as_str() {
            "." => tokens.next().ok_or_else(end)?.clone(),
            "[" => {
                let name = unquoted(tokens.next().ok_or_else(end)?)?;
                match tokens.next().ok_or_else(end)?.as_str() {
                    "]" => name,
                    other => return Err(format!("expected ] but got {other}")),
                }
            }
            other => return Err(format!("expected [ or . but got: {other}")),
        };
        let nowhere = || "does not refer to a valid field".to_owned();
        if let Some(properties) = &at.properties {
            field = field.child(&name);
            at = properties.get(&name).ok_or_else(nowhere)?;
        } else {
            field = field.key(&name);
            at = at.additional.as_deref().ok_or_else(nowhere)?;
        }
    }
    Ok(field.to_string())
}

/// Dots, brackets, quoted texts and what stands between them.
fn tokens(path: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let length = match rest.as_bytes()[0] {
            b'.' | b'[' | b']' => 1,
            b'\'' => quoted_length(rest),
            _ => rest.find(['.', '[', ']']).unwrap_or(rest.len()),
        };
        tokens.push(rest[..length].to_owned());
        rest = &rest[length..];
    }
    tokens
}

fn quoted_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let end = (1..bytes.len()).find(|at| bytes[*at] == b'\'' && bytes[at - 1] != b'\\');
    end.map_or(text.len(), |end| end + 1)
}

fn unquoted(text: &str) -> Result<String, String> {
    let inside = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let Some(inside) = inside.filter(|_| text.len() >= 2) else {
        return Err(format!("expected single quoted string but got {text}"));
    };
    let mut out = String::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next() {
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some(c @ ('\'' | '\\')) => c,
            Some(c) => {
                return Err(format!("invalid string literal: invalid escape char \\{c}"));
            }
            None => '\\',
        });
    }
    Ok(out)
}
