//! The tokens of an expression.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier that is no keyword.
    Name,
    /// A literal of the type.
    Literal(&'static str),
    /// Anything else, the keyword `in` among it.
    Sign,
}

impl Kind {
    /// The type of a literal.
    pub fn literal_type(self) -> Option<&'static str> {
        match self {
            Kind::Literal(name) => Some(name),
            Kind::Name | Kind::Sign => None,
        }
    }
}

/// A part of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'a str,
    /// The byte at which it begins.
    pub at: usize,
}

/// Signs of two characters.
const LONG_SIGNS: [&str; 6] = ["==", "!=", "<=", ">=", "&&", "||"];
const SIGNS: &str = "+-*/%!<>?:.,()[]{}";

/// Splits an expression.
///
/// # Errors
/// The byte at which no token begins, or a text begins that does not end.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let blank = blank_len(rest);
        if blank > 0 {
            at += blank;
            continue;
        }
        let (kind, len) = next(rest).ok_or(at)?;
        found.push(Token { kind, text: rest.get(..len).ok_or(at)?, at });
        at += len;
    }
    Ok(found)
}

/// Bytes of white space or of a comment.
fn blank_len(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}']).len()
}

fn next(rest: &str) -> Option<(Kind, usize)> {
    if let Some(literal) = quoted(rest) {
        return literal;
    }
    let first = rest.chars().next()?;
    if first.is_ascii_digit() || (first == '.' && digits(&rest[1..]) > 0) {
        return Some(number(rest));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let len = rest.len()
            - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let kind = match &rest[..len] {
            "true" | "false" => Kind::Literal("bool"),
            "null" => Kind::Literal("null_type"),
            "in" => Kind::Sign,
            _ => Kind::Name,
        };
        return Some((kind, len));
    }
    if first == '`' {
        let end = rest[1..].find('`')?;
        return Some((Kind::Name, end + 2));
    }
    if LONG_SIGNS.iter().any(|sign| rest.starts_with(sign)) {
        return Some((Kind::Sign, 2));
    }
    SIGNS.contains(first).then_some((Kind::Sign, 1))
}

/// A text or bytes: `None` when none begins here, `Some(None)` when it does not end.
#[allow(clippy::option_option)]
fn quoted(rest: &str) -> Option<Option<(Kind, usize)>> {
    let prefix = rest.bytes().take_while(|b| b"rRbB".contains(b)).count();
    if prefix > 2 {
        return None;
    }
    let (marks, body) = rest.split_at(prefix);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|q| body.starts_with(q))?;
    let raw = marks.contains(['r', 'R']);
    let kind = if marks.contains(['b', 'B']) { "bytes" } else { "string" };
    let inside = &body[quote.len()..];
    let end = closing(inside, quote, raw);
    Some(end.map(|end| (Kind::Literal(kind), prefix + quote.len() * 2 + end)))
}

/// Where the quote stands that ends a text.
fn closing(inside: &str, quote: &str, raw: bool) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && !raw {
            escaped = true;
        } else if inside[at..].starts_with(quote) {
            return Some(at);
        } else if (c == '\n' || c == '\r') && quote.len() == 1 {
            return None;
        }
    }
    None
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn number(rest: &str) -> (Kind, usize) {
    if rest.starts_with("0x") || rest.starts_with("0X") {
        let len = 2 + rest.bytes().skip(2).take_while(u8::is_ascii_hexdigit).count();
        return unsigned(rest, len);
    }
    let whole = digits(rest);
    let mut len = whole;
    if rest[len..].starts_with('.') && digits(&rest[len + 1..]) > 0 {
        len += 1 + digits(&rest[len + 1..]);
    }
    if rest[len..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[len + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[len + 1 + sign..]);
        len += if exponent > 0 { 1 + sign + exponent } else { 0 };
    }
    if len > whole { (Kind::Literal("double"), len) } else { unsigned(rest, len) }
}

fn unsigned(rest: &str, len: usize) -> (Kind, usize) {
    match rest[len..].starts_with(['u', 'U']) {
        true => (Kind::Literal("uint"), len + 1),
        false => (Kind::Literal("int"), len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(&str, Option<&'static str>)> {
        let tokens = tokens(text).expect("tokens");
        tokens.iter().map(|token| (token.text, token.kind.literal_type())).collect()
    }

    #[test]
    fn literals() {
        assert_eq!(
            kinds("1 2u 0xFFu 1.5 .5 1e3 'a' b'x' rb\"\\\" true null"),
            [
                ("1", Some("int")),
                ("2u", Some("uint")),
                ("0xFFu", Some("uint")),
                ("1.5", Some("double")),
                (".5", Some("double")),
                ("1e3", Some("double")),
                ("'a'", Some("string")),
                ("b'x'", Some("bytes")),
                ("rb\"\\\"", Some("bytes")),
                ("true", Some("bool")),
                ("null", Some("null_type")),
            ]
        );
        assert_eq!(kinds("'ü\\'' //x"), [("'ü\\''", Some("string"))]);
    }

    #[test]
    fn what_is_no_token() {
        for (text, at) in [("a @", 2), ("'a", 0), ("'a\nb'", 0), ("ü", 0), ("`a", 0), ("a & b", 2)]
        {
            assert_eq!(tokens(text), Err(at), "{text}");
        }
    }
}
