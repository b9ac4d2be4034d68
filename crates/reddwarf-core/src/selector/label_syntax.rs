//! The syntax of label keys and values, with upstream's explanations.

const NAME_BYTES_MAX: usize = 63;
const PREFIX_BYTES_MAX: usize = 253;
const NAME_SHAPE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_SHAPE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN_SHAPE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// What is wrong with `key` as a label key (`[prefix/]name`); empty when nothing is.
pub fn key_errors(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let name = match key.split_once('/') {
        None => key,
        Some((_, name)) if name.contains('/') => {
            return vec![format!(
                "a valid label key {NAME_SHAPE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                let of_prefix = subdomain_errors(prefix);
                errors.extend(of_prefix.into_iter().map(|e| format!("prefix part {e}")));
            }
            name
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > NAME_BYTES_MAX {
        errors.push(format!("name part must be no more than {NAME_BYTES_MAX} bytes"));
    }
    if !is_name(name) {
        errors.push(format!("name part {NAME_SHAPE}"));
    }
    errors
}

/// What is wrong with `value` as a label value; empty when nothing is.
pub fn value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > NAME_BYTES_MAX {
        errors.push(format!("must be no more than {NAME_BYTES_MAX} bytes"));
    }
    if !value.is_empty() && !is_name(value) {
        errors.push(VALUE_SHAPE.to_owned());
    }
    errors
}

/// What is wrong with `text` as a DNS-1123 subdomain; empty when nothing is.
pub fn subdomain_errors(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > PREFIX_BYTES_MAX {
        errors.push(format!("must be no more than {PREFIX_BYTES_MAX} bytes"));
    }
    if !text.split('.').all(is_dns_label) {
        errors.push(SUBDOMAIN_SHAPE.to_owned());
    }
    errors
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let edge = |b: Option<&u8>| b.is_some_and(plain);
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| plain(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for good in ["a", "a.b-c_d", "example.com/a", "1", "A1", "k8s.io/x"] {
            assert!(key_errors(good).is_empty(), "{good}");
        }
        for (bad, errors) in [("", 2), ("/a", 1), ("a/", 2), ("a/b/c", 1), ("Bad_/a", 1), ("-a", 1)]
        {
            assert_eq!(key_errors(bad).len(), errors, "{bad}");
        }
        assert!(key_errors(&"k".repeat(63)).is_empty());
        assert_eq!(key_errors(&"k".repeat(64)), ["name part must be no more than 63 bytes"]);
    }

    #[test]
    fn values() {
        assert!(value_errors("").is_empty() && value_errors("a_B.9").is_empty());
        assert_eq!(value_errors("-b"), [VALUE_SHAPE]);
        assert_eq!(value_errors(&"v".repeat(64)), ["must be no more than 63 bytes"]);
    }
}
