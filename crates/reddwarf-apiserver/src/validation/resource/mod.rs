//! Dynamic resource allocation: claims for devices, their classes, and what drivers offer.

mod allocation;
mod capacity;
mod claim;
mod device;
mod slice;

pub use allocation::claim_status;
pub use claim::{claim, claim_update, class, class_update, template, template_update};
pub use slice::{slice, slice_update};

use super::csi::driver_name;
use super::read::text;
use super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;

const POOL_NAME_BYTES_MAX: usize = 253;
const IDENTIFIER_BYTES_MAX: usize = 32;
const BINDING_CONDITIONS_MAX: usize = 4;
const TAINT_EFFECTS: [&str; 3] = ["NoExecute", "NoSchedule", "None"];

/// Checks the items of a list that has a limit; beyond it the items are not looked at.
fn each(
    list: &[Value],
    max: usize,
    path: &FieldPath,
    check_item: impl Fn(&Value, &FieldPath) -> ErrorList,
) -> ErrorList {
    if let Some(error) = check::too_many(list.len(), max, path) {
        return vec![error];
    }
    list.iter().enumerate().flat_map(|(at, item)| check_item(item, &path.index(at))).collect()
}

/// The same for items that must differ in their keys.
fn each_once(
    list: &[Value],
    max: usize,
    path: &FieldPath,
    key: impl Fn(&Value) -> Value,
    check_item: impl Fn(&Value, &FieldPath) -> ErrorList,
) -> ErrorList {
    let mut errors = each(list, max, path, check_item);
    if list.len() > max {
        return errors;
    }
    let mut seen: Vec<Value> = Vec::new();
    for (at, item) in list.iter().enumerate() {
        let key = key(item);
        if seen.contains(&key) {
            errors.push(FieldError::duplicate(path.index(at), key));
        } else {
            seen.push(key);
        }
    }
    errors
}

/// The name of an item, as its key in a list.
fn named(item: &Value) -> Value {
    text(item, "name").into()
}

/// A text, as its own key.
fn itself(item: &Value) -> Value {
    item.clone()
}

/// A pool's name: subdomains between slashes.
fn pool_name(name: &str, path: &FieldPath) -> ErrorList {
    if name.is_empty() {
        return vec![FieldError::required(path.clone(), "")];
    }
    let mut errors = ErrorList::new();
    if name.len() > POOL_NAME_BYTES_MAX {
        errors.push(FieldError::too_long(path.clone(), POOL_NAME_BYTES_MAX));
    }
    errors.extend(name.split('/').flat_map(|part| check::named(names::subdomain, part, path)));
    errors
}

/// An identifier, or a driver's domain with one.
fn qualified_name(name: &str, path: &FieldPath) -> ErrorList {
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        [id] => identifier(id, path),
        [domain, id] => {
            let mut errors = ErrorList::new();
            if domain.is_empty() {
                errors.push(FieldError::invalid(path.clone(), "", "the domain must not be empty"));
            } else {
                errors.extend(driver_name(domain, path));
            }
            if id.is_empty() {
                errors.push(FieldError::invalid(path.clone(), "", "the name must not be empty"));
            } else {
                errors.extend(identifier(id, path));
            }
            errors
        }
        _ => ErrorList::new(),
    }
}

/// A domain with an identifier.
fn fully_qualified_name(name: &str, path: &FieldPath) -> ErrorList {
    let mut errors = qualified_name(name, path);
    if !name.contains('/') {
        let detail = "a fully qualified name must be a domain and a name separated by a slash";
        errors.push(FieldError::invalid(path.clone(), name, detail));
    }
    errors
}

fn identifier(id: &str, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    if id.len() > IDENTIFIER_BYTES_MAX {
        errors.push(FieldError::too_long(path.clone(), IDENTIFIER_BYTES_MAX));
    }
    errors.extend(check::named(names::c_identifier, id, path));
    errors
}

/// Free data of a driver: an object of limited size.
fn driver_data(value: &Value, path: &FieldPath, bytes_max: usize) -> Option<FieldError> {
    match value {
        Value::Null => Some(FieldError::required(path.clone(), "")),
        value if value.to_string().len() > bytes_max => {
            Some(FieldError::too_long(path.clone(), bytes_max))
        }
        Value::Object(_) => None,
        _ => {
            let detail = "must be a valid JSON object";
            Some(FieldError::invalid(path.clone(), "<value omitted>", detail))
        }
    }
}

/// Checks a toleration of taints of devices.
fn toleration(toleration: &Value, path: &FieldPath) -> ErrorList {
    let (key, value) = (text(toleration, "key"), text(toleration, "value"));
    let mut errors = ErrorList::new();
    if !key.is_empty() {
        errors.extend(check::named(names::qualified_name, key, &path.child("key")));
    }
    match text(toleration, "operator") {
        "Exists" if !value.is_empty() => {
            let detail = "must be empty for operator `Exists`";
            errors.push(FieldError::invalid(path.child("value"), value, detail));
        }
        "Exists" => {}
        "Equal" => errors.extend(check::named(names::label_value, value, &path.child("value"))),
        "" => errors.push(FieldError::required(path.child("operator"), "")),
        other => {
            let operators = ["Equal", "Exists"];
            let at = path.child("operator");
            errors.push(FieldError::not_supported(at, other, &operators));
        }
    }
    if !text(toleration, "effect").is_empty() {
        errors.extend(check::one_of(toleration, "effect", &TAINT_EFFECTS, path));
    }
    errors
}

/// Checks the conditions that decide whether a device was bound; neither list goes without the
/// other, and none is in both.
fn binding_conditions(of: &Value, path: &FieldPath) -> ErrorList {
    use super::read::items;
    const LISTS: [&str; 2] = ["bindingConditions", "bindingFailureConditions"];
    let [met, failed] = LISTS.map(|field| items(of, field));
    let mut errors = ErrorList::new();
    for field in LISTS {
        let rule = |name: &Value, at: &FieldPath| {
            check::named(names::qualified_name, name.as_str().unwrap_or_default(), at)
        };
        let at = path.child(field);
        errors.extend(each_once(items(of, field), BINDING_CONDITIONS_MAX, &at, itself, rule));
    }
    let (met_at, failed_at) = (path.child(LISTS[0]), path.child(LISTS[1]));
    for (at, condition) in failed.iter().enumerate().filter(|(_, c)| met.contains(c)) {
        let detail = "bindingFailureConditions must not overlap with bindingConditions";
        errors.push(FieldError::invalid(failed_at.index(at), condition.clone(), detail));
    }
    if met.is_empty() && !failed.is_empty() {
        let detail = "bindingConditions are required to use bindingFailureConditions";
        errors.push(FieldError::invalid(met_at, Value::Null, detail));
    } else if failed.is_empty() && !met.is_empty() {
        let detail = "bindingFailureConditions are required to use bindingConditions";
        errors.push(FieldError::invalid(failed_at, Value::Null, detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at() -> FieldPath {
        FieldPath::new("x")
    }

    #[test]
    fn names_of_attributes() {
        for good in ["a", "_a1", "example.com/a"] {
            assert!(qualified_name(good, &at()).is_empty(), "{good}");
        }
        for (bad, count) in [("a b", 1), ("/", 2), ("Bad_/a", 1), ("", 1)] {
            assert_eq!(qualified_name(bad, &at()).len(), count, "{bad}");
        }
        assert_eq!(fully_qualified_name("a", &at()).len(), 1);
        assert_eq!(pool_name("a/B", &at()).len(), 1);
    }

    #[test]
    fn data_of_drivers() {
        assert!(driver_data(&json!({"a": 1}), &at(), 100).is_none());
        for (bad, reason) in [
            (Value::Null, "FieldValueRequired"),
            (json!([1]), "FieldValueInvalid"),
            (json!({"a": "x".repeat(100)}), "FieldValueTooLong"),
        ] {
            assert_eq!(driver_data(&bad, &at(), 100).map(|e| e.kind.reason()), Some(reason));
        }
    }

    #[test]
    fn conditions_of_binding() {
        let of = |met: Value, failed: Value| {
            binding_conditions(
                &json!({"bindingConditions": met, "bindingFailureConditions": failed}),
                &at(),
            )
            .len()
        };
        assert_eq!(of(json!([]), json!([])), 0);
        assert_eq!(of(json!(["a"]), json!(["b"])), 0);
        assert_eq!(of(json!(["a"]), json!(["a"])), 1);
        assert_eq!(of(json!(["a"]), json!([])), 1);
        assert_eq!(of(json!(["a", "a"]), json!(["b"])), 1);
    }
}
