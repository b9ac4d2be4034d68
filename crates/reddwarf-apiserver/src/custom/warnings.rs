//! What of a custom object is valid, but worth a warning.

use crate::object;
use crate::validation::names;
use serde_json::Value;

const STANDARD_FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];

/// Names of new finalizers that may clash with those of others.
pub fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let before = old.map(object::finalizers).unwrap_or_default();
    let mut added = object::finalizers(new);
    added.retain(|name| !before.contains(name));
    added.sort_unstable();
    added.dedup();
    added.iter().flat_map(|name| of_finalizer(name)).collect()
}

fn of_finalizer(name: &str) -> Vec<String> {
    let mut why = names::qualified_name(name);
    if !name.contains('/') && !STANDARD_FINALIZERS.contains(&name) {
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        why.push(format!("prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"));
    }
    why.iter().map(|why| format!("metadata.finalizers: {name:?}: {why}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finalizers_that_are_new() {
        let object = |names: &[&str]| json!({"metadata": {"finalizers": names}});
        assert!(warnings(&object(&["example.com/a", "orphan"]), None).is_empty());
        assert_eq!(
            warnings(&object(&["mine", "a.b"]), Some(&object(&["a.b"]))),
            [
                "metadata.finalizers: \"mine\": prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
            ]
        );
        assert_eq!(
            warnings(&object(&["a.b"]), None),
            [
                "metadata.finalizers: \"a.b\": prefer a domain-qualified finalizer name including a path (/) to avoid accidental conflicts with other finalizer writers"
            ]
        );
    }
}
