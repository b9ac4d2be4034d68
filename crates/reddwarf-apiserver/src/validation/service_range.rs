//! The addresses of services: `IPAddress` and `ServiceCIDR`.

use super::address::{self, Cidr};
use super::read::{has, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const IMMUTABLE: &str = "field is immutable";

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks the name of an `IPAddress`: an address as it is usually written.
pub fn address_name(name: &str) -> Vec<String> {
    address::canonical_ip(name)
}

/// Checks an `IPAddress`.
pub fn address(object: &Value) -> ErrorList {
    let at = path().child("parentRef");
    if !has(&object["spec"], "parentRef") {
        return vec![FieldError::required(at, "")];
    }
    let parent = &object["spec"]["parentRef"];
    let mut errors = ErrorList::new();
    let group = text(parent, "group");
    if !group.is_empty() {
        errors.extend(check::named(names::subdomain, group, &at.child("group")));
    }
    for field in ["resource", "name"] {
        let name = text(parent, field);
        errors.extend(check::required_name(names::path_segment, name, &at.child(field)));
    }
    let namespace = text(parent, "namespace");
    errors.extend(check::named(names::path_segment, namespace, &at.child("namespace")));
    errors
}

/// Checks an update of an `IPAddress`.
pub fn address_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = address(new);
    let at = path().child("parentRef");
    errors.extend(check::immutable(&new["spec"], &old["spec"], "parentRef", at));
    errors
}

/// Checks a range of addresses of services.
pub fn cidr(object: &Value) -> ErrorList {
    let list = path().child("cidrs");
    let ranges = items(&object["spec"], "cidrs");
    if ranges.is_empty() {
        return vec![FieldError::required(list, "at least one CIDR required")];
    }
    if ranges.len() > 2 {
        let shown = serde_json::json!({ "CIDRs": ranges });
        return vec![FieldError::invalid(list, shown, "may only hold up to 2 values")];
    }
    let texts: Vec<&str> = ranges.iter().map(|r| r.as_str().unwrap_or_default()).collect();
    let mut errors: ErrorList = texts
        .iter()
        .enumerate()
        .flat_map(|(at, text)| address::canonical_cidr(text, &list.index(at)))
        .collect();
    let families: Vec<Option<bool>> =
        texts.iter().map(|text| Cidr::sloppy(text).map(|c| c.ip.is_ipv4())).collect();
    if let [Some(one), Some(other)] = families[..]
        && one == other
    {
        let detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.push(FieldError::invalid(list, ranges.to_vec(), detail));
    }
    errors
}

/// Checks an update of a range: the other family of addresses may be added, nothing else moves.
pub fn cidr_update(new: &Value, old: &Value) -> ErrorList {
    let list = path().child("cidrs");
    let (now, before) = (items(&new["spec"], "cidrs"), items(&old["spec"], "cidrs"));
    let moved = now.iter().zip(before).enumerate().filter(|(_, (now, before))| now != before);
    let moved =
        moved.map(|(at, (now, _))| FieldError::invalid(list.index(at), now.clone(), IMMUTABLE));
    match (before.len(), now.len()) {
        (a, b) if a == b => moved.collect(),
        (1, 2) => moved.chain(cidr(new)).collect(),
        _ => vec![FieldError::invalid(list.clone(), now.to_vec(), IMMUTABLE)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(ranges: &[&str]) -> Value {
        json!({"spec": {"cidrs": ranges}})
    }

    #[test]
    fn one_range_a_family() {
        assert!(cidr(&of(&["10.0.0.0/16", "2001:db8::/64"])).is_empty());
        assert_eq!(cidr(&of(&["10.0.0.0/16", "10.1.0.0/16"])).len(), 1);
        assert_eq!(cidr(&of(&[])).len(), 1);
        assert_eq!(cidr(&of(&["010.0.0.0/16"]))[0].field.to_string(), "spec.cidrs[0]");
    }

    #[test]
    fn a_family_may_be_added() {
        let old = of(&["10.0.0.0/16"]);
        assert!(cidr_update(&of(&["10.0.0.0/16", "2001:db8::/64"]), &old).is_empty());
        let errors = cidr_update(&of(&["10.1.0.0/16"]), &old);
        assert_eq!(
            errors[0].to_string(),
            "spec.cidrs[0]: Invalid value: \"10.1.0.0/16\": field is immutable"
        );
        assert_eq!(cidr_update(&of(&[]), &old)[0].field.to_string(), "spec.cidrs");
    }

    #[test]
    fn parents_of_addresses() {
        let parent =
            json!({"spec": {"parentRef": {"resource": "a/b", "name": "x", "group": "Bad_"}}});
        let fields: Vec<String> = address(&parent).iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields, ["spec.parentRef.group", "spec.parentRef.resource"]);
    }
}
