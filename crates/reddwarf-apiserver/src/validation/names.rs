//! The formats of names, with upstream's explanations (`k8s.io/apimachinery` `validation`).

/// Checks a text and says what is wrong with it; empty when it is well formed.
pub type NameRule = fn(&str) -> Vec<String>;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const UNDERSCORED: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?(\\.[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const WILDCARD_SUBDOMAIN: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const ENV_NAME: &str = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const DNS_1035_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const C_IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";

/// Longest DNS subdomain.
pub const SUBDOMAIN_CHARS_MAX: usize = 253;
/// Longest DNS label and longest label value.
pub const LABEL_CHARS_MAX: usize = 63;

fn lower_alnum(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) => {
            lower_alnum(first)
                && lower_alnum(last)
                && bytes.iter().all(|&b| lower_alnum(b) || b == b'-')
        }
        _ => false,
    }
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_alphanumeric()
                && last.is_ascii_alphanumeric()
                && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        }
        _ => false,
    }
}

fn too_long(text: &str, max: usize, unit: &str) -> Option<String> {
    (text.len() > max).then(|| format!("must be no more than {max} {unit}"))
}

fn check(text: &str, max: usize, ok: bool, explanation: &str) -> Vec<String> {
    let shape = (!ok).then(|| explanation.to_owned());
    too_long(text, max, "characters").into_iter().chain(shape).collect()
}

/// RFC 1123 subdomain: the usual name of an object.
pub fn subdomain(text: &str) -> Vec<String> {
    check(text, SUBDOMAIN_CHARS_MAX, is_subdomain(text), SUBDOMAIN)
}

/// The same, with underscores: a domain that is searched.
pub fn underscored_subdomain(text: &str) -> Vec<String> {
    let ok = is_subdomain(&text.split('_').collect::<Vec<_>>().join("0"));
    check(text, SUBDOMAIN_CHARS_MAX, ok, UNDERSCORED)
}

/// RFC 1123 label. A text that is a subdomain is told that dots are what is wrong.
pub fn label(text: &str) -> Vec<String> {
    let explanation = if is_subdomain(text) { "must not contain dots" } else { LABEL };
    check(text, LABEL_CHARS_MAX, is_label(text), explanation)
}

/// A name that can stand in a URL path; RBAC kinds ask no more of theirs.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ['/', '%']
        .into_iter()
        .filter(|&c| text.contains(c))
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

/// A label key: an optional DNS subdomain and a slash before a name.
pub fn qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        None => (None, text),
        Some((prefix, name)) if !name.contains('/') => (Some(prefix), name),
        Some(_) => {
            return vec![
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
                    .to_owned(),
            ];
        }
    };
    let mut errors = Vec::new();
    match prefix {
        Some("") => errors.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            errors.extend(subdomain(prefix).into_iter().map(|e| format!("prefix part {e}")))
        }
        None => {}
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_CHARS_MAX {
        errors.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name_part(name) {
        errors.push(QUALIFIED_NAME.to_owned());
    }
    errors
}

/// A label's value.
pub fn label_value(text: &str) -> Vec<String> {
    let shape = (!text.is_empty() && !is_name_part(text)).then(|| LABEL_VALUE.to_owned());
    too_long(text, LABEL_CHARS_MAX, "bytes").into_iter().chain(shape).collect()
}

/// A key of a config map or secret.
pub fn config_key(text: &str) -> Vec<String> {
    let shaped =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let mut errors = check(text, SUBDOMAIN_CHARS_MAX, shaped, CONFIG_KEY);
    if text == "." || text == ".." {
        errors.push(format!("must not be '{text}'"));
    } else if text.starts_with("..") {
        errors.push("must not start with '..'".to_owned());
    }
    errors
}

/// The name of an environment variable in a container.
pub fn environment_name(text: &str) -> Vec<String> {
    let ok = !text.is_empty() && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=');
    if ok { Vec::new() } else { vec![ENV_NAME.to_owned()] }
}

/// A DNS subdomain whose first label is `*`.
pub fn wildcard_subdomain(text: &str) -> Vec<String> {
    let ok = text.strip_prefix("*.").is_some_and(is_subdomain);
    check(text, SUBDOMAIN_CHARS_MAX, ok, WILDCARD_SUBDOMAIN)
}

/// A named port (IANA service name).
pub fn port_name(text: &str) -> Vec<String> {
    let mut errors: Vec<String> = too_long(text, 15, "characters").into_iter().collect();
    if !text.bytes().all(|b| lower_alnum(b) || b == b'-') {
        errors
            .push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        errors.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        errors.push("must not begin or end with a hyphen".into());
    }
    errors
}

/// RFC 1035 label: an RFC 1123 label that starts with a letter.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let ok = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
    check(text, LABEL_CHARS_MAX, ok, DNS_1035_LABEL)
}

/// An identifier as the C language has them.
pub fn c_identifier(text: &str) -> Vec<String> {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let ok = first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if ok { Vec::new() } else { vec![C_IDENTIFIER.to_owned()] }
}

/// The rule for `generateName`: a trailing dash is masked, as the random part follows it.
pub fn prefix_of(rule: NameRule, text: &str) -> Vec<String> {
    match text.strip_suffix('-') {
        Some(stem) if text.len() > 1 => rule(&format!("{stem}a")),
        _ => rule(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_and_labels() {
        for good in ["a", "a.b", "0-0.x", &"a".repeat(253)] {
            assert!(subdomain(good).is_empty(), "{good}");
        }
        for bad in ["", ".", "..", "A", "a_b", "a-", "-a", "a..b", "a/b", "a%b"] {
            assert_eq!(subdomain(bad), [SUBDOMAIN], "{bad}");
        }
        assert_eq!(subdomain(&"a".repeat(254)), ["must be no more than 253 characters"]);
        assert_eq!(label("a.b"), ["must not contain dots"]);
        assert_eq!(label("A.b"), [LABEL]);
        assert_eq!(label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    }

    #[test]
    fn label_keys_and_values() {
        for good in ["a", "a.b/c", "example.com/A_b.c-d"] {
            assert!(qualified_name(good).is_empty(), "{good}");
        }
        assert_eq!(qualified_name(""), ["name part must be non-empty", QUALIFIED_NAME]);
        assert_eq!(qualified_name("t~x"), [QUALIFIED_NAME]);
        assert_eq!(qualified_name("/x"), ["prefix part must be non-empty"]);
        assert!(label_value("").is_empty() && label_value("a b").len() == 1);
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    }

    #[test]
    fn other_formats() {
        assert_eq!(path_segment("a%2fb"), ["may not contain '%'"]);
        assert!(path_segment("system:node").is_empty());
        assert_eq!(config_key(".."), ["must not be '..'"]);
        assert_eq!(config_key("bad key"), [CONFIG_KEY]);
        assert_eq!(port_name("-bad-"), ["must not begin or end with a hyphen"]);
        assert_eq!(dns_1035_label("1a"), [DNS_1035_LABEL]);
        assert!(dns_1035_label("v1beta1").is_empty());
        assert_eq!(c_identifier("a b"), [C_IDENTIFIER]);
        assert!(c_identifier("_A1").is_empty());
        assert!(prefix_of(subdomain, "job-").is_empty());
        assert_eq!(prefix_of(subdomain, "dot."), [SUBDOMAIN]);
    }
}
