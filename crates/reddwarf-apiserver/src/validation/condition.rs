//! Lists of conditions of the shared type `Condition`.

use super::read::{int, items, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use serde_json::Value;
use std::collections::HashSet;

const REASON_BYTES_MAX: usize = 1024;
const MESSAGE_BYTES_MAX: usize = 32 * 1024;
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];
const BAD_REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/// Checks the conditions in the field `conditions` of a status.
pub fn all(status: &Value, path: &FieldPath) -> ErrorList {
    let list = path.child("conditions");
    let conditions = items(status, "conditions");
    let mut errors = ErrorList::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for (at, condition) in conditions.iter().enumerate() {
        let kind = text(condition, "type");
        if !seen.insert(kind) {
            errors.push(FieldError::duplicate(list.index(at).child("type"), kind));
        }
        errors.extend(one(condition, &list.index(at)));
    }
    errors
}

fn one(condition: &Value, at: &FieldPath) -> ErrorList {
    let (kind, status) = (text(condition, "type"), text(condition, "status"));
    let mut errors = check::required_name(names::qualified_name, kind, &at.child("type"));
    if status.is_empty() {
        errors.push(FieldError::required(at.child("status"), ""));
    } else if !STATUSES.contains(&status) {
        errors.push(FieldError::not_supported(at.child("status"), status, &STATUSES));
    }
    if let Some(generation) = int(condition, "observedGeneration").filter(|g| *g < 0) {
        let detail = "must be greater than or equal to zero";
        errors.push(FieldError::invalid(at.child("observedGeneration"), generation, detail));
    }
    let time = text(condition, "lastTransitionTime");
    errors.extend(check::required(time, at.child("lastTransitionTime")));
    errors.extend(reason(text(condition, "reason"), &at.child("reason")));
    if text(condition, "message").len() > MESSAGE_BYTES_MAX {
        errors.push(FieldError::too_long(at.child("message"), MESSAGE_BYTES_MAX));
    }
    errors
}

fn reason(reason: &str, at: &FieldPath) -> ErrorList {
    if reason.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let mut errors = ErrorList::new();
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let ok = reason.starts_with(|c: char| c.is_ascii_alphabetic())
        && reason.bytes().all(|b| word(b) || b",:".contains(&b))
        && reason.bytes().last().is_some_and(word);
    if !ok {
        errors.push(FieldError::invalid(at.clone(), reason, BAD_REASON));
    }
    if reason.len() > REASON_BYTES_MAX {
        errors.push(FieldError::too_long(at.clone(), REASON_BYTES_MAX));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_says_all() {
        let path = FieldPath::new("status");
        let good =
            json!({"type": "Ready", "status": "True", "reason": "A:b_", "lastTransitionTime": "t"});
        assert!(all(&json!({"conditions": [good]}), &path).is_empty());
        assert_eq!(all(&json!({"conditions": [{}]}), &path).len(), 4);
        let bad =
            json!({"type": "Ready", "status": "Odd", "reason": "9", "lastTransitionTime": "t"});
        let errors = all(&json!({"conditions": [good, bad]}), &path);
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(
            fields,
            [
                "status.conditions[1].type",
                "status.conditions[1].status",
                "status.conditions[1].reason"
            ]
        );
    }
}
