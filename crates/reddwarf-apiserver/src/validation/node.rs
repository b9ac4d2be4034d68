//! Nodes.

use super::address::{self, Cidr};
use super::read::{differs, entries, int, items, text};
use super::resource_name;
use super::{ErrorKind, ErrorList, FieldError, FieldPath, check, names};
use serde_json::{Value, json};

const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks a new node.
pub fn create(object: &Value) -> ErrorList {
    let meta = FieldPath::new("metadata");
    let mut errors = taints(&object["spec"], &meta.child("taints"));
    errors.extend(resources(object));
    errors.extend(swap(object, &meta));
    errors.extend(features(object));
    errors.extend(ranges(object));
    errors
}

/// Upstream names the taints as if they stood in the metadata.
fn taints(spec: &Value, path: &FieldPath) -> ErrorList {
    let taints = items(spec, "taints");
    let mut errors = ErrorList::new();
    for (at, taint) in taints.iter().enumerate() {
        let at_path = path.index(at);
        let (key, value) = (text(taint, "key"), text(taint, "value"));
        errors.extend(check::named(names::qualified_name, key, &at_path.child("key")));
        let wrong = names::label_value(value);
        if !wrong.is_empty() {
            errors.push(FieldError::invalid(at_path.child("value"), value, wrong.join(";")));
        }
        match text(taint, "effect") {
            "" => errors.push(FieldError::required(at_path.child("effect"), "")),
            _ => errors.extend(check::one_of(taint, "effect", &TAINT_EFFECTS, &at_path)),
        }
        let same = |t: &Value| text(t, "key") == key && t["effect"] == taint["effect"];
        if taints[..at].iter().any(same) {
            let shown =
                json!({"Key": key, "Value": value, "Effect": taint["effect"], "TimeAdded": null});
            let mut error = FieldError::duplicate(at_path, shown);
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
    errors
}

/// What a node has, and what of it pods can have.
fn resources(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    for list in ["capacity", "allocatable"] {
        let path = FieldPath::new("status").child(list);
        for (name, value) in entries(&object["status"], list) {
            errors.extend(resource_name::quantity(name, value, &path.child(name)));
        }
    }
    errors
}

fn swap(object: &Value, meta: &FieldPath) -> Option<FieldError> {
    let capacity = int(&object["status"]["nodeInfo"]["swap"], "capacity").filter(|n| *n <= 0)?;
    let at = meta.child("nodeSwapStatus").child("capacity");
    Some(FieldError::invalid(at, capacity, "must be greater than zero"))
}

/// Features that the node says it has, sorted.
fn features(object: &Value) -> ErrorList {
    let list = FieldPath::new("status").child("declaredFeatures");
    let features: Vec<&str> =
        items(&object["status"], "declaredFeatures").iter().filter_map(Value::as_str).collect();
    let mut errors = ErrorList::new();
    for (at, feature) in features.iter().enumerate() {
        if let Some(why) = not_a_feature(feature) {
            let detail = format!("invalid feature name {feature:?}: {why}");
            errors.push(FieldError::invalid(list.index(at), *feature, detail));
        }
        let Some(next) = features.get(at + 1) else { break };
        let path = list.index(at + 1);
        match feature.cmp(next) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => errors.push(FieldError::duplicate(path, *next)),
            std::cmp::Ordering::Greater => {
                let detail = "list must be sorted alphabetically";
                errors.push(FieldError::invalid(path, *next, detail));
            }
        }
    }
    errors
}

fn not_a_feature(name: &str) -> Option<&'static str> {
    let ok = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .split('/')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if name.len() > names::SUBDOMAIN_CHARS_MAX {
        Some("must be no more than 253 characters")
    } else if !ok {
        Some(
            "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes",
        )
    } else {
        None
    }
}

/// Ranges of the addresses of the node's pods: one of each family at most.
fn ranges(object: &Value) -> ErrorList {
    let list = FieldPath::new("spec").child("podCIDRs");
    let given = items(&object["spec"], "podCIDRs");
    let texts: Vec<&str> = given.iter().filter_map(Value::as_str).collect();
    let each = texts.iter().enumerate();
    let mut errors: ErrorList =
        each.filter_map(|(at, range)| address::cidr(range, &list.index(at))).collect();
    if texts.len() < 2 {
        return errors;
    }
    let parsed: Vec<Option<Cidr>> = texts.iter().map(|range| Cidr::sloppy(range)).collect();
    let bad = parsed.iter().position(Option::is_none);
    if let Some(bad) = bad {
        let detail = format!(
            "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[{bad}]: <nil> (invalid CIDR address: {})",
            texts[bad]
        );
        let (kind, field) = (ErrorKind::Internal, list.clone());
        errors.push(FieldError { kind, field, value: None, detail });
    }
    let sixes = parsed.iter().flatten().filter(|range| range.ip.is_ipv6()).count();
    let dual = bad.is_none() && sixes > 0 && sixes < texts.len();
    if !dual || texts.len() > 2 {
        let detail = "may specify no more than one CIDR for each IP family";
        errors.push(FieldError::invalid(list, given.to_vec(), detail));
    }
    errors
}

/// Checks an update of a node. Upstream looks at the new one twice.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = create(new);
    errors.extend(status(new, old));
    errors
}

/// Checks an update of a node's status.
pub fn status(new: &Value, old: &Value) -> ErrorList {
    let mut errors = resources(new);
    errors.extend(features(new));
    let list = FieldPath::new("status").child("addresses");
    let addresses = items(&new["status"], "addresses");
    for (at, address) in addresses.iter().enumerate() {
        if addresses[..at].contains(address) {
            let shown = json!({"Type": address["type"], "Address": address["address"]});
            errors.push(FieldError::duplicate(list.index(at), shown));
        }
    }
    errors.extend(given_once(&new["spec"], &old["spec"]));
    errors.extend(configs(new));
    errors.extend(taints(&new["spec"], &FieldPath::new("metadata").child("taints")));
    if differs(&new["spec"], &old["spec"], "externalID") {
        let at = FieldPath::new("spec").child("externalID");
        errors.push(FieldError::forbidden(at, "may not be updated"));
    }
    errors
}

/// What a node is given once.
fn given_once(new: &Value, old: &Value) -> ErrorList {
    let path = FieldPath::new("spec");
    let (now, before) = (items(new, "podCIDRs"), items(old, "podCIDRs"));
    let changed = match (before.is_empty(), now.len() == before.len()) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => now.iter().zip(before).filter(|(now, before)| now != before).count(),
    };
    let detail = "node updates may not change podCIDR except from \"\" to valid";
    let ranges = (0..changed).map(|_| FieldError::forbidden(path.child("podCIDRs"), detail));
    let mut errors: ErrorList = ranges.collect();
    if !text(old, "providerID").is_empty() && differs(new, old, "providerID") {
        let detail = "node updates may not change providerID except from \"\" to valid";
        errors.push(FieldError::forbidden(path.child("providerID"), detail));
    }
    errors
}

/// Where a node takes its configuration from; nodes do so no more, but may still say it.
fn configs(node: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let of_spec = &node["spec"]["configSource"];
    if !of_spec.is_null() {
        errors.extend(config(of_spec, false, &FieldPath::new("spec").child("configSource")));
    }
    let path = FieldPath::new("status").child("config");
    for field in ["assigned", "active", "lastKnownGood"] {
        let source = &node["status"]["config"][field];
        if !source.is_null() {
            errors.extend(config(source, true, &path.child(field)));
        }
    }
    errors
}

/// One source: what a specification asks for has no version yet, what a status tells has one.
fn config(source: &Value, versioned: bool, path: &FieldPath) -> ErrorList {
    let map = &source["configMap"];
    if map.is_null() {
        let detail = "exactly one reference subfield must be non-nil";
        return vec![FieldError::invalid(path.clone(), json!({"ConfigMap": null}), detail)];
    }
    let path = path.child("configMap");
    let mut errors = ErrorList::new();
    for field in ["uid", "resourceVersion"] {
        let given = !text(map, field).is_empty();
        if versioned && !given {
            errors.push(FieldError::required(path.child(field), ""));
        } else if !versioned && given {
            let detail = format!("{field} must not be set in spec");
            errors.push(FieldError::forbidden(path.child(field), detail));
        }
    }
    let rules: [(&str, names::NameRule); 3] = [
        ("namespace", names::label),
        ("name", names::subdomain),
        ("kubeletConfigKey", names::config_key),
    ];
    for (field, rule) in rules {
        errors.extend(check::required_name(rule, text(map, field), &path.child(field)));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| format!("{} {}", e.field, e.kind.reason())).collect()
    }

    #[test]
    fn a_new_node() {
        let object = json!({
            "spec": {"taints": [{"key": "k", "value": "a b", "effect": "Odd"}],
                "podCIDRs": ["10.0.0.0/24", "10.0.1.0/24"]},
            "status": {"capacity": {"pods": "1500m"}, "declaredFeatures": ["B", "a", "A/x"],
                "nodeInfo": {"swap": {"capacity": 0}}},
        });
        assert_eq!(
            fields(&create(&object)),
            [
                "metadata.taints[0].value FieldValueInvalid",
                "metadata.taints[0].effect FieldValueNotSupported",
                "status.capacity.pods FieldValueInvalid",
                "metadata.nodeSwapStatus.capacity FieldValueInvalid",
                "status.declaredFeatures[1] FieldValueInvalid",
                "status.declaredFeatures[2] FieldValueInvalid",
                "spec.podCIDRs FieldValueInvalid",
            ]
        );
    }

    #[test]
    fn an_updated_node() {
        let old = json!({"spec": {"podCIDRs": ["10.0.0.0/24"], "providerID": "a"}});
        let new = json!({"spec": {"podCIDRs": ["10.0.1.0/24"], "externalID": "x",
            "configSource": {"configMap": {"uid": "u", "namespace": "n", "name": "m", "kubeletConfigKey": "k"}}},
            "status": {"addresses": [{"type": "A", "address": "b"}, {"type": "A", "address": "b"}]}});
        assert_eq!(
            fields(&update(&new, &old)),
            [
                "status.addresses[1] FieldValueDuplicate",
                "spec.podCIDRs FieldValueForbidden",
                "spec.providerID FieldValueForbidden",
                "spec.configSource.configMap.uid FieldValueForbidden",
                "spec.externalID FieldValueForbidden",
            ]
        );
        assert!(update(&old, &json!({"spec": {}})).is_empty());
    }
}
