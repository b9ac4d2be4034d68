//! Fields that an applied configuration changes although others own them.

use super::entry::Manager;
use super::set::Set;
use reddwarf_core::status::{StatusCause, StatusDetails};
use reddwarf_core::{Reason, Status};

/// A field, and who else owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The owner as messages name it.
    pub manager: String,
    /// The text by which owners are sorted.
    pub sort_key: String,
    /// The field as messages show it, e.g. `.spec.replicas`.
    pub path: String,
}

/// The conflicts over `fields` with `manager`.
pub fn with_manager(manager: &Manager<'_>, fields: &Set<'_>) -> Vec<Conflict> {
    let (shown, sort_key) = (manager.to_string(), manager.sort_key());
    let mut conflicts = Vec::new();
    fields.each_path(&mut |path| {
        conflicts.push(Conflict {
            manager: shown.clone(),
            sort_key: sort_key.clone(),
            path: path.to_owned(),
        });
    });
    conflicts
}

/// Those conflicts that are about none of the `allowed` fields.
pub fn beyond(conflicts: &[Conflict], allowed: &Set<'_>) -> Vec<Conflict> {
    let mut left = conflicts.to_vec();
    allowed.each_path(&mut |path| left.retain(|conflict| conflict.path != path));
    left
}

/// The 409 that tells them; there is at least one.
pub fn status(mut conflicts: Vec<Conflict>) -> Status {
    conflicts.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
    let message = match &conflicts[..] {
        [one] => {
            format!("Apply failed with 1 conflict: conflict with {}: {}", one.manager, one.path)
        }
        many => format!("Apply failed with {} conflicts: {}", many.len(), by_manager(many)),
    };
    let causes = conflicts
        .into_iter()
        .map(|conflict| StatusCause {
            reason: "FieldManagerConflict".to_owned(),
            message: format!("conflict with {}", conflict.manager),
            field: conflict.path,
        })
        .collect();
    Status::failure(Reason::Conflict, message)
        .with_details(StatusDetails { causes, ..StatusDetails::default() })
}

fn by_manager(sorted: &[Conflict]) -> String {
    let mut lines = Vec::new();
    let mut last = None;
    for conflict in sorted {
        if last != Some(&conflict.sort_key) {
            lines.push(format!("conflicts with {}:", conflict.manager));
            last = Some(&conflict.sort_key);
        }
        lines.push(format!("- {}", conflict.path));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::entry::Operation;

    fn manager(name: &'static str, operation: Operation) -> Manager<'static> {
        let (api_version, subresource) = ("v1".into(), "".into());
        Manager { name: name.into(), operation, api_version, subresource }
    }

    #[test]
    fn one() {
        let conflicts =
            with_manager(&manager("carol", Operation::Update), &Set::of_paths(&["data.y"]));
        let status = status(conflicts);
        assert_eq!(
            status.message,
            "Apply failed with 1 conflict: conflict with \"carol\" using v1: .data.y"
        );
        let cause = &status.details.expect("details").causes[0];
        assert_eq!((cause.field.as_str(), status.code), (".data.y", 409));
        assert_eq!(cause.message, "conflict with \"carol\" using v1");
    }

    #[test]
    fn several_are_grouped_by_manager() {
        let mut conflicts =
            with_manager(&manager("b", Operation::Apply), &Set::of_paths(&["data.y", "data.x"]));
        conflicts.extend(with_manager(&manager("a", Operation::Apply), &Set::of_paths(&["spec"])));
        assert_eq!(
            status(conflicts).message,
            "Apply failed with 3 conflicts: conflicts with \"a\":\n- .spec\nconflicts with \"b\":\n- .data.x\n- .data.y"
        );
    }

    #[test]
    fn what_is_allowed_is_no_conflict() {
        let manager = manager("a", Operation::Apply);
        let conflicts = with_manager(&manager, &Set::of_paths(&["data.x", "data.y"]));
        let left = beyond(&conflicts, &Set::of_paths(&["data.x"]));
        assert_eq!(left.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), [".data.y"]);
    }
}
