//! When an indexed job has succeeded (`successPolicy`).

use super::{indexes, job};
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check as common};
use serde_json::Value;

const RULES_MAX: usize = 20;
const INDEXES_BYTES_MAX: usize = 64 * 1024;

/// Checks the policy of a job's specification.
pub(super) fn check(spec: &Value, at: &FieldPath) -> ErrorList {
    let policy = &spec["successPolicy"];
    if !job::is_indexed(spec) {
        let value = common::internal(policy);
        let detail = "requires indexed completion mode";
        return vec![FieldError::invalid(at.clone(), value, detail)];
    }
    let list = at.child("rules");
    let rules = items(policy, "rules");
    let mut errors = ErrorList::new();
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        errors.push(FieldError::required(list.clone(), detail));
    }
    errors.extend(common::too_many(rules.len(), RULES_MAX, &list));
    for (i, one) in rules.iter().enumerate() {
        errors.extend(rule(spec, one, &list.index(i)));
    }
    errors
}

fn rule(spec: &Value, rule: &Value, at: &FieldPath) -> ErrorList {
    let completions = int(spec, "completions").unwrap_or_default();
    let listed = has(rule, "succeededIndexes").then(|| text(rule, "succeededIndexes"));
    let count = int(rule, "succeededCount");
    let mut errors = ErrorList::new();
    if listed.is_none() && count.is_none() {
        let detail = "at least one of succeededCount or succeededIndexes must be specified";
        errors.push(FieldError::required(at.clone(), detail));
    }
    let mut total = 0;
    if let Some(listed) = listed {
        let at = at.child("succeededIndexes");
        if listed.len() > INDEXES_BYTES_MAX {
            errors.push(FieldError::too_long(at.clone(), INDEXES_BYTES_MAX));
        }
        match indexes::total(listed, completions) {
            Ok(found) => total = found,
            Err(why) => {
                let detail = format!("error parsing succeededIndexes: {why}");
                errors.push(FieldError::invalid(at, listed, detail));
            }
        }
    }
    let Some(count) = count else { return errors };
    errors.extend(common::not_negative(rule, "succeededCount", at));
    let mut at_most = |max: i64, of: &str| {
        if count > max {
            let detail = format!("must be less than or equal to {max} (the number of {of})");
            errors.push(FieldError::invalid(at.child("succeededCount"), count, detail));
        }
    };
    at_most(completions, "specified completions");
    if listed.is_some() {
        at_most(total, "indexes in the specified succeededIndexes field");
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(policy: Value) -> Vec<String> {
        let spec = json!({"completionMode": "Indexed", "completions": 5, "successPolicy": policy});
        check(&spec, &FieldPath::new("p")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rules() {
        let one = |rule: Value| shown(json!({ "rules": [rule] }));
        assert!(one(json!({"succeededIndexes": "0,2-4", "succeededCount": 4})).is_empty());
        assert_eq!(shown(json!({"rules": []})).len(), 1);
        assert_eq!(
            one(json!({"succeededIndexes": "0,9", "succeededCount": 6})),
            [
                "p.rules[0].succeededIndexes: Invalid value: \"0,9\": error parsing succeededIndexes: too large index: \"9\"",
                "p.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified completions)",
                "p.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 0 (the number of indexes in the specified succeededIndexes field)",
            ]
        );
        assert_eq!(one(json!({})).len(), 1);
    }
}
