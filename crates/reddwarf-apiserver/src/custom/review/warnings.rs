//! What of a definition is valid but will not do what it seems to.

use super::schema_rules;
use crate::custom::check;
use crate::validation::read::{items, text};
use serde_json::Value;
use std::cell::RefCell;

/// The warnings for a definition that is created, or that replaces `old`.
pub fn warnings(new: &Value, old: Option<&Value>) -> Vec<String> {
    let before = old.map(all).unwrap_or_default();
    all(new).into_iter().filter(|warning| !before.contains(warning)).collect()
}

fn all(definition: &Value) -> Vec<String> {
    let versions = items(&definition["spec"], "versions");
    let schemas = versions.iter().filter_map(|v| v.pointer("/schema/openAPIV3Schema"));
    let (formats, sets) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let look = |schema: &Value| {
        let (ty, format) = (text(schema, "type"), text(schema, "format"));
        if !format.is_empty() && check::known_format(ty, format).is_none() {
            add(&formats, format!("unrecognized format {format:?}"));
        }
        let item = text(&schema["items"], "type");
        if text(schema, "x-kubernetes-list-type") == "set" && matches!(item, "object" | "array") {
            add(
                &sets,
                format!(
                    "x-kubernetes-list-type: set for items of type {item:?} is not supported by server-side apply or CEL validation rules"
                ),
            );
        }
        false
    };
    schemas.for_each(|schema| {
        schema_rules::any(schema, &look);
    });
    let (mut warnings, mut sets) = (formats.into_inner(), sets.into_inner());
    sets.sort_unstable();
    warnings.append(&mut sets);
    warnings
}

/// The same text is sent once.
fn add(to: &RefCell<Vec<String>>, warning: String) {
    let mut to = to.borrow_mut();
    if !to.contains(&warning) {
        to.push(warning);
    }
}
