//! Storage classes and classes of volume attributes.

use super::read::{differs, entries, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

fn at(field: &str) -> FieldPath {
    FieldPath::new(field)
}

/// Checks a storage class.
pub fn class(object: &Value) -> ErrorList {
    let mut errors = provisioner(object, "provisioner");
    errors.extend(parameters(object));
    let root = FieldPath::new("");
    if !text(object, "reclaimPolicy").is_empty() {
        errors.extend(check::one_of(object, "reclaimPolicy", &["Delete", "Retain"], &root));
    }
    let modes = ["Immediate", "WaitForFirstConsumer"];
    errors.extend(check::one_of(object, "volumeBindingMode", &modes, &root));
    errors.extend(topologies(object));
    errors
}

/// A driver's name; its case does not matter.
fn provisioner(object: &Value, field: &str) -> ErrorList {
    let name = text(object, field).to_lowercase();
    check::required_name(names::qualified_name, &name, &at(field))
}

fn parameters(object: &Value) -> ErrorList {
    let at = at("parameters");
    if entries(object, "parameters").count() > PARAMETERS_MAX {
        return vec![FieldError::too_long(at, PARAMETERS_MAX)];
    }
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    for (key, value) in entries(object, "parameters") {
        if key.is_empty() {
            errors.push(FieldError::invalid(at.clone(), "", "field can not be empty."));
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > PARAMETERS_BYTES_MAX {
        errors.push(FieldError::too_long(at, PARAMETERS_BYTES_MAX));
    }
    errors
}

/// The values that a term asks of each label.
type Term<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn topologies(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let terms = items(object, "allowedTopologies");
    // Upstream compares each term with the earlier ones and with one empty term for each.
    let mut seen: Vec<Term<'_>> = vec![Term::new(); terms.len()];
    for (i, term) in terms.iter().enumerate() {
        let list = at("allowedTopologies").index(i).child("matchLabelExpressions");
        let mut asked = Term::new();
        for (j, expression) in items(term, "matchLabelExpressions").iter().enumerate() {
            errors.extend(topology(expression, &mut asked, &list.index(j)));
        }
        let same = seen.iter().filter(|earlier| **earlier == asked);
        errors.extend(same.map(|_| FieldError::duplicate(list.clone(), "")));
        seen.push(asked);
    }
    errors
}

fn topology<'a>(expression: &'a Value, term: &mut Term<'a>, path: &FieldPath) -> ErrorList {
    let values = items(expression, "values");
    let list = path.child("values");
    let mut errors = ErrorList::new();
    if values.is_empty() {
        errors.push(FieldError::required(list.clone(), ""));
    }
    let mut asked = BTreeSet::new();
    for (i, value) in values.iter().enumerate() {
        let value = value.as_str().unwrap_or_default();
        if !asked.insert(value) {
            errors.push(FieldError::duplicate(list.index(i), value));
        }
    }
    let (key, at) = (text(expression, "key"), path.child("key"));
    errors.extend(check::named(names::qualified_name, key, &at));
    if term.insert(key, asked).is_some() {
        errors.push(FieldError::duplicate(at, key));
    }
    errors
}

/// Checks an update of a storage class.
pub fn class_update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = class(new);
    let kept = ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"].into_iter();
    errors.extend(kept.filter_map(|field| check::immutable(new, old, field, at(field))));
    errors
}

/// Checks a class of volume attributes.
pub fn attributes(object: &Value) -> ErrorList {
    let mut errors = provisioner(object, "driverName");
    errors.extend(parameters(object));
    if entries(object, "parameters").next().is_none() {
        let detail = "must contain at least one key/value pair";
        errors.push(FieldError::required(at("parameters"), detail));
    }
    errors
}

/// Checks an update of a class of volume attributes.
pub fn attributes_update(new: &Value, old: &Value) -> ErrorList {
    let changed = ["driverName", "parameters"].into_iter().filter(|f| differs(new, old, f));
    let refused = changed.map(|field| {
        FieldError::forbidden(at(field), format!("updates to {field} are forbidden."))
    });
    refused.chain(attributes(new)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with_terms(terms: Value) -> Vec<String> {
        let object = json!({"provisioner": "Example.com/P", "allowedTopologies": terms});
        class(&object).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn terms_differ() {
        let term =
            |value: &str| json!({"matchLabelExpressions": [{"key": "z", "values": [value]}]});
        assert!(with_terms(json!([term("a"), term("b")])).is_empty());
        assert_eq!(
            with_terms(json!([term("a"), term("a")])),
            ["allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""]
        );
        assert_eq!(
            with_terms(json!([{"matchLabelExpressions": [
                {"key": "z", "values": ["a", "a"]}, {"key": "z", "values": ["b"]}]}])),
            [
                "allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: \"a\"",
                "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"z\"",
            ]
        );
    }

    #[test]
    fn attributes_stay() {
        let of = |value: &str| json!({"driverName": "d.example.com", "parameters": {"a": value}});
        assert!(attributes_update(&of("b"), &of("b")).is_empty());
        assert_eq!(
            attributes_update(&of("c"), &of("b"))[0].to_string(),
            "parameters: Forbidden: updates to parameters are forbidden."
        );
        let many: serde_json::Map<String, Value> =
            (0..=PARAMETERS_MAX).map(|n| (n.to_string(), "x".into())).collect();
        let many = json!({"driverName": "d", "parameters": many});
        assert_eq!(attributes(&many).len(), 1);
    }
}
