//! What an apply tells: a line an object, and the commit.

use serde_json::Value;
use std::fmt::Write as _;

/// The digits of its id by which a commit is named.
const NAME_DIGITS: usize = 16;

/// The lines for the status of a set; `namespace` is the one that needs no mention.
pub(super) fn lines(status: &Value, namespace: &str, plan: bool) -> String {
    let mut out = String::new();
    for object in status["objects"].as_array().into_iter().flatten() {
        let (named, change) = (named(object), text(object, "change").to_lowercase());
        let would = if plan && change != "unchanged" { "would be " } else { "" };
        let place = match text(object, "namespace") {
            place if place.is_empty() || place == namespace => String::new(),
            place => format!(" in {place}"),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{named} {would}{change}{place}");
        for field in object["fields"].as_array().into_iter().flatten() {
            let value = |side: &str| field.get(side).map_or("nothing".into(), Value::to_string);
            let (path, before, after) = (text(field, "path"), value("before"), value("after"));
            let _ = writeln!(out, "    {path}: {before} -> {after}");
        }
    }
    out.push_str(&end(status, plan));
    out
}

fn end(status: &Value, plan: bool) -> String {
    let commit = text(status, "commit");
    match commit.get(..NAME_DIGITS) {
        Some(name) => format!("commit {name} at revision {}\n", text(status, "lastRevision")),
        None if plan => "a plan only: nothing was changed\n".to_owned(),
        None => "everything is so already: no commit\n".to_owned(),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn named(object: &Value) -> String {
    let (resource, name) = (text(object, "resource"), text(object, "name"));
    match text(object, "group") {
        "" => format!("{resource}/{name}"),
        group => format!("{resource}.{group}/{name}"),
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
            lines(&status, "default", true),
            "namespaces/shop would be created\n\
             deployments.apps/web unchanged in shop\n\
             deployments.apps/web would be configured in shop\n    \
             .spec.replicas: 1 -> 2\n\
             a plan only: nothing was changed\n"
        );
        status["commit"] = "0123456789abcdef00".into();
        status["lastRevision"] = "42".into();
        assert!(
            lines(&status, "shop", false)
                .ends_with("deployments.apps/web configured\n    .spec.replicas: 1 -> 2\ncommit 0123456789abcdef at revision 42\n")
        );
    }
}
