//! Regular expressions of Go's syntax, which `pattern` and columns of definitions are written in.

use regex::Regex;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    /// As it is written.
    pub text: Box<str>,
    compiled: Result<Regex, String>,
}

impl Pattern {
    /// Compiles a pattern; one that does not compile matches nothing.
    pub fn new(text: &str) -> Self {
        Pattern { text: text.into(), compiled: compile(text) }
    }

    /// Whether `text` has a match.
    ///
    /// # Errors
    /// Why the pattern does not compile.
    pub fn matches(&self, text: &str) -> Result<bool, &str> {
        self.compiled.as_ref().map(|regex| regex.is_match(text)).map_err(String::as_str)
    }
}

/// Why a pattern does not compile, in Go's words.
pub fn error(text: &str) -> Option<String> {
    compile(text).err()
}

fn compile(text: &str) -> Result<Regex, String> {
    if let Some(why) = go_error(text) {
        return Err(format!("error parsing regexp: {why}"));
    }
    Regex::new(&translate(text)).map_err(|_| format!("error parsing regexp: `{text}`"))
}

/// The mistakes that Go has words for and that are easy to find.
fn go_error(text: &str) -> Option<String> {
    let mut open = 0usize;
    let mut chars = text.char_indices().peekable();
    let mut can_repeat = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                None => return Some("trailing backslash at end of expression: ``".to_owned()),
                Some((_, escaped)) => {
                    const KNOWN: &str = "0123456789AbBCdDfnpPQrsStvwWxzaE";
                    if escaped.is_ascii_alphanumeric() && !KNOWN.contains(escaped) {
                        return Some(format!("invalid escape sequence: `\\{escaped}`"));
                    }
                    can_repeat = true;
                }
            },
            '[' => {
                if !skip_class(&mut chars) {
                    return Some(format!("missing closing ]: `{}`", &text[at..]));
                }
                can_repeat = true;
            }
            '(' => {
                open += 1;
                can_repeat = false;
                if text[at..].starts_with("(?") {
                    chars.next();
                    let ahead = &text[at + 2..];
                    if let Some(bad) =
                        ["=", "!", "<=", "<!"].iter().find(|p| ahead.starts_with(**p))
                    {
                        return Some(format!("invalid or unsupported Perl syntax: `(?{bad}`"));
                    }
                }
            }
            ')' => match open.checked_sub(1) {
                Some(left) => {
                    open = left;
                    can_repeat = true;
                }
                None => return Some(format!("unexpected ): `{text}`")),
            },
            '*' | '+' | '?' if !(can_repeat || c == '?' && at > 0 && text[..at].ends_with('(')) => {
                return Some(format!("missing argument to repetition operator: `{c}`"));
            }
            '|' | '^' => can_repeat = c == '^',
            _ => can_repeat = true,
        }
    }
    (open > 0).then(|| format!("missing closing ): `{text}`"))
}

/// Walks behind a class; `false` when it has no end.
fn skip_class(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> bool {
    if chars.peek().is_some_and(|(_, c)| *c == '^') {
        chars.next();
    }
    let mut first = true;
    while let Some((_, c)) = chars.next() {
        match c {
            ']' if !first => return true,
            '\\' => drop(chars.next()),
            '[' if chars.peek().is_some_and(|(_, c)| *c == ':') => {
                while let Some((_, c)) = chars.next() {
                    if c == ':' && chars.peek().is_some_and(|(_, c)| *c == ']') {
                        chars.next();
                        break;
                    }
                }
            }
            _ => {}
        }
        first = false;
    }
    false
}

/// The same expression as `regex` writes it: there classes of letters and digits are ASCII in
/// Go, and a bracket inside a class stands for itself.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut chars = text.chars().peekable();
    let mut class = false;
    let mut class_start = false;
    while let Some(c) = chars.next() {
        let at_start = std::mem::take(&mut class_start);
        match c {
            '\\' => match chars.next() {
                Some('Q') if !class => quote(&mut chars, &mut out),
                Some(escaped) => out.push_str(&escape(escaped, class)),
                None => out.push_str("\\\\"),
            },
            '[' if !class => {
                class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
                class_start = true;
            }
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            ']' if class && !at_start => {
                class = false;
                out.push(']');
            }
            '[' | ']' | '&' | '~' if class => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn escape(escaped: char, class: bool) -> String {
    let (inside, outside) = match escaped {
        'd' => ("0-9", "[0-9]"),
        'w' => ("0-9A-Za-z_", "[0-9A-Za-z_]"),
        's' => ("\\t\\n\\x0C\\r ", "[\\t\\n\\x0C\\r ]"),
        'D' => ("[^0-9]", "[^0-9]"),
        'W' => ("[^0-9A-Za-z_]", "[^0-9A-Za-z_]"),
        'S' => ("[^\\t\\n\\x0C\\r ]", "[^\\t\\n\\x0C\\r ]"),
        'b' if !class => return "(?-u:\\b)".to_owned(),
        '<' | '>' | '"' | '\'' | '/' | '`' | '@' | '%' | '=' | '!' | ',' | ';' | ':' | '_'
        | ' ' => {
            return escaped.to_string();
        }
        other => return format!("\\{other}"),
    };
    if class { inside.to_owned() } else { outside.to_owned() }
}

/// What stands between `\Q` and `\E` is no pattern.
fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'E') {
            chars.next();
            break;
        }
        text.push(c);
    }
    out.push_str(&regex::escape(&text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_s_dialect() {
        for (pattern, text, matches) in [
            ("^[a-z]+$", "ab", true),
            ("^[a-z]+$", "AB", false),
            (r"^\d+$", "12", true),
            (r"^\d+$", "\u{663}", false),
            (r"^[\w.-]+\z", "a.b-c_d", true),
            (r"^[[]$", "[", true),
            (r"^[]a]+$", "]a", true),
            (r"^[[:alpha:]]+$", "abc", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"^(?:a|b){1,2}$", "ab", true),
            (r"^[^\s]+$", "a b", false),
            (r"^a&&b$", "a&&b", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", "a.b-c", true),
            (r"^(?P<name>\S+)$", "x", true),
            (r"^$|^x", "", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), Ok(matches), "{pattern} {text}");
        }
    }

    #[test]
    fn what_does_not_compile() {
        for (pattern, why) in [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("*a", "missing argument to repetition operator: `*`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            (r"a\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(error(pattern).as_deref(), Some(&*format!("error parsing regexp: {why}")));
        }
        assert_eq!(error("^a(b|c)*$"), None);
    }
}
