//! The names of a kind.

use crate::validation::read::{items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, names};
use serde_json::Value;

/// Checks the names that a definition asks for; some must be given.
pub(super) fn spec_errors(wanted: &Value, path: &FieldPath) -> ErrorList {
    let missing = ["plural", "singular", "kind", "listKind"].into_iter();
    let missing = missing.filter(|field| text(wanted, field).is_empty());
    let mut found: ErrorList =
        missing.map(|field| FieldError::required(path.child(field), "")).collect();
    found.extend(errors(wanted, path));
    found
}

/// Checks names, given or not.
pub(super) fn errors(given: &Value, path: &FieldPath) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut check = |name: &str, field: FieldPath, mixed_case: bool| {
        let shown = if mixed_case { name.to_lowercase() } else { name.to_owned() };
        let wrong = names::dns_1035_label(&shown).join(",");
        if !wrong.is_empty() {
            let prefix = "may have mixed case, but should otherwise match: ";
            let detail = if mixed_case { format!("{prefix}{wrong}") } else { wrong };
            errors.push(FieldError::invalid(field, name, detail));
        }
    };
    for (field, mixed_case) in
        [("plural", false), ("singular", false), ("kind", true), ("listKind", true)]
    {
        let name = text(given, field);
        if !name.is_empty() {
            check(name, path.child(field), mixed_case);
        }
    }
    for (at, name) in items(given, "shortNames").iter().enumerate() {
        check(name.as_str().unwrap_or_default(), path.child("shortNames").index(at), false);
    }
    let categories = items(given, "categories").iter().enumerate();
    let kind = text(given, "kind");
    let same = !kind.is_empty() && kind == text(given, "listKind");
    let ambiguous =
        FieldError::invalid(path.child("listKind"), kind, "kind and listKind may not be the same");
    errors.extend(same.then_some(ambiguous));
    for (at, name) in categories {
        let name = name.as_str().unwrap_or_default();
        let wrong = names::dns_1035_label(name);
        if !wrong.is_empty() {
            let field = path.child("categories").index(at);
            errors.push(FieldError::invalid(field, name, wrong.join(",")));
        }
    }
    errors
}
