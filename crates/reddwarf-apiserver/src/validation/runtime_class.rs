//! Runtime classes.

use super::read::{has, items, text};
use super::{ErrorList, FieldError, FieldPath, check, labels, names, pod};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Checks a runtime class.
pub fn create(object: &Value) -> ErrorList {
    let handler = text(object, "handler");
    let mut errors = check::required_name(names::label, handler, &FieldPath::new("handler"));
    if has(object, "overhead") {
        let at = FieldPath::new("overhead");
        errors.extend(pod::amounts(&object["overhead"]["podFixed"], &at));
    }
    let (scheduling, at) = (&object["scheduling"], FieldPath::new("scheduling"));
    errors.extend(labels::labels(&scheduling["nodeSelector"], &at.child("nodeSelector")));
    errors.extend(pod::tolerations(scheduling, &at));
    errors.extend(repeated(scheduling, &at.child("tolerations")));
    errors
}

fn repeated(scheduling: &Value, list: &FieldPath) -> ErrorList {
    const KEY: [&str; 4] = ["key", "operator", "value", "effect"];
    let tolerations = items(scheduling, "tolerations");
    let key = |toleration: &Value| KEY.map(|field| text(toleration, field).to_owned());
    let mut seen: HashSet<[String; 4]> = HashSet::new();
    let again = tolerations.iter().enumerate().filter(|(_, one)| !seen.insert(key(one)));
    again
        .map(|(at, one)| {
            let shown = json!({"Key": text(one, "key"), "Operator": text(one, "operator"),
                "Value": text(one, "value"), "Effect": text(one, "effect"),
                "TolerationSeconds": one["tolerationSeconds"]});
            FieldError::duplicate(list.index(at), shown)
        })
        .collect()
}

/// Checks an update of a runtime class.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = create(new);
    errors.extend(check::immutable(new, old, "handler", FieldPath::new("handler")));
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_differ() {
        let tolerations = json!([{"key": "a", "operator": "Exists"}, {"key": "b", "operator": "Exists"},
            {"key": "a", "operator": "Exists", "tolerationSeconds": 1, "effect": ""}]);
        let errors = create(&json!({"handler": "h", "scheduling": {"tolerations": tolerations}}));
        let fields: Vec<String> = errors.iter().map(|e| e.field.to_string()).collect();
        assert_eq!(fields, ["scheduling.tolerations[2].effect", "scheduling.tolerations[2]"]);
    }

    #[test]
    fn the_overhead_is_of_known_resources() {
        let errors = create(&json!({"handler": "h", "overhead": {"podFixed": {"odd": "-1"}}}));
        assert_eq!(errors.len(), 3, "unqualified, not of containers, negative");
        assert_eq!(errors[0].field.to_string(), "overhead.limits[odd]");
    }
}
