//! `ObjectMeta`.

use super::names::{self, NameRule};
use super::read::{flag, has, items, text};
use super::{ErrorList, FieldError, FieldPath, labels};
use serde_json::Value;

/// Finalizers without a domain that upstream knows.
const STANDARD_FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];
const IMMUTABLE: &str = "field is immutable";

fn path() -> FieldPath {
    FieldPath::new("metadata")
}

/// Checks the metadata of an object whose kind names its objects by `rule`.
pub fn metadata(object: &Value, namespaced: bool, rule: NameRule) -> ErrorList {
    let meta = &object["metadata"];
    let mut errors = ErrorList::new();
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() {
        let at = path().child("generateName");
        errors.extend(
            names::prefix_of(rule, prefix)
                .into_iter()
                .map(|e| FieldError::invalid(at.clone(), prefix, e)),
        );
    }
    let name = text(meta, "name");
    let at = path().child("name");
    if name.is_empty() {
        errors.push(FieldError::required(at, "name or generateName is required"));
    } else {
        errors.extend(rule(name).into_iter().map(|e| FieldError::invalid(at.clone(), name, e)));
    }
    errors.extend(namespace_errors(text(meta, "namespace"), namespaced));
    errors.extend(common(meta));
    errors.extend(finalizers(meta));
    errors
}

fn namespace_errors(namespace: &str, namespaced: bool) -> ErrorList {
    let at = path().child("namespace");
    if !namespaced {
        return match namespace {
            "" => ErrorList::new(),
            _ => vec![FieldError::forbidden(at, "not allowed on this type")],
        };
    }
    if namespace.is_empty() {
        return vec![FieldError::required(at, "")];
    }
    names::label(namespace)
        .into_iter()
        .map(|e| FieldError::invalid(at.clone(), namespace, e))
        .collect()
}

/// What is checked at creation and once more as a part of every comparison with the old object.
fn common(meta: &Value) -> ErrorList {
    let mut errors = Vec::new();
    if let Some(generation) = meta.get("generation").and_then(Value::as_i64)
        && generation < 0
    {
        errors.push(FieldError::invalid(path().child("generation"), generation, super::NEGATIVE));
    }
    errors.extend(labels::labels(&meta["labels"], &path().child("labels")));
    errors.extend(labels::annotations(&meta["annotations"], &path().child("annotations")));
    errors.extend(owner_references(meta));
    errors.extend(managed_fields(meta));
    errors
}

/// Bytes of the name of a subresource in `managedFields`.
const SUBRESOURCE_BYTES_MAX: usize = 256;

/// Entries whose form is wrong were left out before; names remain to be looked at.
fn managed_fields(meta: &Value) -> ErrorList {
    let list = path().child("managedFields");
    let mut errors = ErrorList::new();
    for (at, entry) in items(meta, "managedFields").iter().enumerate() {
        let at = list.index(at);
        field_manager(text(entry, "manager"), &at.child("manager"), &mut errors);
        if text(entry, "subresource").len() > SUBRESOURCE_BYTES_MAX {
            errors.push(FieldError::too_long(at.child("subresource"), SUBRESOURCE_BYTES_MAX));
        }
    }
    errors
}

/// Bytes of a field manager's name.
pub const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// Whether a character may be part of a field manager's name.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
}

/// Checks the name of a field manager.
pub fn field_manager(name: &str, at: &FieldPath, errors: &mut ErrorList) {
    if name.len() > FIELD_MANAGER_BYTES_MAX {
        errors.push(FieldError::too_long(at.clone(), FIELD_MANAGER_BYTES_MAX));
    }
    if let Some((position, bad)) = name.char_indices().find(|(_, c)| !is_printable(*c)) {
        let detail = format!("invalid character U+{:04X} (at position {position})", u32::from(bad));
        errors.push(FieldError::invalid(at.clone(), name, detail));
    }
}

fn owner_references(meta: &Value) -> ErrorList {
    let at = path().child("ownerReferences");
    let mut errors = ErrorList::new();
    let mut controllers = Vec::new();
    for owner in items(meta, "ownerReferences") {
        let api_version = text(owner, "apiVersion");
        if reddwarf_core::gvk::parse_api_version(api_version)
            .is_none_or(|(_, version)| version.is_empty())
        {
            let detail = "version must not be empty";
            errors.push(FieldError::invalid(at.child("apiVersion"), api_version, detail));
        }
        for field in ["kind", "name", "uid"] {
            if text(owner, field).is_empty() {
                errors.push(FieldError::invalid(at.child(field), "", "must not be empty"));
            }
        }
        if text(owner, "kind") == "Event" && api_version == "v1" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(FieldError::invalid(at.clone(), owner.clone(), detail));
        }
        if flag(owner, "controller") {
            controllers.push(format!("{}/{}", text(owner, "kind"), text(owner, "name")));
        }
    }
    if let [first, second, ..] = &controllers[..] {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        errors.push(FieldError::invalid(at, meta["ownerReferences"].clone(), detail));
    }
    errors
}

fn finalizers(meta: &Value) -> ErrorList {
    let list = path().child("finalizers");
    let mut errors = ErrorList::new();
    let found: Vec<&str> = items(meta, "finalizers").iter().filter_map(Value::as_str).collect();
    for name in &found {
        errors.extend(qualified_finalizer(name, &list));
    }
    if found.contains(&"orphan") && found.contains(&"foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        let value = meta["finalizers"].clone();
        errors.push(FieldError::invalid(list, value, detail));
    }
    errors
}

fn qualified_finalizer(name: &str, at: &FieldPath) -> ErrorList {
    let wrong = names::qualified_name(name).into_iter();
    wrong.map(|e| FieldError::invalid(at.clone(), name, e)).collect()
}

/// A finalizer without a domain is one of those that are known.
fn known_finalizer(name: &str, at: &FieldPath) -> Option<FieldError> {
    let detail = "name is neither a standard finalizer name nor is it fully qualified";
    (!name.contains('/') && !STANDARD_FINALIZERS.contains(&name))
        .then(|| FieldError::invalid(at.clone(), name, detail))
}

/// Checks the name of one finalizer.
pub fn finalizer(name: &str, at: &FieldPath) -> ErrorList {
    let mut errors = qualified_finalizer(name, at);
    errors.extend(known_finalizer(name, at));
    errors
}

/// What most kinds ask of finalizers on top.
pub fn known_finalizers(object: &Value) -> ErrorList {
    let list = path().child("finalizers");
    let each = items(&object["metadata"], "finalizers").iter().enumerate();
    each.filter_map(|(at, name)| known_finalizer(name.as_str()?, &list.index(at))).collect()
}

/// Compares the metadata of an update with that of the stored object.
pub fn metadata_update(new: &Value, old: &Value) -> ErrorList {
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let mut errors = ErrorList::new();
    if has(old, "deletionTimestamp") {
        errors.extend(new_finalizers(new, old));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        if new.get(field) != old.get(field) {
            let value = new.get(field).cloned().unwrap_or_default();
            errors.push(FieldError::invalid(path().child(field), value, IMMUTABLE));
        }
    }
    if let (Some(now), Some(before)) =
        (super::read::int(new, "generation"), super::read::int(old, "generation"))
        && now < before
    {
        let detail = "must not be decremented";
        errors.push(FieldError::invalid(path().child("generation"), now, detail));
    }
    errors.extend(common(new));
    errors
}

fn new_finalizers(new: &Value, old: &Value) -> ErrorList {
    let old = items(old, "finalizers");
    let added: Vec<String> = items(new, "finalizers")
        .iter()
        .filter(|f| !old.contains(f))
        .map(Value::to_string)
        .collect();
    if added.is_empty() {
        return ErrorList::new();
    }
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    vec![FieldError::forbidden(path().child("finalizers"), detail)]
}

/// The error of an update that names no version where the kind asks for one.
pub fn version_required() -> FieldError {
    FieldError::invalid(path().child("resourceVersion"), 0, "must be specified for an update")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_required() {
        let errors = metadata(&json!({"metadata": {"namespace": "n"}}), true, names::subdomain);
        assert_eq!(
            shown(&errors),
            ["metadata.name: Required value: name or generateName is required"]
        );
    }

    #[test]
    fn a_cluster_scoped_object_has_no_namespace() {
        let object = json!({"metadata": {"name": "a", "namespace": "n"}});
        assert_eq!(
            shown(&metadata(&object, false, names::subdomain)),
            ["metadata.namespace: Forbidden: not allowed on this type"]
        );
    }

    #[test]
    fn finalizers_are_qualified() {
        let object = json!({"metadata": {"name": "a", "finalizers": ["nope", "orphan", "a.b/c"]}});
        assert!(metadata(&object, false, names::subdomain).is_empty());
        assert_eq!(
            shown(&known_finalizers(&object)),
            [
                "metadata.finalizers[0]: Invalid value: \"nope\": name is neither a standard finalizer name nor is it fully qualified"
            ]
        );
        let odd = json!({"metadata": {"name": "a", "finalizers": ["a b/c"]}});
        assert_eq!(
            metadata(&odd, false, names::subdomain)[0].field.to_string(),
            "metadata.finalizers"
        );
    }

    #[test]
    fn an_update_keeps_identity() {
        let old = json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": "t", "finalizers": ["a.b/c"]}});
        let new = json!({"metadata": {"name": "a", "uid": "2", "deletionTimestamp": "t", "finalizers": ["a.b/d"]}});
        assert_eq!(
            shown(&metadata_update(&new, &old)),
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"a.b/d\"}",
                "metadata.uid: Invalid value: \"2\": field is immutable",
            ]
        );
    }

    #[test]
    fn names_of_field_managers() {
        let managed =
            json!([{"manager": "a\u{7}b"}, {"manager": "x".repeat(129)}, {"manager": "ok"}]);
        let object = json!({"metadata": {"name": "a", "managedFields": managed}});
        assert_eq!(
            shown(&metadata(&object, false, names::subdomain)),
            [
                "metadata.managedFields[0].manager: Invalid value: \"a\\u0007b\": invalid character U+0007 (at position 1)",
                "metadata.managedFields[1].manager: Too long: may not be more than 128 bytes",
            ]
        );
    }

    #[test]
    fn one_controller() {
        let owner = |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": true});
        let object = json!({"metadata": {"name": "a", "ownerReferences": [owner("x"), owner("y"), {"uid": "z"}]}});
        let errors = shown(&metadata(&object, false, names::subdomain));
        assert_eq!(errors.len(), 4);
        assert!(errors[3].ends_with("in references for Pod/x and Pod/y"), "{errors:?}");
    }
}
