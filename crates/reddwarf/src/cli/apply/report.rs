//! What an apply tells: a line an object, and the commit.

use super::super::log::{named, text};
use super::super::show::fields_of;
use serde_json::Value;
use std::fmt::Write as _;

/// The digits of its id by which a commit is named.
const NAME_DIGITS: usize = 16;

/// The lines for the status of a set.
pub(super) fn lines(status: &Value, plan: bool) -> String {
    let mut out = String::new();
    for object in status["objects"].as_array().into_iter().flatten() {
        let (named, change) = (named(object), text(object, "/change").to_lowercase());
        let would = if plan && change != "unchanged" { "would be " } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{named} {would}{change}");
        out.push_str(&fields_of(object));
    }
    out.push_str(&end(status, plan));
    out
}

fn end(status: &Value, plan: bool) -> String {
    let commit = text(status, "/commit");
    match commit.get(..NAME_DIGITS) {
        Some(name) => format!("commit {name} at revision {}\n", text(status, "/lastRevision")),
        None if plan => "a plan only: nothing was changed\n".to_owned(),
        None => "everything is so already: no commit\n".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_an_object() {
        let object = |change: &str| {
            json!({"group": "apps", "resource": "deployments", "namespace": "shop", "name": "web",
                "change": change})
        };
        let mut configured = object("Configured");
        configured["fields"] = json!([{"path": ".spec.replicas", "before": 1, "after": 2}]);
        let mut status = json!({"objects": [
            {"group": "", "resource": "namespaces", "name": "shop", "change": "Created"},
            object("Unchanged"), configured,
        ]});
        assert_eq!(
            lines(&status, true),
            "namespaces/shop would be created\n\
             deployments.apps/web in shop unchanged\n\
             deployments.apps/web in shop would be configured\n  \
             .spec.replicas\n    - 1\n    + 2\n\
             a plan only: nothing was changed\n"
        );
        status["commit"] = "0123456789abcdef00".into();
        status["lastRevision"] = "42".into();
        assert!(lines(&status, false).ends_with("\ncommit 0123456789abcdef at revision 42\n"));
    }
}
