//! Cuts an expression into tokens.

use super::token::{Kind, Token, quoted};
use crate::source::{Issue, Location};

/// Words that are no identifiers.
const WORDS: [(&str, Kind); 4] =
    [("in", Kind::In), ("true", Kind::True), ("false", Kind::False), ("null", Kind::Null)];
/// Operators, the longer ones first.
const OPERATORS: [(&str, Kind); 24] = [
    ("==", Kind::Equals),
    ("!=", Kind::NotEquals),
    ("<=", Kind::LessEquals),
    (">=", Kind::GreaterEquals),
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("<", Kind::Less),
    (">", Kind::Greater),
    ("[", Kind::OpenBracket),
    ("]", Kind::CloseBracket),
    ("{", Kind::OpenBrace),
    ("}", Kind::CloseBrace),
    ("(", Kind::OpenParen),
    (")", Kind::CloseParen),
    (".", Kind::Dot),
    (",", Kind::Comma),
    ("-", Kind::Minus),
    ("!", Kind::Not),
    ("?", Kind::Question),
    (":", Kind::Colon),
    ("+", Kind::Plus),
    ("*", Kind::Star),
    ("/", Kind::Slash),
    ("%", Kind::Percent),
];

/// The tokens of a text, the last of which is its end, and what is no token.
pub fn tokens(text: &str) -> (Vec<Token<'_>>, Vec<Issue>) {
    let mut lexer = Lexer { text, at: 0, place: Location { line: 1, column: 0 } };
    let (mut tokens, mut issues) = (Vec::new(), Vec::new());
    while lexer.at < text.len() {
        let rest = &text[lexer.at..];
        let skipped = blank(rest);
        if skipped > 0 {
            lexer.advance(skipped);
            continue;
        }
        let (start, at) = (lexer.at, lexer.place);
        match scan(rest) {
            Ok((kind, length)) => {
                tokens.push(Token { kind, text: &rest[..length], start, at });
                lexer.advance(length);
            }
            Err(length) => {
                let message = format!(
                    "Syntax error: token recognition error at: {}",
                    quoted(&rest[..length])
                );
                issues.push(Issue { at, message });
                lexer.advance(length);
            }
        }
    }
    tokens.push(Token { kind: Kind::End, text: "", start: text.len(), at: lexer.place });
    (tokens, issues)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    place: Location,
}

impl Lexer<'_> {
    fn advance(&mut self, length: usize) {
        for c in self.text[self.at..self.at + length].chars() {
            if c == '\n' {
                self.place = Location { line: self.place.line + 1, column: 0 };
            } else {
                self.place.column += 1;
            }
        }
        self.at += length;
    }
}

/// The bytes of white space or of a comment that a text begins with.
fn blank(text: &str) -> usize {
    let is_space = |c: char| matches!(c, '\t' | ' ' | '\r' | '\n' | '\u{c}');
    match text.strip_prefix("//") {
        Some(_) => text.find('\n').unwrap_or(text.len()),
        None => text.find(|c| !is_space(c)).unwrap_or(text.len()),
    }
}

/// The longest token at the beginning of a text, or the bytes that begin none.
fn scan(text: &str) -> Result<(Kind, usize), usize> {
    let first = text.chars().next().unwrap_or(' ');
    let literal = string(text);
    if let Ok(found) = literal {
        return Ok(found);
    }
    if first.is_ascii_digit() || (first == '.' && digits(&text[1..]) > 0) {
        return Ok(number(text));
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok(word(text));
    }
    if first == '`' {
        return escaped(text);
    }
    if let Some((operator, kind)) = OPERATORS.iter().find(|(op, _)| text.starts_with(op)) {
        return Ok((*kind, operator.len()));
    }
    match (first, literal) {
        // Half an operator takes the character that breaks it with it.
        ('=' | '&' | '|', _) => Err(chars_length(text, 2)),
        (_, Err(length)) if length > 0 => Err(length),
        _ => Err(first.len_utf8()),
    }
}

fn chars_length(text: &str, count: usize) -> usize {
    text.chars().take(count).map(char::len_utf8).sum()
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn word(text: &str) -> (Kind, usize) {
    let length = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
    let known = WORDS.iter().find(|(word, _)| *word == &text[..length]);
    (known.map_or(Kind::Identifier, |(_, kind)| *kind), length)
}

fn escaped(text: &str) -> Result<(Kind, usize), usize> {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_.-/ ".contains(b);
    let inside = text.bytes().skip(1).take_while(allowed).count();
    match text.as_bytes().get(inside + 1) {
        Some(b'`') if inside > 0 => Ok((Kind::Escaped, inside + 2)),
        _ => Err(chars_length(text, inside + 2)),
    }
}

fn number(text: &str) -> (Kind, usize) {
    let bytes = text.as_bytes();
    if text.starts_with("0x") {
        let hex = bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if hex > 0 {
            return integer(bytes, hex + 2);
        }
    }
    let mut length = digits(text);
    let mut is_double = false;
    if bytes.get(length) == Some(&b'.') {
        let fraction = digits(&text[length + 1..]);
        if fraction > 0 {
            length += 1 + fraction;
            is_double = true;
        }
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits(&text[length + 1 + sign..]);
        if exponent > 0 {
            length += 1 + sign + exponent;
            is_double = true;
        }
    }
    if is_double { (Kind::Double, length) } else { integer(bytes, length) }
}

fn integer(bytes: &[u8], length: usize) -> (Kind, usize) {
    match bytes.get(length) {
        Some(b'u' | b'U') => (Kind::Uint, length + 1),
        _ => (Kind::Int, length),
    }
}

/// A string or bytes literal; the error is the length of what looked like one.
fn string(text: &str) -> Result<(Kind, usize), usize> {
    let mut kind = Kind::String;
    let mut prefix = 0;
    let bytes = text.as_bytes();
    if matches!(bytes.first(), Some(b'b' | b'B')) {
        kind = Kind::Bytes;
        prefix = 1;
    }
    let raw = matches!(bytes.get(prefix), Some(b'r' | b'R'));
    prefix += usize::from(raw);
    let quote = match bytes.get(prefix) {
        Some(quote @ (b'"' | b'\'')) => char::from(*quote),
        _ => return Err(0),
    };
    let body = &text[prefix..];
    let triple: String = [quote; 3].iter().collect();
    let short = closed(&body[1..], &body[..1], raw, false).map(|inside| prefix + 1 + inside);
    let long = body
        .starts_with(&triple)
        .then(|| closed(&body[3..], &triple, raw, true).map(|inside| prefix + 3 + inside));
    match (long, short) {
        (Some(Ok(length)), _) | (_, Ok(length)) => Ok((kind, length)),
        (Some(Err(length)), Err(_)) | (None, Err(length)) => Err(length.min(text.len())),
    }
    .map_err(|length| if prefix > 0 && length <= prefix { 0 } else { length })
}

/// The bytes up to and with the closing quotes, or, as an error, up to where it went wrong.
fn closed(text: &str, quotes: &str, raw: bool, lines: bool) -> Result<usize, usize> {
    let opened = quotes.len();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(quotes) {
            return Ok(at + opened);
        }
        let c = rest.chars().next().unwrap_or(' ');
        if c == '\\' && !raw {
            match escape(rest) {
                Ok(length) => at += length,
                Err(length) => return Err(opened + at + length),
            }
            continue;
        }
        at += c.len_utf8();
        if !lines && matches!(c, '\n' | '\r') {
            return Err(opened + at);
        }
    }
    Err(opened + at)
}

/// The length of an escape sequence, or of what is none.
fn escape(text: &str) -> Result<usize, usize> {
    let run = |from: usize, count: usize, ok: fn(u8) -> bool| {
        let good = text.bytes().skip(from).take(count).take_while(|b| ok(*b)).count();
        if good == count { Ok(from + count) } else { Err(chars_length(text, from + good + 1)) }
    };
    let hex = |b: u8| b.is_ascii_hexdigit();
    match text.as_bytes().get(1) {
        Some(
            b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'"' | b'\'' | b'\\' | b'?' | b'`',
        ) => Ok(2),
        Some(b'x' | b'X') => run(2, 2, hex),
        Some(b'u') => run(2, 4, hex),
        Some(b'U') => run(2, 8, hex),
        Some(b'0'..=b'3') => run(2, 2, |b| (b'0'..=b'7').contains(&b)),
        _ => Err(chars_length(text, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(Kind, &str)> {
        tokens(text).0.iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn tokens_of_all_kinds() {
        let kinds =
            |text: &str| -> Vec<Kind> { texts(text).iter().map(|(kind, _)| *kind).collect() };
        assert_eq!(
            kinds("1 0x1F 2u 1.5 .5 1e3 1.e"),
            [
                Kind::Int,
                Kind::Int,
                Kind::Uint,
                Kind::Double,
                Kind::Double,
                Kind::Double,
                Kind::Int,
                Kind::Dot,
                Kind::Identifier,
                Kind::End
            ]
        );
        assert_eq!(kinds("'a' \"b\" r'\\' b'x' '''a'b''' \"\""), {
            let mut all = [Kind::String; 7];
            all[3] = Kind::Bytes;
            all[6] = Kind::End;
            all
        });
        assert_eq!(kinds("in inn `a.b`//c\n<="), {
            [Kind::In, Kind::Identifier, Kind::Escaped, Kind::LessEquals, Kind::End]
        });
    }

    #[test]
    fn what_is_no_token() {
        for (text, shown) in [
            ("@", "'@'"),
            ("a | b", "'| '"),
            ("'abc", "''abc'"),
            ("\"\\xFh\"", "'\"\\xFh'"),
            ("'a\nb'", "''a\\n'"),
            ("a = 1", "'= '"),
            ("`$b`", "'`$'"),
        ] {
            let (_, issues) = tokens(text);
            let message = format!("Syntax error: token recognition error at: {shown}");
            assert_eq!(issues[0].message, message, "{text}");
        }
    }

    #[test]
    fn three_quotes_that_never_close_are_an_empty_string() {
        assert_eq!(texts("\"\"\"a")[0], (Kind::String, "\"\""));
    }
}
