//! One device of a slice.

use super::super::read::{entries, flag, has, items, text};
use super::super::{ErrorList, FieldError, FieldPath, check, names, pod};
use super::{TAINT_EFFECTS, binding_conditions, capacity, each, each_once, qualified_name, slice};
use serde_json::{Value, json};

/// Attributes and capacities of a device together.
const ATTRIBUTES_MAX: usize = 32;
const VALUE_BYTES_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
const CONSUMED_SETS_MAX: usize = 2;
const CONSUMED_COUNTERS_MAX: usize = 32;
const KEY_BYTES_SHOWN_MAX: usize = 63 + 1 + 32;
/// The kinds of values of an attribute, with upstream's names of them.
const VALUES: [(&str, &str); 8] = [
    ("int", "IntValue"),
    ("bool", "BoolValue"),
    ("string", "StringValue"),
    ("version", "VersionValue"),
    ("ints", "IntValues"),
    ("bools", "BoolValues"),
    ("strings", "StringValues"),
    ("versions", "VersionValues"),
];

/// Checks a device; `by_device` tells that each device of the slice says where it is.
pub fn device(
    device: &Value,
    before: Option<&Value>,
    by_device: bool,
    path: &FieldPath,
) -> ErrorList {
    let mut errors = check::named(names::label, text(device, "name"), &path.child("name"));
    let count = entries(device, "attributes").count() + entries(device, "capacity").count();
    if count > ATTRIBUTES_MAX {
        let detail = format!(
            "the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}"
        );
        errors.push(FieldError::invalid(path.clone(), count, detail));
    }
    errors.extend(by_name(device, "attributes", path, attribute));
    let changed = |field: &str| before.is_none_or(|before| before.get(field) != device.get(field));
    if changed("capacity") {
        let shared = flag(device, "allowMultipleAllocations");
        errors.extend(by_name(device, "capacity", path, |c, at| capacity::capacity(c, shared, at)));
    }
    if changed("taints") {
        errors.extend(each(items(device, "taints"), TAINTS_MAX, &path.child("taints"), taint));
    }
    errors.extend(consumed(device, path));
    errors.extend(placement(device, by_device, path));
    errors.extend(binding_conditions(device, path));
    errors
}

fn by_name(
    device: &Value,
    field: &str,
    path: &FieldPath,
    check_value: impl Fn(&Value, &FieldPath) -> ErrorList,
) -> ErrorList {
    let path = path.child(field);
    let mut errors = ErrorList::new();
    for (name, value) in entries(device, field) {
        errors.extend(qualified_name(name, &path));
        errors.extend(check_value(value, &path.key(&shortened(name))));
    }
    errors
}

/// A key as paths show it: a long one without its middle.
fn shortened(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    if chars.len() <= KEY_BYTES_SHOWN_MAX {
        return key.to_owned();
    }
    let remaining = KEY_BYTES_SHOWN_MAX - 3;
    let (head, tail) = (&chars[..remaining.div_ceil(2)], &chars[chars.len() - remaining / 2..]);
    head.iter().chain(&['.'; 3]).chain(tail).collect()
}

fn attribute(attribute: &Value, path: &FieldPath) -> ErrorList {
    let given: Vec<&str> =
        VALUES.iter().map(|(field, _)| *field).filter(|f| has(attribute, f)).collect();
    let mut errors = ErrorList::new();
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for field in &given {
        let (value, at) = (&attribute[*field], path.child(field));
        match *field {
            "string" => errors.extend(short(&text_of(value), &at)),
            "version" => errors.extend(version(&text_of(value), &at)),
            "ints" | "bools" | "strings" | "versions" => {
                errors.extend(values(field, attribute, &at));
            }
            _ => {}
        }
    }
    let detail = "exactly one value must be specified";
    match given.len() {
        1 => {}
        0 => errors.push(FieldError::invalid(path.clone(), "", detail)),
        _ => {
            let shown = VALUES.iter().map(|(field, name)| {
                ((*name).to_owned(), attribute.get(*field).cloned().unwrap_or_default())
            });
            errors.push(FieldError::invalid(path.clone(), Value::Object(shown.collect()), detail));
        }
    }
    errors
}

fn values(field: &str, attribute: &Value, path: &FieldPath) -> ErrorList {
    let list = items(attribute, field);
    if list.is_empty() {
        return vec![FieldError::invalid(
            path.clone(),
            json!([]),
            "must not be empty if specified",
        )];
    }
    let mut errors = ErrorList::new();
    for (at, value) in list.iter().filter_map(Value::as_str).enumerate() {
        match field {
            "strings" => errors.extend(short(value, &path.index(at))),
            _ => errors.extend(version(value, &path.index(at))),
        }
    }
    errors
}

fn short(value: &str, path: &FieldPath) -> Option<FieldError> {
    (value.len() > VALUE_BYTES_MAX).then(|| FieldError::too_long(path.clone(), VALUE_BYTES_MAX))
}

fn version(value: &str, path: &FieldPath) -> ErrorList {
    let detail = "must be a string compatible with semver.org spec 2.0.0";
    let wrong = (!is_version(value)).then(|| FieldError::invalid(path.clone(), value, detail));
    wrong.into_iter().chain(short(value, path)).collect()
}

/// Whether a text is a version as semver.org's second edition has them.
fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(t, b)| (t, Some(b)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(c, p)| (c, Some(p)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.into_iter().all(number)
        && pre.is_none_or(|p| p.split('.').all(|p| number(p) || (word(p) && !digits(p))))
        && build.is_none_or(|b| b.split('.').all(word))
}

fn taint(taint: &Value, path: &FieldPath) -> ErrorList {
    let (key, value) = (text(taint, "key"), text(taint, "value"));
    let mut errors = check::named(names::qualified_name, key, &path.child("key"));
    errors.extend(check::named(names::label_value, value, &path.child("value")));
    match text(taint, "effect") {
        "" => errors.push(FieldError::required(path.child("effect"), "")),
        _ => errors.extend(check::one_of(taint, "effect", &TAINT_EFFECTS, path)),
    }
    errors
}

fn consumed(device: &Value, path: &FieldPath) -> ErrorList {
    let (sets, list) = (items(device, "consumesCounters"), path.child("consumesCounters"));
    let key = |set: &Value| text(set, "counterSet").into();
    each_once(sets, CONSUMED_SETS_MAX, &list, key, |set, at| {
        let name = text(set, "counterSet");
        let mut errors = check::required_name(names::label, name, &at.child("counterSet"));
        errors.extend(slice::counters(set, CONSUMED_COUNTERS_MAX, at));
        errors
    })
}

/// Where the device is, when its slice leaves that to each of its devices.
fn placement(device: &Value, by_device: bool, path: &FieldPath) -> ErrorList {
    let fields = ["nodeName", "nodeSelector", "allNodes"];
    if !by_device {
        let detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        let any = fields.iter().any(|field| has(device, field));
        let error = any.then(|| FieldError::invalid(path.clone(), Value::Null, detail));
        return error.into_iter().collect();
    }
    let mut errors = ErrorList::new();
    let mut given = Vec::new();
    if let Some(node) = device.get("nodeName").and_then(Value::as_str) {
        let at = path.child("nodeName");
        if node.is_empty() {
            errors.push(FieldError::invalid(at, "", "must not be empty"));
        } else {
            given.push("`nodeName`");
            errors.extend(check::named(names::subdomain, node, &at));
        }
    }
    if has(device, "nodeSelector") {
        given.push("`nodeSelector`");
        let at = path.child("nodeSelector");
        errors.extend(pod::node_selector(&device["nodeSelector"], &at));
    }
    match device.get("allNodes").and_then(Value::as_bool) {
        Some(true) => given.push("`allNodes`"),
        Some(false) => {
            let detail = "must be either unset or set to true";
            errors.push(FieldError::invalid(path.child("allNodes"), false, detail));
        }
        None => {}
    }
    let detail = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    match given.len() {
        1 => {}
        0 => errors.push(FieldError::required(path.clone(), detail)),
        _ => {
            let shown = format!("{{{}}}", given.join(", "));
            errors.push(FieldError::invalid(path.clone(), shown, detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn versions() {
        for good in ["1.2.3", "0.0.0", "1.0.0-alpha.1", "1.0.0-0a+build.01", "1.0.0+x-y"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "x", "1.2", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3-a..b"] {
            assert!(!is_version(bad), "{bad}");
        }
    }

    #[test]
    fn an_attribute_has_one_value() {
        let of = |value: Value| fields(&attribute(&value, &FieldPath::new("a")));
        assert!(of(json!({"int": 3})).is_empty());
        assert_eq!(of(json!({})), ["a"]);
        assert_eq!(of(json!({"int": 3, "version": "x"})), ["a.version", "a"]);
        assert_eq!(of(json!({"string": "x".repeat(65)})), ["a.string"]);
    }

    #[test]
    fn a_device_is_placed_by_itself_when_asked() {
        let of =
            |value: Value, by_device| fields(&placement(&value, by_device, &FieldPath::new("d")));
        assert!(of(json!({}), false).is_empty());
        assert_eq!(of(json!({"nodeName": "n"}), false), ["d"]);
        assert!(of(json!({"nodeName": "n"}), true).is_empty());
        assert_eq!(of(json!({"nodeName": "n", "allNodes": true}), true), ["d"]);
        assert_eq!(of(json!({}), true), ["d"]);
    }

    #[test]
    fn stored_taints_may_stay() {
        let old = json!({"name": "d", "taints": [{"key": "a b"}]});
        let path = FieldPath::new("d");
        assert_eq!(device(&old, None, false, &path).len(), 2);
        assert!(device(&old, Some(&old), false, &path).is_empty());
    }

    #[test]
    fn long_keys_lose_their_middle() {
        assert_eq!(shortened("a"), "a");
        assert_eq!(shortened(&"a".repeat(200)).len(), KEY_BYTES_SHOWN_MAX);
    }
}
