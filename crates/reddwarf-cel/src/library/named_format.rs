//! Formats of texts, by name.

use super::declare::FORMATS;
use super::{Call, Function};
use crate::value::time::{Time, parse_date};
use crate::value::{Opaque, Outcome, Value};
use base64::Engine;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "validate" => validate,
        "format.named" => named,
        "format.dns1123Label" => |_| Ok(made(FORMATS[0])),
        "format.dns1123Subdomain" => |_| Ok(made(FORMATS[1])),
        "format.dns1035Label" => |_| Ok(made(FORMATS[2])),
        "format.qualifiedName" => |_| Ok(made(FORMATS[3])),
        "format.dns1123LabelPrefix" => |_| Ok(made(FORMATS[4])),
        "format.dns1123SubdomainPrefix" => |_| Ok(made(FORMATS[5])),
        "format.dns1035LabelPrefix" => |_| Ok(made(FORMATS[6])),
        "format.labelValue" => |_| Ok(made(FORMATS[7])),
        "format.uri" => |_| Ok(made(FORMATS[8])),
        "format.uuid" => |_| Ok(made(FORMATS[9])),
        "format.byte" => |_| Ok(made(FORMATS[10])),
        "format.date" => |_| Ok(made(FORMATS[11])),
        "format.datetime" => |_| Ok(made(FORMATS[12])),
        _ => return None,
    })
}

fn made<'a>(name: &'static str) -> Value<'a> {
    Value::opaque(Opaque::Format(name))
}

fn named<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let name = call.text(0)?;
    Ok(match FORMATS.iter().find(|known| **known == name) {
        Some(known) => Value::some(made(known)),
        None => Value::Optional(None),
    })
}

fn validate<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(Value::Opaque(of)) = call.args.first() else { return Err(call.no_such_overload()) };
    let Opaque::Format(name) = &**of else { return Err(call.no_such_overload()) };
    let text = call.text(1)?;
    let problems = match name.strip_suffix("Prefix") {
        Some(name) => {
            problems(name, &text.strip_suffix('-').map_or(text.to_owned(), |t| format!("{t}a")))
        }
        None => problems(name, text),
    };
    Ok(match problems.is_empty() {
        true => Value::Optional(None),
        false => Value::some(Value::texts(problems)),
    })
}

fn problems(name: &str, text: &str) -> Vec<String> {
    let one = |bad: bool, what: &str| if bad { vec![what.to_owned()] } else { Vec::new() };
    match name {
        "dns1123Label" => limited(text, 63, is_label(text), LABEL),
        "dns1123Subdomain" => limited(text, 253, text.split('.').all(is_label), SUBDOMAIN),
        "dns1035Label" => {
            let good = is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase());
            limited(text, 63, good, LABEL_1035)
        }
        "qualifiedName" => qualified(text),
        "labelValue" => limited(text, 63, text.is_empty() || is_name(text), LABEL_VALUE),
        "uri" => super::url::parse(text).err().into_iter().collect(),
        "uuid" => one(!is_uuid(text), "does not match the UUID format"),
        "byte" => {
            let good = base64::engine::general_purpose::STANDARD.decode(text).is_ok();
            one(!good || text.is_empty(), "invalid base64")
        }
        "date" => one(parse_date(text).is_none(), "invalid date"),
        _ => one(
            Time::parse(&text.replacen('t', "T", 1).replace('z', "Z")).is_none(),
            "invalid datetime",
        ),
    }
}

fn limited(text: &str, most: usize, good: bool, what: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > most {
        problems.push(format!("must be no more than {most} bytes"));
    }
    if !good {
        problems.push(what.to_owned());
    }
    problems
}

fn is_label(text: &str) -> bool {
    let alphanumeric =
        |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    alphanumeric(text.bytes().next())
        && alphanumeric(text.bytes().last())
        && text.bytes().all(|b| b == b'-' || alphanumeric(Some(b)))
}

fn is_name(text: &str) -> bool {
    let alphanumeric = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    alphanumeric(text.bytes().next())
        && alphanumeric(text.bytes().last())
        && text.bytes().all(|b| b"-_.".contains(&b) || b.is_ascii_alphanumeric())
}

fn qualified(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>().as_slice() {
        [name] => *name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                let of_prefix = limited(prefix, 253, prefix.split('.').all(is_label), SUBDOMAIN);
                problems
                    .extend(of_prefix.into_iter().map(|problem| format!("prefix part {problem}")));
            }
            name
        }
        _ => {
            return vec![format!(
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        problems.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name(name) {
        problems.push(QUALIFIED.to_owned());
    }
    problems
}

fn is_uuid(text: &str) -> bool {
    let hex = text.replace('-', "");
    hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_a_function() {
        for name in FORMATS {
            assert!(function(&format!("format.{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn texts_and_formats() {
        for (name, good, bad) in [
            ("dns1123Label", "a-1", "A"),
            ("dns1123Subdomain", "a.b", "a..b"),
            ("dns1035Label", "a1", "1a"),
            ("qualifiedName", "example.com/Name", "a/b/c"),
            ("labelValue", "", "-"),
            ("uri", "https://example.com", "a b"),
            ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
            ("byte", "aGVsbG8=", "?"),
            ("date", "2021-01-01", "2021"),
            ("datetime", "2021-01-01T00:00:00Z", "2021-01-01"),
        ] {
            assert!(problems(name, good).is_empty(), "{name}");
            assert!(!problems(name, bad).is_empty(), "{name}");
        }
    }
}
