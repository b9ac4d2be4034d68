//! `Warning` headers: each text once, and no more of them than clients take.

use http::HeaderMap;
use http::header::{HeaderValue, WARNING};

/// Characters of all texts together; beyond it each text is cut.
const CHARACTERS_MAX: usize = 4 * 1024;
/// Characters of one text then.
const CUT_CHARACTERS: usize = 256;

/// Adds a `Warning` header for each of the texts.
pub fn warn<'t>(headers: &mut HeaderMap, texts: impl IntoIterator<Item = &'t str>) {
    let mut once: Vec<&str> = Vec::new();
    for text in texts {
        if !text.is_empty() && !once.contains(&text) && !text.chars().any(char::is_control) {
            once.push(text);
        }
    }
    let all: usize = once.iter().map(|text| text.chars().count()).sum();
    let mut written = 0;
    for text in once {
        if written >= CHARACTERS_MAX {
            return;
        }
        let shown = if all > CHARACTERS_MAX { cut(text) } else { text };
        written += shown.chars().count();
        let quoted = shown.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            headers.append(WARNING, value);
        }
    }
}

/// The texts of such headers.
pub fn texts(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(WARNING).iter();
    let texts = values.filter_map(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let quoted = value.strip_prefix("299 - \"")?.strip_suffix('"')?;
        let mut escaped = false;
        let kept = quoted.chars().filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        });
        Some(kept.collect())
    });
    texts.collect()
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(CUT_CHARACTERS).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(texts: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        warn(&mut headers, texts.iter().copied());
        let values = headers.get_all(WARNING).iter();
        values.map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn form() {
        assert_eq!(headers(&["a \"b\" \\ é"]), ["299 - \"a \\\"b\\\" \\\\ é\""]);
        let mut read = HeaderMap::new();
        let written = ["a \"b\" \\ é", "\\\\", "plain"];
        warn(&mut read, written);
        assert_eq!(texts(&read), written);
        assert_eq!(headers(&["a", "b", "a", "", "no\nlines"]), ["299 - \"a\"", "299 - \"b\""]);
    }

    #[test]
    fn long_texts_are_cut_when_all_are_too_long_together() {
        let (short, long) = ("s".repeat(300), "é".repeat(4_000));
        assert_eq!(headers(&[&long])[0].chars().count(), 4_000 + 8);
        let both = headers(&[&short, &long]);
        let lengths: Vec<usize> = both.iter().map(|v| v.chars().count()).collect();
        assert_eq!(lengths, [CUT_CHARACTERS + 8, CUT_CHARACTERS + 8]);
        let many: Vec<String> = (0..100).map(|n| format!("{n:0300}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(headers(&many).len(), CHARACTERS_MAX / CUT_CHARACTERS);
    }
}
