//! Validation of definitions.
//!
//! Upstream validates an older form, in which what all versions have in common stands above them
//! (`spec.validation` rather than `spec.versions[0].schema`); errors name fields of that form.

pub mod approval;
mod conversion;
mod default;
mod field_path;
mod internal;
mod names;
mod parts;
pub(crate) mod schema_rules;
pub mod structural;
mod version;
mod warnings;

pub use warnings::warnings;

use crate::custom::lifecycle::condition;
use crate::validation::read::{at, flag, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, names as name_rules};
use conversion::conversion_errors;
use serde_json::Value;
use version::{Asked, Promoted};

/// Checks a new definition.
pub fn create(definition: &Value) -> ErrorList {
    let mut errors = name_errors(definition);
    errors.extend(spec_errors(definition, None));
    errors.extend(status_errors(definition));
    errors.extend(stored_version_errors(definition));
    errors.extend(approval::errors(definition, None));
    errors.extend(preserve_errors(definition, None));
    errors
}

/// Checks an update of a definition.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = spec_errors(new, Some(old));
    let spec = FieldPath::new("spec");
    let immutable = |path: &[&str]| {
        let (new, old) = (at(&new["spec"], path), at(&old["spec"], path));
        let field = path.iter().fold(spec.clone(), |field, name| field.child(name));
        (new != old).then(|| FieldError::invalid(field, new.clone(), "field is immutable"))
    };
    if condition::holds(old, "Established") {
        errors.extend(immutable(&["scope"]));
        errors.extend(immutable(&["names", "kind"]));
    }
    errors.extend(immutable(&["group"]));
    errors.extend(immutable(&["names", "plural"]));
    errors.extend(status_errors(new));
    errors.extend(stored_version_errors(new));
    errors.extend(approval::errors(new, Some(old)));
    errors.extend(preserve_errors(new, Some(old)));
    errors
}

/// Checks an update of a definition's status.
pub fn update_status(new: &Value, _old: &Value) -> ErrorList {
    status_errors(new)
}

fn name_errors(definition: &Value) -> ErrorList {
    let name = text(&definition["metadata"], "name");
    if name.is_empty() {
        return ErrorList::new();
    }
    let path = FieldPath::new("metadata").child("name");
    let mut wrong = name_rules::subdomain(name);
    let spec = &definition["spec"];
    let wanted = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    if name != wanted {
        wrong.push("must be spec.names.plural+\".\"+spec.group".to_owned());
    }
    wrong.into_iter().map(|why| FieldError::invalid(path.clone(), name, why)).collect()
}

fn spec_errors(definition: &Value, old: Option<&Value>) -> ErrorList {
    let (spec, path) = (&definition["spec"], FieldPath::new("spec"));
    let mut errors = group_errors(spec, &path);
    errors.extend(scope_error(spec, &path));
    let versions = items(spec, "versions");
    let promoted = Promoted::of(versions);
    let asked = Asked::of(spec, old.map(|old| &old["spec"]));
    let list = path.child("versions");
    if asked.schema && promoted.schema().is_none() {
        for (at, version) in versions.iter().enumerate() {
            if version.pointer("/schema/openAPIV3Schema").is_none() {
                let field = list.index(at).child("schema").child("openAPIV3Schema");
                errors.push(FieldError::required(field, ""));
            }
        }
    }
    let preserves = flag(spec, "preserveUnknownFields");
    if preserves && asked.has_defaults {
        let detail = "must be false in order to use defaults in the schema";
        errors.push(FieldError::invalid(path.child("preserveUnknownFields"), true, detail));
    }
    for (at, version) in versions.iter().enumerate() {
        errors.extend(name_error(version, list.index(at).child("name")));
        errors.extend(version::errors(version, &promoted, &asked, &list.index(at)));
    }
    errors.extend(uniqueness_errors(versions, &list));
    if let Some(first) = versions.first() {
        errors.extend(name_error(first, path.child("version")));
    }
    errors.extend(names::spec_errors(&spec["names"], &path.child("names")));
    errors.extend(version::promoted_errors(versions, &promoted, &asked, &path));
    let by_webhook = text(&spec["conversion"], "strategy") != "None";
    if preserves && by_webhook && spec["conversion"].is_object() {
        let field = path.child("conversion").child("strategy");
        let detail = "must be None if spec.preserveUnknownFields is true";
        errors.push(FieldError::invalid(field, text(&spec["conversion"], "strategy"), detail));
    }
    errors.extend(conversion_errors(spec, old, &path.child("conversion")));
    errors
}

fn group_errors(spec: &Value, path: &FieldPath) -> ErrorList {
    let (group, field) = (text(spec, "group"), path.child("group"));
    if group.is_empty() {
        return vec![FieldError::required(field, "")];
    }
    let wrong = name_rules::subdomain(group);
    if !wrong.is_empty() {
        return vec![FieldError::invalid(field, group, wrong.join(","))];
    }
    if group == crate::commits::GROUP {
        let detail = "must not be the group of the history of all objects";
        return vec![FieldError::invalid(field, group, detail)];
    }
    let detail = "should be a domain with at least one dot";
    match group.contains('.') {
        true => ErrorList::new(),
        false => vec![FieldError::invalid(field, group, detail)],
    }
}

fn scope_error(spec: &Value, path: &FieldPath) -> Option<FieldError> {
    one_of(text(spec, "scope"), &["Cluster", "Namespaced"], path.child("scope"))
}

/// A text that must be one of `allowed`.
fn one_of(value: &str, allowed: &[&str], path: FieldPath) -> Option<FieldError> {
    match value {
        "" => Some(FieldError::required(path, "")),
        value if allowed.contains(&value) => None,
        value => Some(FieldError::not_supported(path, value, allowed)),
    }
}

fn name_error(version: &Value, path: FieldPath) -> Option<FieldError> {
    let name = text(version, "name");
    let wrong = name_rules::dns_1035_label(name);
    (!wrong.is_empty()).then(|| FieldError::invalid(path, name, wrong.join(",")))
}

fn uniqueness_errors(versions: &[Value], list: &FieldPath) -> ErrorList {
    let name = |version: &Value| text(version, "name").to_owned();
    let again = |(at, version): (usize, &Value)| {
        versions[..at].iter().any(|before| name(before) == name(version))
    };
    let storage = versions.iter().filter(|version| flag(version, "storage")).count();
    let shown = || internal::versions(versions);
    let mut errors = ErrorList::new();
    if versions.iter().enumerate().any(again) {
        let detail = "must contain unique version names";
        errors.push(FieldError::invalid(list.clone(), shown(), detail));
    }
    if storage != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(list.clone(), shown(), detail));
    }
    errors
}

fn status_errors(definition: &Value) -> ErrorList {
    let path = FieldPath::new("status").child("acceptedNames");
    names::errors(&definition["status"]["acceptedNames"], &path)
}

fn stored_version_errors(definition: &Value) -> ErrorList {
    let path = FieldPath::new("status").child("storedVersions");
    let stored = &definition["status"]["storedVersions"];
    let listed = items(&definition["status"], "storedVersions");
    if listed.is_empty() {
        let detail = "must have at least one stored version";
        return vec![FieldError::invalid(path, Value::Null, detail)];
    }
    let versions = items(&definition["spec"], "versions");
    let mut errors = ErrorList::new();
    for version in versions.iter().filter(|version| flag(version, "storage")) {
        if !listed.contains(&version["name"]) {
            let detail = format!("must have the storage version {}", text(version, "name"));
            errors.push(FieldError::invalid(path.clone(), stored.clone(), detail));
        }
    }
    for (at, name) in listed.iter().enumerate() {
        if versions.iter().all(|version| version["name"] != *name) {
            let shown = name.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {shown} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {shown} and removes {shown} from status.storedVersions"
            );
            errors.push(FieldError::invalid(path.index(at), shown, detail));
        }
    }
    errors
}

fn preserve_errors(new: &Value, old: Option<&Value>) -> Option<FieldError> {
    let preserves = |definition: &Value| flag(&definition["spec"], "preserveUnknownFields");
    if !preserves(new) || old.is_some_and(preserves) {
        return None;
    }
    let path = FieldPath::new("spec").child("preserveUnknownFields");
    let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    Some(FieldError::invalid(path, true, detail))
}

#[cfg(test)]
mod tests;
