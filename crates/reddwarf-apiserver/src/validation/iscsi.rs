//! Targets of iSCSI.

use super::read::{flag, has, int, text};
use super::volume_source::{needed, secret};
use super::{ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

const PORTAL_CHARS_MAX: usize = 64;
const LUN_MAX: i64 = 255;

/// Checks a target; `name` is the volume's. Of persistent volumes other places and words
/// are shown.
pub fn target(source: &Value, name: &str, path: &FieldPath, persistent: bool) -> ErrorList {
    let portal = text(source, "targetPortal");
    let mut errors = needed(source, &["targetPortal"], path);
    let too_long = has(source, "initiatorName") && name.len() + 1 + portal.len() > PORTAL_CHARS_MAX;
    let too_long = too_long.then(|| {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        match persistent {
            true => FieldError::invalid(path.child("targetportal"), portal, detail),
            false => FieldError::invalid(path.sibling("name"), name, detail),
        }
    });
    if persistent {
        errors.extend(too_long.clone());
    }
    let words = if persistent {
        "must be valid format"
    } else {
        "must be valid format starting with iqn, eui, or naa"
    };
    let iqn = text(source, "iqn");
    match iqn {
        "" => errors.push(FieldError::required(path.child("iqn"), "")),
        _ => errors.extend(initiator(iqn, words, &path.child("iqn"))),
    }
    let lun = int(source, "lun").unwrap_or_default();
    errors.extend(check::within(lun, 0, LUN_MAX, &path.child("lun")));
    let authenticated = flag(source, "chapAuthDiscovery") || flag(source, "chapAuthSession");
    if authenticated && !has(source, "secretRef") {
        errors.push(FieldError::required(path.child("secretRef"), ""));
    }
    if persistent {
        errors.extend(secret(source, &["name"], path));
    }
    if let Some(name) = source.get("initiatorName").and_then(Value::as_str) {
        errors.extend(initiator(name, words, &path.child("initiatorname")));
    }
    if !persistent {
        errors.extend(too_long);
    }
    errors
}

/// What is wrong with an iSCSI name: it is a qualified name, an EUI or an NAA.
fn initiator(name: &str, unknown: &str, path: &FieldPath) -> Option<FieldError> {
    let detail = if name.starts_with("iqn") {
        (!has_qualified_name(name)).then_some("must be valid format")
    } else if let Some(rest) = name.strip_prefix("eui") {
        (!is_number(rest, 16)).then_some("must be valid format")
    } else if let Some(rest) = name.strip_prefix("naa") {
        (!is_number(rest, 32)).then_some("must be valid format")
    } else {
        Some(unknown)
    };
    detail.map(|detail| FieldError::invalid(path.clone(), name, detail))
}

/// One character and `digits` letters or digits.
fn is_number(rest: &str, digits: usize) -> bool {
    let mut letters = rest.chars();
    letters.next().is_some()
        && letters.as_str().len() == digits
        && letters.all(|c| c.is_ascii_alphanumeric())
}

/// `iqn.<year>-<month>.<domain>:<name>` at the end of a text.
fn has_qualified_name(text: &str) -> bool {
    text.match_indices("iqn.").any(|(at, _)| {
        let rest = &text[at + 4..];
        let dated = rest.len() > 8 && rest.is_char_boundary(8) && {
            let date = rest.as_bytes();
            let digits = |range: std::ops::Range<usize>| date[range].iter().all(u8::is_ascii_digit);
            digits(0..4) && date[4] == b'-' && digits(5..7) && date[7] == b'.'
        };
        let Some((domain, name)) = dated.then(|| rest[8..].split_once(':')).flatten() else {
            return false;
        };
        let domain_ok = !domain.is_empty()
            && domain.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        let odd = |c: char| ",;*&$|".contains(c) || c.is_ascii_whitespace();
        domain_ok && !name.is_empty() && !name.contains(odd)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn targets() {
        let at = FieldPath::new("v").child("iscsi");
        let of = |name: &str| json!({"targetPortal": "1.2.3.4", "iqn": name});
        assert!(target(&of("iqn.2001-04.com.example:storage"), "v", &at, false).is_empty());
        assert!(target(&of("eui.0123456789abcdef"), "v", &at, false).is_empty());
        for bad in ["iqn.2001-4.com:x", "iqn.2001-04.com.example", "eui.1", "naa.2", "x"] {
            assert_eq!(target(&of(bad), "v", &at, false).len(), 1, "{bad}");
        }
        let long = json!({"targetPortal": "p".repeat(70), "iqn": "iqn.2001-04.com.example:s",
            "initiatorName": "iqn.2001-04.com.example:s"});
        assert_eq!(target(&long, "v", &at, false)[0].field.to_string(), "v.name");
        assert_eq!(target(&long, "v", &at, true)[0].field.to_string(), "v.iscsi.targetportal");
    }
}
