//! The addresses that a service has in the cluster, and the families that they are of.

use super::read::{items, text};
use super::{ErrorList, FieldError, FieldPath, address, check};
use serde_json::Value;

const FAMILIES: [&str; 2] = ["IPv4", "IPv6"];
const FAMILY_POLICIES: [&str; 3] = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const KEPT: &str = "may not change once set";

fn is_headless(spec: &Value) -> bool {
    matches!(items(spec, "clusterIPs"), [only] if only == "None")
}

fn is_external_name(spec: &Value) -> bool {
    text(spec, "type") == "ExternalName"
}

fn is_v6(ip: &Value) -> bool {
    ip.as_str().is_some_and(|ip| ip.contains(':'))
}

/// Checks that addresses and families are well-formed and fit each other.
pub fn related(spec: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    if is_external_name(spec) {
        return ErrorList::new();
    }
    let at = path.child("clusterIPs");
    let ips = items(spec, "clusterIPs");
    let odd = |detail: &str| FieldError::invalid(at.clone(), ips.to_vec(), detail);
    let mut errors = linked(spec, path);
    errors.extend(families(spec, path));
    let is_misplaced = ips.len() > 1 && ips.first().is_some_and(|ip| ip == "None");
    let mut is_bad = is_misplaced;
    if is_misplaced {
        errors.push(odd("'None' must be the first and only value"));
    }
    for (i, ip) in ips.iter().enumerate().filter(|(i, ip)| *i > 0 || *ip != "None") {
        let error = address::ip(ip.as_str().unwrap_or_default(), &at.index(i));
        if let Some(error) = error.filter(|_| !items(old, "clusterIPs").contains(ip)) {
            is_bad = true;
            errors.push(error);
        }
    }
    if ips.len() > 2 {
        errors.push(odd("may only hold up to 2 values"));
    }
    // What follows would only repeat that an address is none.
    if is_bad {
        return errors;
    }
    let v6 = ips.iter().filter(|ip| is_v6(ip)).count();
    if ips.len() > 1 && (v6 == 0 || v6 == ips.len()) {
        errors.push(odd("may specify no more than one IP for each IP family"));
    }
    if !is_headless(spec) {
        for (i, (ip, family)) in ips.iter().zip(items(spec, "ipFamilies")).enumerate() {
            let family = family.as_str().unwrap_or_default();
            if FAMILIES.contains(&family) && (family == "IPv6") != is_v6(ip) {
                let detail =
                    format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
                errors.push(FieldError::invalid(at.index(i), ip.clone(), detail));
            }
        }
    }
    errors
}

fn linked(spec: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("clusterIPs");
    let ips = items(spec, "clusterIPs");
    let error = match (text(spec, "clusterIP"), ips.first()) {
        ("", None) => return ErrorList::new(),
        ("", Some(_)) => {
            let detail = "must be empty when `clusterIP` is not specified";
            FieldError::invalid(at, ips.to_vec(), detail)
        }
        (_, None) => FieldError::required(at, ""),
        (ip, Some(first)) if first == ip => return ErrorList::new(),
        _ => FieldError::invalid(at, ips.to_vec(), "first value must match `clusterIP`"),
    };
    vec![error]
}

fn families(spec: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("ipFamilies");
    let families = items(spec, "ipFamilies");
    let mut errors = ErrorList::new();
    for (i, family) in families.iter().enumerate() {
        let name = family.as_str().unwrap_or_default();
        if !FAMILIES.contains(&name) {
            errors.push(FieldError::not_supported(at.index(i), name, &FAMILIES));
        }
        if families.iter().take(i).any(|other| other == family) {
            errors.push(FieldError::duplicate(at.index(i), name));
        }
    }
    errors.extend(check::one_of(spec, "ipFamilyPolicy", &FAMILY_POLICIES, path));
    errors
}

/// Checks what an update does to addresses and families.
pub fn changes(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    if is_external_name(new) || is_external_name(old) {
        return ErrorList::new();
    }
    let (headless, was_headless) = (is_headless(new), is_headless(old));
    let mut errors = ErrorList::new();
    if !(headless && was_headless) {
        errors.extend(address_changes(new, old, path));
    }
    if !headless && !was_headless {
        errors.extend(family_changes(new, old, path));
    }
    errors
}

fn address_changes(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("clusterIPs");
    let (ips, before) = (items(new, "clusterIPs"), items(old, "clusterIPs"));
    let odd = |i: usize, detail: &str| FieldError::invalid(at.index(i), ips.to_vec(), detail);
    if ips.len() == before.len() {
        let pairs = ips.iter().zip(before).enumerate();
        return pairs.filter(|(_, (ip, old))| ip != old).map(|(i, _)| odd(i, KEPT)).collect();
    }
    let mut errors = ErrorList::new();
    if ips.is_empty() {
        errors.push(odd(0, "primary clusterIP can not be unset"));
    } else if before.first().is_some_and(|old| ips.first() != Some(old)) {
        errors.push(odd(0, KEPT));
    }
    if ips.len() < before.len() && ips.len() == 1 {
        errors.extend(single(new, path, "clusterIP"));
    }
    errors
}

fn family_changes(new: &Value, old: &Value, path: &FieldPath) -> ErrorList {
    let at = path.child("ipFamilies").index(0);
    let (families, before) = (items(new, "ipFamilies"), items(old, "ipFamilies"));
    let odd = |list: &str, detail: &str| {
        FieldError::invalid(at.clone(), items(new, list).to_vec(), detail)
    };
    if families.len() == before.len() {
        let changed = families.iter().zip(before).filter(|(family, old)| family != old);
        return changed.map(|_| odd("ipFamilies", KEPT)).collect();
    }
    let is_less = families.len() < before.len();
    let mut errors = ErrorList::new();
    if is_less && items(new, "clusterIPs").is_empty() {
        errors.push(odd("ipFamilies", "primary ipFamily can not be unset"));
    }
    let firsts = families.first().zip(before.first());
    if firsts.is_some_and(|(family, old)| family != old) {
        errors.push(odd("clusterIPs", KEPT));
    }
    if is_less && families.len() == 1 {
        errors.extend(single(new, path, "ipFamily"));
    }
    errors
}

/// Who gives up the second address, or family, says so.
fn single(spec: &Value, path: &FieldPath, what: &str) -> Option<FieldError> {
    (text(spec, "ipFamilyPolicy") != "SingleStack").then(|| {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        let given = spec["ipFamilyPolicy"].clone();
        FieldError::invalid(path.child("ipFamilyPolicy"), given, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(errors: &[FieldError]) -> Vec<&str> {
        errors.iter().map(|e| e.detail.as_str()).collect()
    }

    #[test]
    fn addresses_that_do_not_fit() {
        let path = FieldPath::new("spec");
        for (spec, count) in [
            (json!({"clusterIP": "192.0.2.1", "clusterIPs": ["192.0.2.1"]}), 0),
            (json!({"clusterIP": "192.0.2.1", "clusterIPs": ["192.0.2.2"]}), 1),
            (json!({"clusterIPs": ["192.0.2.2"]}), 1),
            (json!({"clusterIP": "None", "clusterIPs": ["None", "x"]}), 2),
            (
                json!({"clusterIP": "x", "clusterIPs": ["x"], "ipFamilies": ["IPv4", "IPv4", "IPv9"]}),
                3,
            ),
            (
                json!({"clusterIP": "192.0.2.1", "clusterIPs": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]}),
                2,
            ),
            (json!({"clusterIP": "::1", "clusterIPs": ["::1"], "ipFamilies": ["IPv4"]}), 1),
            (json!({"ipFamilyPolicy": "Odd"}), 1),
            (json!({"type": "ExternalName", "clusterIP": "x"}), 0),
        ] {
            let errors = related(&spec, &Value::Null, &path);
            assert_eq!(errors.len(), count, "{spec}: {:?}", details(&errors));
        }
    }

    #[test]
    fn addresses_that_change() {
        let path = FieldPath::new("spec");
        let both = json!({"clusterIPs": ["192.0.2.1", "::1"], "ipFamilies": ["IPv4", "IPv6"]});
        let one = json!({"clusterIPs": ["192.0.2.1"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "PreferDualStack"});
        assert_eq!(
            details(&changes(&one, &both, &path)),
            [
                "must be set to 'SingleStack' when releasing the secondary clusterIP",
                "must be set to 'SingleStack' when releasing the secondary ipFamily",
            ]
        );
        assert!(changes(&both, &one, &path).is_empty());
        let other = json!({"clusterIPs": ["192.0.2.2"], "ipFamilies": ["IPv4"]});
        assert_eq!(details(&changes(&other, &one, &path)), [KEPT]);
        let none = json!({"clusterIPs": ["None"], "ipFamilies": ["IPv4"]});
        assert_eq!(details(&changes(&none, &one, &path)), [KEPT]);
        assert!(changes(&none, &none, &path).is_empty());
    }
}
