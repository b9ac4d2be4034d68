//! Names of fields, as expressions write them.

use std::borrow::Cow;

/// Words that an expression cannot use as names.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// The name under which an expression reaches a field, if it can.
pub fn escape(name: &str) -> Option<Cow<'_, str>> {
    let first = name.bytes().next()?;
    if first.is_ascii_digit() {
        return None;
    }
    if RESERVED.contains(&name) {
        return Some(Cow::Owned(format!("__{name}__")));
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.bytes().all(plain) && !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let (with, length) = match c {
            '_' if rest.starts_with("__") => ("__underscores__", 2),
            '.' => ("__dot__", 1),
            '-' => ("__dash__", 1),
            '/' => ("__slash__", 1),
            c if c.is_ascii() && plain(c as u8) => (&rest[..1], 1),
            _ => return None,
        };
        escaped.push_str(with);
        rest = &rest[length..];
    }
    Some(Cow::Owned(escaped))
}

/// The field that an expression reaches by a name.
pub fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut field = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("__") {
        let inside = &rest[at + 2..];
        let length = inside.find('_').unwrap_or(inside.len());
        if length == 0 || !inside[length..].starts_with("__") {
            field.push_str(&rest[..at + 1]);
            rest = &rest[at + 1..];
            continue;
        }
        field.push_str(&rest[..at]);
        match &inside[..length] {
            "underscores" => field.push_str("__"),
            "dot" => field.push('.'),
            "dash" => field.push('-'),
            "slash" => field.push('/'),
            word if RESERVED.contains(&word) && word.len() + 4 == name.len() => {
                field.push_str(word)
            }
            _ => return None,
        }
        rest = &inside[length + 2..];
    }
    field.push_str(rest);
    Some(Cow::Owned(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        for (field, name) in [
            ("a", "a"),
            ("a_b", "a_b"),
            ("a.b", "a__dot__b"),
            ("a-b/c", "a__dash__b__slash__c"),
            ("a__b", "a__underscores__b"),
            ("namespace", "__namespace__"),
            ("namespaces", "namespaces"),
        ] {
            assert_eq!(escape(field).as_deref(), Some(name));
            assert_eq!(unescape(name).as_deref(), Some(field));
        }
        for field in ["", "1a", "a b", "\u{e9}", "a$"] {
            assert_eq!(escape(field), None, "{field}");
        }
        for name in ["a__x__b", "a__in__"] {
            assert_eq!(unescape(name), None, "{name}");
        }
    }
}
