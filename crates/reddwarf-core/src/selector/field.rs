//! Field selectors.

use super::SelectorError;
use std::borrow::Cow;
use std::fmt;

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// Path of the field, as the client wrote it.
    pub field: Box<str>,
    /// The text to compare with.
    pub value: Box<str>,
    /// `true` for `=` and `==`, `false` for `!=`.
    pub equal: bool,
}

/// All of a list of terms. Which fields may be named is for the server to say, kind by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Parses the text of a `fieldSelector` parameter.
    ///
    /// # Errors
    /// The text that upstream answers with 400.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms: Vec<FieldTerm> = parts
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (field, equal, value) = split_term(part).ok_or_else(|| {
                    SelectorError(format!("invalid selector: '{text}'; can't understand '{part}'"))
                })?;
                let value = unescape(value)?.into();
                Ok(FieldTerm { field: field.into(), value, equal })
            })
            .collect::<Result<_, _>>()?;
        // Once more, since `==` is printed as `=`, which can be another place among equal fields.
        terms.sort_by_cached_key(FieldTerm::to_string);
        Ok(FieldSelector { terms })
    }

    /// The terms, sorted by their text.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether an object matches whose fields `lookup` finds (`""` for one that it lacks).
    pub fn matches<'a>(&self, mut lookup: impl FnMut(&str) -> &'a str) -> bool {
        self.terms.iter().all(|term| (lookup(&term.field) == term.value.as_ref()) == term.equal)
    }

    /// The value that `field` must have, when a term says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        let term = self.terms.iter().find(|term| term.equal && term.field.as_ref() == field)?;
        Some(&term.value)
    }
}

impl fmt::Display for FieldTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = if self.equal { "=" } else { "!=" };
        write!(f, "{}{operator}{}", self.field, escape(&self.value))
    }
}

impl fmt::Display for FieldSelector {
    /// The text that [`FieldSelector::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, term) in self.terms.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{term}")?;
        }
        Ok(())
    }
}

/// Puts a backslash before each `\`, `,` and `=`.
pub fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', ',', '=']) {
        return Cow::Borrowed(value);
    }
    let mut out = String::with_capacity(value.len() + 4);
    for c in value.chars() {
        if matches!(c, '\\' | ',' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether equality is asked for, and the escaped value.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find('=')?;
    let (field, value) = (&term[..at], &term[at + 1..]);
    match field.strip_suffix('!') {
        Some(field) => Some((field, false, value)),
        None => Some((field, true, value.strip_prefix('=').unwrap_or(value))),
    }
}

fn unescape(value: &str) -> Result<Cow<'_, str>, SelectorError> {
    if !value.contains(['\\', ',', '=']) {
        return Ok(Cow::Borrowed(value));
    }
    let bad_escape =
        |sequence: &str| format!("invalid field selector: invalid escape sequence: {sequence}");
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(SelectorError(bad_escape(&format!("\\{c}")))),
                None => return Err(SelectorError(bad_escape("\\"))),
            },
            ',' | '=' => {
                // Upstream prints the character's number.
                let number = c as u32;
                return Err(SelectorError(format!(
                    "invalid field selector: unescaped character in value: {number}"
                )));
            }
            c => out.push(c),
        }
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_and_matches() {
        let lookup = |field: &str| match field {
            "metadata.name" => "a",
            "spec.nodeName" => "",
            _ => "x",
        };
        for (text, expected) in [
            ("", true),
            ("metadata.name=a", true),
            ("metadata.name==a", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=", true),
            ("metadata.name=a,spec.nodeName!=", false),
            ("metadata.name=a,,", true),
            ("metadata.name=a,metadata.name=b", false),
        ] {
            let selector = FieldSelector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.matches(lookup), expected, "{text}");
        }
        let selector = FieldSelector::parse(r"metadata.name=a\,b").expect("valid");
        assert_eq!(selector.exact("metadata.name"), Some("a,b"));
        assert_eq!(selector.exact("other"), None);
    }

    #[test]
    fn the_order_does_not_depend_on_how_equality_is_written() {
        let selector = |text| FieldSelector::parse(text).expect("valid");
        assert_eq!(selector("a== 4,a= "), selector("a= ,a= 4"));
    }

    #[test]
    fn refusals() {
        for (text, expected) in [
            (
                "metadata.name",
                "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
            ),
            (
                "metadata.name in (a,b)",
                "invalid selector: 'metadata.name in (a,b)'; can't understand 'b)'",
            ),
            (r"metadata.name=a\b", r"invalid field selector: invalid escape sequence: \b"),
            ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ] {
            assert_eq!(FieldSelector::parse(text).expect_err(text).0, expected);
        }
    }

    proptest! {
        #[test]
        fn text_round_trip(terms in prop::collection::vec(("[a-z.]{1,5}", "\\PC{0,6}", any::<bool>()), 0..4)) {
            let text = terms.iter()
                .map(|(f, v, e)| format!("{f}{}{}", if *e { "=" } else { "!=" }, escape(v)))
                .collect::<Vec<_>>().join(",");
            let selector = FieldSelector::parse(&text).expect("valid");
            prop_assert_eq!(selector.terms().len(), terms.len());
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn garbage_never_panics(text in "[a!=,\\\\\\PC]{0,20}") {
            let _ = FieldSelector::parse(&text);
        }
    }
}
