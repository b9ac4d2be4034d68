//! Namespaces.

use super::read::{has, items, text};
use super::{ErrorList, FieldError, FieldPath, meta};
use serde_json::Value;

/// Checks a new namespace.
pub fn create(object: &Value) -> ErrorList {
    let at = FieldPath::new("spec").child("finalizers");
    finalizers(object).flat_map(|name| meta::finalizer(name, &at)).collect()
}

/// Checks an update of the finalizers of a namespace.
pub fn finalize(new: &Value) -> ErrorList {
    let list = FieldPath::new("spec").child("finalizers");
    finalizers(new)
        .enumerate()
        .flat_map(|(at, name)| meta::finalizer(name, &list.index(at)))
        .collect()
}

fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    items(&object["spec"], "finalizers").iter().map(|name| name.as_str().unwrap_or_default())
}

/// Checks an update of the status: a namespace is active until it is deleted.
pub fn status(new: &Value, _old: &Value) -> ErrorList {
    let phase = text(&new["status"], "phase");
    let (expected, is_empty) = match has(&new["metadata"], "deletionTimestamp") {
        true => ("Terminating", "is not empty"),
        false => ("Active", "is empty"),
    };
    if phase == expected {
        return ErrorList::new();
    }
    let detail = format!("may only be '{expected}' if `deletionTimestamp` {is_empty}");
    vec![FieldError::invalid(FieldPath::new("status").child("Phase"), phase, detail)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_phase_follows_from_the_deletion() {
        let of = |phase: &str| json!({"metadata": {}, "status": {"phase": phase}});
        assert!(status(&of("Active"), &Value::Null).is_empty());
        assert_eq!(
            status(&of("Terminating"), &Value::Null)[0].to_string(),
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
        );
    }

    #[test]
    fn finalizers_of_a_namespace() {
        let object = json!({"spec": {"finalizers": ["kubernetes", "nope"]}});
        assert_eq!(create(&object)[0].field.to_string(), "spec.finalizers");
        assert_eq!(finalize(&object)[0].field.to_string(), "spec.finalizers[1]");
    }
}
