//! Patterns, which upstream writes in RE2's syntax.
//!
//! They run in linear time. The syntax of the engine here differs a little: `\d` and its like are
//! of ASCII there, a brace may stand for itself, and within brackets there are no set operations.

use regex::{Regex, RegexBuilder};

/// What a compiled pattern may take, in bytes.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// How deep a pattern may be nested.
const NESTED_MAX: u32 = 100;
/// How often a part may be repeated.
const REPEATED_MAX: u32 = 1000;

/// A compiled pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words where they are known.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let translated = translate(pattern)?;
        RegexBuilder::new(&translated)
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .nest_limit(NESTED_MAX)
            .build()
            .map(Pattern)
            .map_err(|error| problem(pattern, &translated, &error))
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(crate) fn find(&self, text: &str) -> Option<String> {
        self.0.find(text).map(|found| found.as_str().to_owned())
    }

    pub(crate) fn find_all(&self, text: &str, most: usize) -> Vec<String> {
        self.0.find_iter(text).take(most).map(|found| found.as_str().to_owned()).collect()
    }
}

/// The same pattern in the syntax of the engine.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_brackets = false;
    let mut first = false;
    // The repetition that stands just before, which cannot be repeated.
    let mut repeated: Option<usize> = None;
    while let Some(c) = rest.chars().next() {
        let at_first = std::mem::take(&mut first);
        let before = repeated.take();
        if c == '\\' {
            rest = escape(rest, in_brackets, &mut out)?;
            continue;
        }
        let mut length = c.len_utf8();
        match c {
            '[' if !in_brackets => {
                in_brackets = true;
                first = true;
                out.push('[');
                if rest[1..].starts_with('^') {
                    out.push('^');
                    length += 1;
                }
            }
            // At the beginning it stands for itself.
            ']' if in_brackets && at_first => out.push_str("\\]"),
            ']' if in_brackets => {
                in_brackets = false;
                out.push(']');
            }
            '[' if rest.starts_with("[:") && rest.contains(":]") => {
                let end = rest.find(":]").map_or(rest.len(), |end| end + 2);
                out.push_str(&rest[..end]);
                length = end;
            }
            '[' | '&' | '~' if in_brackets => {
                out.push('\\');
                out.push(c);
            }
            '{' if !in_brackets => match repetition(rest) {
                Some((end, most)) if most > REPEATED_MAX => {
                    let count = &rest[..end];
                    return Err(format!("error parsing regexp: invalid repeat count: `{count}`"));
                }
                Some((end, _)) => {
                    out.push_str(&rest[..end]);
                    length = end;
                }
                None => out.push_str("\\{"),
            },
            '}' if !in_brackets => out.push_str("\\}"),
            c => out.push(c),
        }
        if !in_brackets && (matches!(c, '*' | '+' | '?') || (c == '{' && length > 1)) {
            let lazy = usize::from(rest[length..].starts_with('?'));
            if let Some(start) = before {
                let end = pattern.len() - rest.len() + length;
                return Err(format!(
                    "error parsing regexp: invalid nested repetition operator: `{}`",
                    &pattern[start..end]
                ));
            }
            // After a parenthesis it begins flags, or is told of below.
            if !out.ends_with("(?") {
                repeated = Some(pattern.len() - rest.len());
                out.push_str(&rest[length..length + lazy]);
                length += lazy;
            }
        }
        rest = &rest[length..];
    }
    Ok(out)
}

/// Translates an escape; returns what comes after it.
fn escape<'a>(text: &'a str, in_brackets: bool, out: &mut String) -> Result<&'a str, String> {
    let Some(c) = text[1..].chars().next() else {
        return Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned());
    };
    let (inside, outside) = match c {
        'd' => ("0-9", "[0-9]"),
        'w' => ("0-9A-Za-z_", "[0-9A-Za-z_]"),
        's' => ("\\t\\n\\x0C\\r ", "[\\t\\n\\x0C\\r ]"),
        'D' => ("[^0-9]", "[^0-9]"),
        'W' => ("[^0-9A-Za-z_]", "[^0-9A-Za-z_]"),
        'S' => ("[^\\t\\n\\x0C\\r ]", "[^\\t\\n\\x0C\\r ]"),
        'b' if !in_brackets => ("", "(?-u:\\b)"),
        'B' if !in_brackets => ("", "(?-u:\\B)"),
        'Q' if !in_brackets => {
            let inside = &text[2..];
            let end = inside.find("\\E").unwrap_or(inside.len());
            out.push_str(&regex_syntax::escape(&inside[..end]));
            return Ok(inside[end..].strip_prefix("\\E").unwrap_or(""));
        }
        'z' | 'A' | 'p' | 'P' | 'x' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
            out.push('\\');
            out.push(c);
            return Ok(&text[2..]);
        }
        c if c.is_ascii_alphanumeric() && !c.is_ascii_digit() => {
            return Err(format!("error parsing regexp: invalid escape sequence: `\\{c}`"));
        }
        '0'..='9' => {
            return Err(format!("error parsing regexp: invalid escape sequence: `\\{c}`"));
        }
        c => {
            out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
            return Ok(&text[1 + c.len_utf8()..]);
        }
    };
    out.push_str(if in_brackets { inside } else { outside });
    Ok(&text[2..])
}

/// The length of `{n}`, `{n,}` or `{n,m}`, and the largest number in it.
fn repetition(text: &str) -> Option<(usize, u32)> {
    let end = text.find('}')?;
    let (low, high) = text[1..end].split_once(',').unwrap_or((&text[1..end], ""));
    let number = |text: &str| -> Option<u32> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(text.parse().unwrap_or(u32::MAX))
    };
    let low = number(low)?;
    let high = if high.is_empty() { 0 } else { number(high)? };
    Some((end + 1, low.max(high)))
}

/// What is wrong, in upstream's words where there are such.
fn problem(pattern: &str, translated: &str, error: &regex::Error) -> String {
    use regex_syntax::ast::ErrorKind;
    let parsed = regex_syntax::ast::parse::ParserBuilder::new()
        .nest_limit(NESTED_MAX)
        .build()
        .parse(translated);
    let (what, part) = match parsed {
        Err(error) => {
            let span = error.span();
            let part = translated.get(span.start.offset..span.end.offset).unwrap_or_default();
            match error.kind() {
                ErrorKind::ClassUnclosed => ("missing closing ]", from_bracket(pattern)),
                ErrorKind::GroupUnclosed => ("missing closing )", pattern.to_owned()),
                ErrorKind::GroupUnopened => ("unexpected )", pattern.to_owned()),
                ErrorKind::RepetitionMissing => {
                    let from = translated.get(span.start.offset..).unwrap_or_default();
                    let part = from.chars().next().map(String::from).unwrap_or_default();
                    ("missing argument to repetition operator", part)
                }
                ErrorKind::RepetitionCountInvalid => ("invalid repeat count", part.to_owned()),
                ErrorKind::ClassRangeInvalid => ("invalid character class range", part.to_owned()),
                ErrorKind::UnsupportedLookAround => {
                    ("invalid or unsupported Perl syntax", part.to_owned())
                }
                _ => ("invalid escape sequence", part.to_owned()),
            }
        }
        Ok(_) => match error {
            regex::Error::CompiledTooBig(_) => ("expression nests too deeply", pattern.to_owned()),
            _ => ("invalid character class range", pattern.to_owned()),
        },
    };
    format!("error parsing regexp: {what}: `{part}`")
}

fn from_bracket(pattern: &str) -> String {
    pattern.rfind('[').map_or(pattern, |at| &pattern[at..]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_upstream() {
        for (pattern, text, matches) in [
            (r"^\d+$", "123", true),
            (r"^\d+$", "\u{661}", false),
            (r"^\w+$", "\u{e9}", false),
            (r"^[^@]+@example\.com$", "a@example.com", true),
            (r"^[\d\-x]+$", "1-x", true),
            (r"a{", "a{", true),
            (r"^a{2}$", "aa", true),
            (r"^{}$", "{}", true),
            (r"[]a]", "]", true),
            (r"^[[&&]$", "[", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"(?i)^A$", "a", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"\bfoo\b", "a foo b", true),
            (r"^a+?b*$", "aab", true),
            (r"^(?:a|b)?$", "b", true),
        ] {
            let compiled = Pattern::new(pattern).expect(pattern);
            assert_eq!(compiled.is_match(text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn faulty_patterns() {
        for (pattern, error) in [
            ("[a", "error parsing regexp: missing closing ]: `[a`"),
            ("(a", "error parsing regexp: missing closing ): `(a`"),
            ("a)", "error parsing regexp: unexpected ): `a)`"),
            ("*a", "error parsing regexp: missing argument to repetition operator: `*`"),
            ("a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"),
            ("\\", "error parsing regexp: trailing backslash at end of expression: ``"),
            ("x++", "error parsing regexp: invalid nested repetition operator: `++`"),
            ("\\8", "error parsing regexp: invalid escape sequence: `\\8`"),
        ] {
            assert_eq!(Pattern::new(pattern).map(|_| ()), Err(error.to_owned()));
        }
        assert!(Pattern::new("((a{500}){500}){500}").is_err());
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
    }
}
