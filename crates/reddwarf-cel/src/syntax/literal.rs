//! What literals mean.

use super::token::{Kind, Token};
use crate::ast::Literal;

/// The value of a literal.
///
/// # Errors
/// What is wrong with it.
pub fn value(token: Token<'_>, negative: bool) -> Result<Literal, &'static str> {
    let sign = if negative { "-" } else { "" };
    match token.kind {
        Kind::Null => Ok(Literal::Null),
        Kind::True => Ok(Literal::Bool(true)),
        Kind::False => Ok(Literal::Bool(false)),
        Kind::Int => {
            let (digits, base) = base(token.text);
            let int = i64::from_str_radix(&format!("{sign}{digits}"), base);
            int.map(Literal::Int).map_err(|_| "invalid int literal")
        }
        Kind::Uint => {
            let (digits, base) = base(&token.text[..token.text.len() - 1]);
            let uint = u64::from_str_radix(digits, base);
            uint.map(Literal::Uint).map_err(|_| "invalid uint literal")
        }
        Kind::Double => match format!("{sign}{}", token.text).parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Literal::Double(double)),
            _ => Err("invalid double literal"),
        },
        Kind::Bytes => {
            let bytes = unescaped(&token.text[1..], true)?;
            Ok(Literal::Bytes(bytes.into()))
        }
        _ => {
            let text = String::from_utf8(unescaped(token.text, false)?);
            text.map(|text| Literal::String(text.into())).map_err(|_| "unable to unescape string")
        }
    }
}

fn base(text: &str) -> (&str, u32) {
    text.strip_prefix("0x").map_or((text, 10), |hex| (hex, 16))
}

/// The bytes between quotes, with escapes replaced.
fn unescaped(text: &str, bytes: bool) -> Result<Vec<u8>, &'static str> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let raw = text.starts_with(['r', 'R']);
    let quoted = if raw { &text[1..] } else { &text[..] };
    let triple = quoted.len() >= 6 && (quoted.starts_with("'''") || quoted.starts_with("\"\"\""));
    let cut = if triple { 3 } else { 1 };
    let inside = quoted.get(cut..quoted.len().saturating_sub(cut)).unwrap_or_default();
    if raw || !inside.contains('\\') {
        return Ok(inside.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = escape(&rest[at + 1..], bytes, &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Replaces the escape whose backslash stood before `text`; returns what comes after it.
fn escape<'a>(text: &'a str, bytes: bool, out: &mut Vec<u8>) -> Result<&'a str, &'static str> {
    const BAD: &str = "unable to unescape string";
    let letter = *text.as_bytes().first().ok_or(BAD)?;
    let (code, length) = match letter {
        b'a' => (7, 1),
        b'b' => (8, 1),
        b'f' => (12, 1),
        b'n' => (10, 1),
        b'r' => (13, 1),
        b't' => (9, 1),
        b'v' => (11, 1),
        b'\\' | b'\'' | b'"' | b'`' | b'?' => (u32::from(letter), 1),
        b'x' | b'X' => (radix(text.get(1..3), 16)?, 3),
        b'u' if !bytes => (radix(text.get(1..5), 16)?, 5),
        b'U' if !bytes => (radix(text.get(1..9), 16)?, 9),
        b'0'..=b'3' => (radix(text.get(0..3), 8)?, 3),
        _ => return Err(BAD),
    };
    if bytes {
        out.push(u8::try_from(code).map_err(|_| BAD)?);
    } else {
        let c = char::from_u32(code).ok_or("invalid unicode code point")?;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(&text[length..])
}

fn radix(digits: Option<&str>, radix: u32) -> Result<u32, &'static str> {
    digits
        .and_then(|digits| u32::from_str_radix(digits, radix).ok())
        .ok_or("unable to unescape string")
}
