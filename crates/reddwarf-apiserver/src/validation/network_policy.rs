//! Network policies.

use super::address::{self, Cidr};
use super::read::{has, int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names};
use serde_json::Value;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const TYPES: [&str; 2] = ["Ingress", "Egress"];
/// The lists of rules with the name of the peers in each.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

/// What an update may leave as it is.
#[derive(Default)]
struct Kept<'a> {
    /// Whether values in selectors go unchecked, as the stored policy has a bad selector.
    values: bool,
    /// Ranges that the stored policy names.
    ranges: Vec<&'a str>,
}

/// Checks a new network policy.
pub fn create(object: &Value) -> ErrorList {
    spec(&object["spec"], &Kept::default())
}

/// Checks an update of a network policy.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let old = &old["spec"];
    let values = !labels::selector(&old["podSelector"], &FieldPath::new("")).is_empty();
    spec(&new["spec"], &Kept { values, ranges: ranges(old) })
}

/// All ranges that a policy names.
fn ranges(spec: &Value) -> Vec<&str> {
    let rules = DIRECTIONS
        .iter()
        .flat_map(|(list, peers)| items(spec, list).iter().flat_map(|rule| items(rule, peers)));
    let blocks = rules.map(|peer| &peer["ipBlock"]).filter(|block| !block.is_null());
    blocks
        .flat_map(|block| {
            let excepted = items(block, "except").iter().filter_map(Value::as_str);
            std::iter::once(text(block, "cidr")).chain(excepted)
        })
        .collect()
}

fn spec(spec: &Value, kept: &Kept<'_>) -> ErrorList {
    let path = FieldPath::new("spec");
    let mut errors = selector(&spec["podSelector"], kept, &path.child("podSelector"));
    for (list, peers) in DIRECTIONS {
        for (at, rule) in items(spec, list).iter().enumerate() {
            let path = path.child(list).index(at);
            for (at, each) in items(rule, "ports").iter().enumerate() {
                errors.extend(port(each, &path.child("ports").index(at)));
            }
            for (at, each) in items(rule, peers).iter().enumerate() {
                errors.extend(peer(each, kept, &path.child(peers).index(at)));
            }
        }
    }
    errors.extend(types(spec, &path.child("policyTypes")));
    errors
}

fn selector(selector: &Value, kept: &Kept<'_>, path: &FieldPath) -> ErrorList {
    let errors = labels::selector(selector, path);
    if kept.values { labels::but_values(errors) } else { errors }
}

fn types(spec: &Value, path: &FieldPath) -> ErrorList {
    let types = items(spec, "policyTypes");
    if types.len() > TYPES.len() {
        let detail = "may not specify more than two policyTypes";
        return vec![FieldError::invalid(path.clone(), types.to_vec(), detail)];
    }
    let each = types.iter().filter_map(Value::as_str).enumerate();
    each.filter(|(_, name)| !TYPES.contains(name))
        .map(|(at, name)| FieldError::not_supported(path.index(at), name, &TYPES))
        .collect()
}

fn port(port: &Value, path: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        check::one_of(port, "protocol", &PROTOCOLS, path).into_iter().collect();
    let (at, end_at) = (path.child("port"), path.child("endPort"));
    let end = int(port, "endPort");
    let misplaced = |detail: &str| end.map(|e| FieldError::invalid(end_at.clone(), e, detail));
    match &port["port"] {
        Value::Null => {
            errors.extend(misplaced("may not be specified when `port` is not specified"));
        }
        Value::String(name) => {
            errors.extend(misplaced("may not be specified when `port` is non-numeric"));
            errors.extend(check::named(names::port_name, name, &at));
        }
        number => {
            let number = number.as_i64().unwrap_or_default();
            errors.extend(check::port(number, &at));
            if end.is_some_and(|end| end < number) {
                let detail = "must be greater than or equal to `port`";
                errors.push(FieldError::invalid(end_at.clone(), number, detail));
            }
            errors.extend(end.and_then(|end| check::port(end, &end_at)));
        }
    }
    errors
}

fn peer(peer: &Value, kept: &Kept<'_>, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut selectors = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if has(peer, field) {
            selectors += 1;
            errors.extend(selector(&peer[field], kept, &path.child(field)));
        }
    }
    match (has(peer, "ipBlock"), selectors) {
        (false, 0) => errors.push(FieldError::required(path.clone(), "must specify a peer")),
        (false, _) => {}
        (true, others) => {
            errors.extend(block(&peer["ipBlock"], kept, &path.child("ipBlock")));
            if others > 0 {
                let detail = "may not specify both ipBlock and another peer";
                errors.push(FieldError::forbidden(path.clone(), detail));
            }
        }
    }
    errors
}

fn block(block: &Value, kept: &Kept<'_>, path: &FieldPath) -> ErrorList {
    let whole = text(block, "cidr");
    let at = path.child("cidr");
    if whole.is_empty() {
        return vec![FieldError::required(at, "")];
    }
    let mut errors: ErrorList = range(whole, kept, &at).into_iter().collect();
    let Some(whole) = Cidr::sloppy(whole) else { return errors };
    for (at, excepted) in items(block, "except").iter().enumerate() {
        let (at, excepted) =
            (path.child("except").index(at), excepted.as_str().unwrap_or_default());
        errors.extend(range(excepted, kept, &at));
        let part = Cidr::sloppy(excepted);
        if part.is_some_and(|p| !whole.contains(p.network()) || whole.prefix >= p.prefix) {
            errors.push(FieldError::invalid(at, excepted, "must be a strict subset of `cidr`"));
        }
    }
    errors
}

fn range(text: &str, kept: &Kept<'_>, path: &FieldPath) -> Option<FieldError> {
    if kept.ranges.contains(&text) { None } else { address::cidr(text, path) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_block(block: Value) -> Value {
        json!({"spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}})
    }

    #[test]
    fn an_exception_lies_within_its_block() {
        let except = |cidr: &str| with_block(json!({"cidr": "10.0.0.0/8", "except": [cidr]}));
        assert!(create(&except("10.1.0.0/16")).is_empty());
        for bad in ["11.0.0.0/16", "10.0.0.0/8", "2001:db8::/64"] {
            assert_eq!(
                create(&except(bad))[0].detail,
                "must be a strict subset of `cidr`",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_stored_range_may_stay() {
        let old = with_block(json!({"cidr": "10.0.0.1/8"}));
        assert_eq!(create(&old).len(), 1);
        assert!(update(&old, &old).is_empty());
        assert_eq!(update(&with_block(json!({"cidr": "11.0.0.1/8"})), &old).len(), 1);
    }

    #[test]
    fn ports_and_their_ends() {
        let errors = |p: Value| port(&p, &FieldPath::new("p"));
        assert!(errors(json!({"port": 80, "endPort": 90})).is_empty());
        assert_eq!(errors(json!({"port": 80, "endPort": 70})).len(), 1);
        assert_eq!(errors(json!({"endPort": 70}))[0].field.to_string(), "p.endPort");
        assert_eq!(errors(json!({"port": 0, "protocol": "ICMP"})).len(), 2);
    }
}
