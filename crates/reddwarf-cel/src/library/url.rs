//! Functions on URLs.

use super::{Call, Function};
use crate::value::{Fault, Map, Opaque, Outcome, Url, Value};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "url" => url,
        "isURL" => |call| Ok(Value::Bool(parse(call.text(0)?).is_ok())),
        "getScheme" => |call| Ok(Value::text(of(&call)?.scheme.as_str())),
        "getHost" => |call| Ok(Value::text(of(&call)?.host.as_str())),
        "getHostname" => |call| Ok(Value::text(host_and_port(&of(&call)?.host).0)),
        "getPort" => |call| Ok(Value::text(host_and_port(&of(&call)?.host).1)),
        "getEscapedPath" => |call| Ok(Value::text(of(&call)?.path.as_str())),
        "getQuery" => query,
        _ => return None,
    })
}

fn of<'c>(call: &'c Call<'_, '_>) -> Result<&'c Url, Fault> {
    match call.args.first() {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Url(url) => Ok(url),
            _ => Err(call.no_such_overload()),
        },
        _ => Err(call.no_such_overload()),
    }
}

fn url<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match parse(call.text(0)?) {
        Ok(url) => Ok(Value::opaque(Opaque::Url(url))),
        Err(error) => {
            Fault::failed(format!("URL parse error during conversion from string: {error}"))
        }
    }
}

/// Reads an absolute URL or an absolute path, as a request line may have it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let refused = |why: &str| Err(format!("parse {text:?}: {why}"));
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return refused("net/url: invalid control character in URL");
    }
    if text.is_empty() {
        return refused("empty url");
    }
    let (bare, _) = text.split_once('#').unwrap_or((text, ""));
    let (bare, query) = bare.split_once('?').unwrap_or((bare, ""));
    let (scheme, rest) = match scheme(bare) {
        Ok(split) => split,
        Err(why) => return refused(why),
    };
    if !rest.starts_with('/') && scheme.is_empty() {
        return refused("invalid URI for request");
    }
    if !rest.starts_with('/') {
        // An address such as `mailto:a`, which has neither host nor path.
        let scheme = scheme.to_ascii_lowercase();
        return Ok(Url { text: text.to_owned(), scheme, ..Url::default() });
    }
    let (host, path) = match rest.strip_prefix("//") {
        Some(after) if !scheme.is_empty() || !rest.starts_with("///") => {
            let end = after.find('/').unwrap_or(after.len());
            (&after[..end], &after[end..])
        }
        _ => ("", rest),
    };
    let host = match host.rsplit_once('@') {
        Some((_, host)) => host,
        None => host,
    };
    if let Some(why) = host_problem(host) {
        return refused(&why);
    }
    if let Some(escape) = bad_escape(path).or_else(|| bad_escape(host)) {
        return refused(&format!("invalid URL escape {escape:?}"));
    }
    Ok(Url {
        text: text.to_owned(),
        scheme: scheme.to_ascii_lowercase(),
        host: host.to_owned(),
        path: escaped_path(path),
        query: query.to_owned(),
    })
}

/// A path as it stands, or, if it has characters that cannot stand there, escaped anew.
fn escaped_path(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@".contains(&b);
    if path.bytes().all(|b| plain(b) || b"!'()*[]%".contains(&b)) {
        return path.to_owned();
    }
    percent_decode_str(path)
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// The scheme, and what follows its colon.
fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            '0'..='9' | '+' | '-' | '.' => return Ok(("", text)),
            ':' if at == 0 => return Err("missing protocol scheme"),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn host_problem(host: &str) -> Option<String> {
    if host.starts_with('[') {
        let Some(end) = host.rfind(']') else {
            return Some("missing ']' in host".to_owned());
        };
        return port_problem(&host[end + 1..]);
    }
    if let Some(c) = host.chars().find(|c| " \"<>\\^`{|}".contains(*c)) {
        return Some(format!("invalid character {:?} in host name", c.to_string()));
    }
    host.rfind(':').and_then(|at| port_problem(&host[at..]))
}

fn port_problem(port: &str) -> Option<String> {
    let digits = port.strip_prefix(':').unwrap_or("x");
    let good = port.is_empty() || digits.bytes().all(|b| b.is_ascii_digit());
    (!good).then(|| format!("invalid port {port:?} after host"))
}

/// An escape that is none.
fn bad_escape(text: &str) -> Option<&str> {
    text.match_indices('%').map(|(at, _)| &text[at..]).find_map(|escape| {
        let good =
            escape.len() >= 3 && escape.bytes().skip(1).take(2).all(|b| b.is_ascii_hexdigit());
        let end = (1..=3).rev().find(|end| escape.is_char_boundary(*end) && *end <= escape.len());
        (!good).then(|| &escape[..end.unwrap_or(1)])
    })
}

fn host_and_port(host: &str) -> (&str, &str) {
    let (name, port) = match host.rfind(':') {
        Some(at) if !host[at..].contains(']') => (&host[..at], &host[at + 1..]),
        _ => (host, ""),
    };
    (name.trim_start_matches('[').trim_end_matches(']'), port)
}

fn query<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in of(&call)?.query.split('&').filter(|pair| !pair.is_empty()) {
        if pair.contains(';') || bad_escape(pair).is_some() {
            continue;
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.entry(decoded(key)).or_default().push(decoded(value));
    }
    let mut map = Map::new();
    for (key, values) in values {
        map.insert(Value::text(key), Value::texts(values))?;
    }
    Ok(Value::Map(map))
}
