//! Certificate signing requests.

mod pem;
mod signer;

use super::read::{has, int, items, text};
use super::{ErrorList, FieldError, FieldPath};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const SECONDS_MIN: i64 = 600;
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
/// Conditions that can only be true, and never go away.
const FINAL: [&str; 3] = ["Approved", "Denied", "Failed"];

/// What a path may write of a request's status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    Certificate,
    Decision,
}

/// Any text names a request.
pub fn name(_: &str) -> Vec<String> {
    Vec::new()
}

/// The groups of the subject that a request is about; empty when it cannot be read.
pub fn requested_groups(object: &Value) -> Vec<String> {
    pem::organizations(&bytes(&object["spec"], "request"))
}

/// Checks a new request.
pub fn create(object: &Value) -> ErrorList {
    request(object, None)
}

/// Checks an update of the main resource, which writes nothing but metadata.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    changed(new, old, Part::Nothing)
}

/// Checks an update of `/status`.
pub fn status(new: &Value, old: &Value) -> ErrorList {
    changed(new, old, Part::Certificate)
}

/// Checks an update of `/approval`.
pub fn approval(new: &Value, old: &Value) -> ErrorList {
    changed(new, old, Part::Decision)
}

/// The request as such. What an older server let in is tolerated in an update.
fn request(object: &Value, old: Option<&Value>) -> ErrorList {
    let (spec, at) = (&object["spec"], FieldPath::new("spec"));
    let mut errors = ErrorList::new();
    if let Err(why) = pem::signed_request(&bytes(spec, "request")) {
        errors.push(FieldError::invalid(at.child("request"), text(spec, "request"), why));
    }
    errors.extend(usages(spec, old.map(|old| &old["spec"]), &at.child("usages")));
    let name = text(spec, "signerName");
    let had_legacy = old.is_some_and(|old| text(&old["spec"], "signerName") == LEGACY_SIGNER);
    if name == LEGACY_SIGNER && !had_legacy {
        let detail = "the legacy signerName is not allowed via this API version";
        errors.push(FieldError::invalid(at.child("signerName"), name, detail));
    } else {
        errors.extend(signer::name(name, &at.child("signerName")));
    }
    if let Some(seconds) = int(spec, "expirationSeconds").filter(|n| *n < SECONDS_MIN) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(FieldError::invalid(at.child("expirationSeconds"), seconds, detail));
    }
    errors.extend(conditions(object, old));
    errors.extend(certificate(object, old));
    errors
}

fn bytes(object: &Value, field: &str) -> Vec<u8> {
    STANDARD.decode(text(object, field)).unwrap_or_default()
}

fn usages(spec: &Value, old: Option<&Value>, at: &FieldPath) -> ErrorList {
    let usages = items(spec, "usages");
    let is_unknown = |usage: &Value| !USAGES.contains(&usage.as_str().unwrap_or_default());
    let had_unknown = old.is_some_and(|old| items(old, "usages").iter().any(is_unknown));
    let had_twice = old.is_some_and(|old| repeated(items(old, "usages")).next().is_some());
    let mut errors = ErrorList::new();
    if usages.is_empty() {
        errors.push(FieldError::required(at.clone(), ""));
    }
    if !had_unknown {
        let unknown = usages.iter().enumerate().filter(|(_, usage)| is_unknown(usage));
        errors.extend(
            unknown
                .map(|(i, usage)| FieldError::not_supported(at.index(i), usage.clone(), &USAGES)),
        );
    }
    if !had_twice {
        errors.extend(
            repeated(usages).map(|i| FieldError::duplicate(at.index(i), usages[i].clone())),
        );
    }
    errors
}

/// Positions of items that stand earlier in the list already.
fn repeated(list: &[Value]) -> impl Iterator<Item = usize> + '_ {
    (0..list.len()).filter(|&i| list[..i].contains(&list[i]))
}

fn listed(object: &Value) -> &[Value] {
    items(&object["status"], "conditions")
}

fn of_type<'a>(object: &'a Value, kind: &str) -> Vec<&'a Value> {
    listed(object).iter().filter(|condition| text(condition, "type") == kind).collect()
}

fn conditions(object: &Value, old: Option<&Value>) -> ErrorList {
    let at = FieldPath::new("status").child("conditions");
    let had = |kind: &str| old.is_some_and(|old| !of_type(old, kind).is_empty());
    let had_both = had("Approved") && had("Denied");
    let types: Vec<&str> = listed(object).iter().map(|c| text(c, "type")).collect();
    let old_types: Vec<&str> =
        old.map_or_else(Vec::new, |old| listed(old).iter().map(|c| text(c, "type")).collect());
    let had_twice = (0..old_types.len()).any(|i| old_types[..i].contains(&old_types[i]));
    let mut errors = ErrorList::new();
    for (i, condition) in listed(object).iter().enumerate() {
        let kind = types[i];
        if kind.is_empty() && !old_types.contains(&"") {
            errors.push(FieldError::required(at.index(i).child("type"), ""));
        }
        let allowed: &[&str] =
            if FINAL.contains(&kind) { &["True"] } else { &["False", "True", "Unknown"] };
        match text(condition, "status") {
            "" => errors.push(FieldError::required(at.index(i).child("status"), "")),
            status if !allowed.contains(&status) => {
                let at = at.index(i).child("status");
                errors.push(FieldError::not_supported(at, status, allowed));
            }
            _ => {}
        }
        let contradicts = match kind {
            "Approved" => types[..i].contains(&"Denied"),
            "Denied" => types[..i].contains(&"Approved"),
            _ => false,
        };
        if contradicts && !had_both {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.push(FieldError::invalid(at.clone(), kind, detail));
        }
        if types[..i].contains(&kind) && !had_twice {
            errors.push(FieldError::duplicate(at.index(i).child("type"), kind));
        }
    }
    errors
}

/// The issued certificate, unless it stays or was none before.
fn certificate(object: &Value, old: Option<&Value>) -> Option<FieldError> {
    let issued = bytes(&object["status"], "certificate");
    if let Some(old) = old {
        let before = bytes(&old["status"], "certificate");
        if before == issued || pem::certificates(&before).is_err() {
            return None;
        }
    }
    let why = pem::certificates(&issued).err()?;
    let at = FieldPath::new("status").child("certificate");
    Some(FieldError::invalid(at, "<certificate data>", why))
}

fn changed(new: &Value, old: &Value, part: Part) -> ErrorList {
    let status = FieldPath::new("status");
    let at = status.child("conditions");
    let mut errors = request(new, Some(old));
    for kind in FINAL {
        if of_type(new, kind).len() < of_type(old, kind).len() {
            let detail = format!("updates may not remove a condition of type {kind:?}");
            errors.push(FieldError::forbidden(at.clone(), detail));
        }
    }
    if part != Part::Decision {
        for kind in ["Approved", "Denied"] {
            let (before, after) = (of_type(old, kind), of_type(new, kind));
            let done = match after.len().cmp(&before.len()) {
                std::cmp::Ordering::Greater => "add",
                std::cmp::Ordering::Equal if before != after => "modify",
                _ => continue,
            };
            let detail = format!("updates may not {done} a condition of type {kind:?}");
            errors.push(FieldError::forbidden(at.clone(), detail));
        }
    }
    let (before, after) =
        (text(&old["status"], "certificate"), text(&new["status"], "certificate"));
    if before != after {
        let detail = match part {
            Part::Certificate if has(&old["status"], "certificate") && !before.is_empty() => {
                Some("updates may not modify existing certificate content")
            }
            Part::Certificate => None,
            _ => Some("updates may not set certificate content"),
        };
        errors.extend(detail.map(|d| FieldError::forbidden(status.child("certificate"), d)));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A request for `CN=compat-user` with a P-256 key.
    const REQUEST: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIcE1JR1BBZ0VBTUMweEZEQVNCZ05WQkFNTUMyTnZiWEJoZEMxMWMyVnlNUlV3RXdZRFZRUUtEQXhqYjIxdwpZWFF0WjNKdmRYQXdXVEFUQmdjcWhrak9QUUlCQmdncWhrak9QUU1CQndOQ0FBVEdzeGluUVIzVEdhZG9nOVJFCmJ3cWc2VHEzbkd5S1NtajVaSSs5RU9PVkd4bFdPQ0FqVFhTQWVYSHpPV3BjS0pRM1haUmx3bmUyV283TXdpQWIKblR0eW9BQXdDZ1lJS29aSXpqMEVBd0lEU1FBd1JnSWhBTkpGQ29TMzRpb2k4UEFRbXdySVNrYUZKMEFib2o5MApkcktSSFM0Mzl3K1RBaUVBbUh4WHhpbUlQc2lGdzBMdnhJNmNjcnJDSGNxZG04YTk2VjIycTlmSy9OOD0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==";

    fn good() -> Value {
        json!({"spec": {"request": REQUEST, "signerName": "example.com/custom",
            "usages": ["digital signature", "client auth"]}, "status": {}})
    }

    fn with(mut object: Value, conditions: Value) -> Value {
        object["status"]["conditions"] = conditions;
        object
    }

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests() {
        assert!(create(&good()).is_empty(), "{:?}", create(&good()));
        assert_eq!(requested_groups(&good()), ["compat-group"]);
        let empty = json!({"spec": {"request": "", "signerName": "", "usages": []}});
        assert_eq!(
            shown(&create(&empty)),
            [
                "spec.request: Invalid value: \"\": PEM block type must be CERTIFICATE REQUEST",
                "spec.usages: Required value",
                "spec.signerName: Required value",
            ]
        );
        let mut bad = good();
        bad["spec"]["usages"] = json!(["odd", "any", "any"]);
        bad["spec"]["expirationSeconds"] = json!(599);
        bad["spec"]["signerName"] = json!(LEGACY_SIGNER);
        let fields: Vec<String> = create(&bad).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            ["spec.usages[0]", "spec.usages[2]", "spec.signerName", "spec.expirationSeconds"]
        );
        assert_eq!(update(&bad, &bad).len(), 1, "only the duration is not tolerated");
    }

    #[test]
    fn decisions() {
        let approved = json!([{"type": "Approved", "status": "True"}]);
        let both =
            json!([{"type": "Approved", "status": "True"}, {"type": "Denied", "status": "True"}]);
        assert!(approval(&with(good(), approved.clone()), &good()).is_empty());
        assert_eq!(
            shown(&status(&with(good(), approved.clone()), &good())),
            ["status.conditions: Forbidden: updates may not add a condition of type \"Approved\""]
        );
        assert_eq!(
            shown(&approval(&with(good(), both), &with(good(), approved.clone()))),
            [
                "status.conditions: Invalid value: \"Denied\": Approved and Denied conditions are mutually exclusive"
            ]
        );
        assert_eq!(
            shown(&approval(&good(), &with(good(), approved))),
            [
                "status.conditions: Forbidden: updates may not remove a condition of type \"Approved\""
            ]
        );
    }

    #[test]
    fn a_certificate_is_issued_once() {
        let mut issued = good();
        issued["status"]["certificate"] = json!("bm90IHBlbQ==");
        assert_eq!(
            shown(&status(&issued, &good())),
            [
                "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM block"
            ]
        );
        assert!(shown(&approval(&issued, &good())).contains(
            &"status.certificate: Forbidden: updates may not set certificate content".to_owned()
        ));
    }
}
