//! Kinds of the group `apps`.

mod daemon_set;
mod deployment;
mod replica_set;
mod revision;
mod rolling;
mod stateful_set;
mod status;

pub use daemon_set::{daemon_set, daemon_set_status, daemon_set_update};
pub use deployment::{deployment, deployment_status, deployment_update};
pub use replica_set::{replica_set, replica_set_status, replica_set_update};
pub use revision::{controller_revision, controller_revision_update};
pub use stateful_set::{stateful_set, stateful_set_status, stateful_set_update};

use super::read::has;
use super::workload::{matching, running_template as template};
use super::{ErrorList, FieldError, FieldPath, check, labels};
use serde_json::{Value, json};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

fn numbers(spec: &Value, fields: &[&str]) -> ErrorList {
    fields.iter().filter_map(|field| check::not_negative(spec, field, &path())).collect()
}

/// A selector that must select something, and the template whose pods it must select. A selector
/// that cannot be read is told of once more, with `unreadable`, and the template is not looked at.
fn selected_template(
    spec: &Value,
    empty: &str,
    unreadable: &str,
    template: impl FnOnce() -> ErrorList,
) -> ErrorList {
    let at = path().child("selector");
    if !has(spec, "selector") {
        let mut errors = vec![FieldError::required(at, "")];
        errors.extend(matching(spec));
        errors.extend(template());
        return errors;
    }
    let mut errors = labels::selector(&spec["selector"], &at);
    if !errors.is_empty() {
        errors.push(FieldError::invalid(at, labels::ordered(&spec["selector"]), unreadable));
        return errors;
    }
    if labels::selects_all(&spec["selector"]) {
        errors.push(FieldError::invalid(at, json!({}), empty));
    } else {
        errors.extend(matching(spec));
    }
    errors.extend(template());
    errors
}

fn kept_selector(new: &Value, old: &Value) -> Option<FieldError> {
    let (new, old) = (&new["spec"], &old["spec"]);
    let error = check::immutable(new, old, "selector", path().child("selector"))?;
    Some(FieldError { value: Some(labels::ordered(&new["selector"])), ..error })
}

#[cfg(test)]
fn shown(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}
