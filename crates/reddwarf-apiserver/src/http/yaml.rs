//! YAML as `sigs.k8s.io/yaml` writes it: keys sorted, lists not indented, double quotes.

use serde_json::Value;
use std::fmt::Write as _;

/// Writes a JSON value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(&mut out, map, 0),
        Value::Array(items) if !items.is_empty() => array(&mut out, items, 0),
        scalar => {
            inline(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

fn object(out: &mut String, map: &serde_json::Map<String, Value>, indent: usize) {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|a, b| a.0.cmp(b.0));
    for (n, (key, value)) in entries.into_iter().enumerate() {
        if n > 0 || !out.ends_with("- ") {
            pad(out, indent);
        }
        text(out, key, indent);
        out.push(':');
        nested(out, value, indent);
    }
}

fn nested(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            object(out, map, indent + 2);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            array(out, items, indent);
        }
        scalar => {
            out.push(' ');
            inline(out, scalar, indent + 2);
            out.push('\n');
        }
    }
}

fn array(out: &mut String, items: &[Value], indent: usize) {
    for item in items {
        if !out.ends_with("- ") {
            pad(out, indent);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => object(out, map, indent + 2),
            Value::Array(items) if !items.is_empty() => array(out, items, indent + 2),
            scalar => {
                inline(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn inline(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(s) => text(out, s, indent),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

fn text(out: &mut String, s: &str, indent: usize) {
    let block = s.contains('\n')
        && s.chars().all(|c| c == '\n' || !c.is_control())
        && !s.starts_with([' ', '\n']);
    if block {
        let (body, mark) = match s.strip_suffix('\n') {
            Some(body) if body.ends_with('\n') => (body, "|+"),
            Some(body) => (body, "|"),
            None => (s, "|-"),
        };
        out.push_str(mark);
        for line in body.split('\n') {
            out.push('\n');
            if !line.is_empty() {
                pad(out, indent);
                out.push_str(line);
            }
        }
    } else if plain(s) {
        folded(out, s, indent);
    } else if reads_as_another_type(s) || s.chars().any(|c| c.is_control()) || s.is_empty() {
        let _ = write!(out, "{}", Value::from(s));
    } else {
        out.push('\'');
        folded(out, &s.replace('\'', "''"), indent);
        out.push('\'');
    }
}

/// Lines are broken at the first space behind this column.
const WIDTH: usize = 80;

fn folded(out: &mut String, s: &str, indent: usize) {
    let mut column = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
    let mut chars = s.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let breaks = c == ' ' && column > WIDTH && before != ' ';
        if breaks && chars.peek().is_some_and(|next| *next != ' ') {
            out.push('\n');
            pad(out, indent);
            column = indent;
        } else {
            out.push(c);
            column += 1;
        }
        before = c;
    }
}

/// Whether text may stand without quotes.
fn plain(s: &str) -> bool {
    let first_bad = |c: char| "-?:,[]{}#&*!|>'\"%@` ".contains(c);
    let mut chars = s.chars();
    let starts_well = match chars.next() {
        None => false,
        Some('-' | '?' | ':') => chars.next().is_some_and(|c| c != ' '),
        Some(c) => !first_bad(c),
    };
    starts_well
        && !s.ends_with([' ', ':'])
        && !s.contains(": ")
        && !s.contains(" #")
        && !s.chars().any(char::is_control)
        && !reads_as_another_type(s)
}

fn reads_as_another_type(s: &str) -> bool {
    const WORDS: [&str; 13] =
        ["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "<<"];
    let number = |s: &str| {
        let s = s.strip_prefix(['-', '+']).unwrap_or(s);
        let digits = s.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        digits
            && (s.replace('_', "").parse::<f64>().is_ok()
                || s.starts_with("0x")
                || s.starts_with("0b")
                || s.starts_with("0o")
                || sexagesimal(s))
    };
    WORDS.contains(&s.to_ascii_lowercase().as_str()) || number(s) || time(s)
}

fn sexagesimal(s: &str) -> bool {
    s.contains(':') && s.split(':').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
}

fn time(s: &str) -> bool {
    let b = s.as_bytes();
    b.len() >= 8 && b[..4].iter().all(u8::is_ascii_digit) && b[4] == b'-' && b[5].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents() {
        let value = json!({
            "kind": "ConfigMap", "data": {"true": "yes", "multi": "one\ntwo\n", "n": "1"},
            "list": [{"b": 1, "a": [1, {"x": "y"}]}, "s"], "empty": {}, "none": [],
            "time": "2024-01-01T00:00:00Z", "odd": "a: b", "null": null,
        });
        let want = "data:\n  multi: |\n    one\n    two\n  \"n\": \"1\"\n  \"true\": \"yes\"\nempty: {}\nkind: ConfigMap\nlist:\n- a:\n  - 1\n  - x: \"y\"\n  b: 1\n- s\nnone: []\n\"null\": null\nodd: 'a: b'\ntime: \"2024-01-01T00:00:00Z\"\n";
        assert_eq!(to_yaml(&value), want);
    }

    #[test]
    fn reads_back() {
        let value = json!({"a": ["x\n\ny", "", " lead", "#", "-", "- a", "0x1", "1e3", "yes", "a\tb", "it's: so"]});
        let read: Value = serde_yaml_ng::from_str(&to_yaml(&value)).expect("valid YAML");
        assert_eq!(read, value);
    }
}
