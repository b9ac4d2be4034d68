//! Functions on versions.

use super::{Call, Function};
use crate::value::{Fault, Opaque, Outcome, SemanticVersion, Value};

pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "semver" => semver,
        "isSemver" => |call| Ok(Value::Bool(read(&call)?.is_ok())),
        "major" => |call| number(&call, 0),
        "minor" => |call| number(&call, 1),
        "patch" => |call| number(&call, 2),
        _ => return None,
    })
}

fn read(call: &Call<'_, '_>) -> Result<Result<SemanticVersion, String>, Fault> {
    let text = call.text(0)?;
    match call.args.get(1) {
        None => Ok(parse(text)),
        Some(Value::Bool(false)) => Ok(parse(text)),
        Some(Value::Bool(true)) => Ok(normalized(text).and_then(|text| parse(&text))),
        Some(_) => Err(call.no_such_overload()),
    }
}

fn semver<'a>(call: Call<'_, 'a>) -> Outcome<'a> {
    match read(&call)? {
        Ok(version) => Ok(Value::opaque(Opaque::Version(version))),
        Err(error) => Fault::failed(error),
    }
}

fn number<'a>(call: &Call<'_, 'a>, at: usize) -> Outcome<'a> {
    match call.args.first() {
        Some(Value::Opaque(of)) => match &**of {
            Opaque::Version(version) => Ok(Value::Int(version.numbers[at] as i64)),
            _ => Err(call.no_such_overload()),
        },
        _ => Err(call.no_such_overload()),
    }
}

/// Reads a version in three numbers.
fn parse(text: &str) -> Result<SemanticVersion, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (rest, build) = match rest.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (*rest, None),
    };
    let (patch, pre) = match rest.split_once('-') {
        Some((patch, pre)) => (patch, Some(pre)),
        None => (rest, None),
    };
    let numbers = [part("Major", major)?, part("Minor", minor)?, part("Patch", patch)?];
    let pre = match pre {
        Some(pre) => pre.split('.').map(prerelease).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    for part in build.into_iter().flat_map(|build| build.split('.')) {
        if part.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !part.bytes().all(is_allowed) {
            return Err(format!("Invalid character(s) found in build meta data {part:?}"));
        }
    }
    Ok(SemanticVersion { numbers, pre, build: build.unwrap_or_default().to_owned() })
}

fn is_allowed(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'-'
}

fn part(name: &str, text: &str) -> Result<u64, String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        let what = name.to_ascii_lowercase();
        return Err(format!("Invalid character(s) found in {what} number {text:?}"));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{name} number must not contain leading zeroes {text:?}"));
    }
    text.parse().map_err(|_| {
        let why = if text.is_empty() { "invalid syntax" } else { "value out of range" };
        format!("strconv.ParseUint: parsing {text:?}: {why}")
    })
}

fn prerelease(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit());
    if numeric && text.len() > 1 && text.starts_with('0') {
        return Err(format!("Numeric PreRelease version must not contain leading zeroes {text:?}"));
    }
    if !text.bytes().all(is_allowed) {
        return Err(format!("Invalid character(s) found in prerelease {text:?}"));
    }
    Ok(text.to_owned())
}

/// A version as people write them: with `v`, with fewer numbers, with zeros before them.
fn normalized(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    Ok(parts.join("."))
}

fn without_zeros(part: &str) -> String {
    if part.len() <= 1 {
        return part.to_owned();
    }
    let stripped = part.trim_start_matches('0');
    if stripped.starts_with(|c: char| c.is_ascii_digit()) {
        stripped.to_owned()
    } else {
        format!("0{stripped}")
    }
}
