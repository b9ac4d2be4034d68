//! The parameters of operations.

use super::Dialect;
use serde_json::{Value, json};

const LIST: &[(&str, &str, &str)] = &[
    ("allowWatchBookmarks", "boolean", "Asks a watch for events of type BOOKMARK."),
    ("continue", "string", "The token of an earlier page, to get the next one."),
    ("fieldSelector", "string", "Restricts the objects by their fields; everything by default."),
    ("labelSelector", "string", "Restricts the objects by their labels; everything by default."),
    (
        "limit",
        "integer",
        "The most objects in one page; the answer's `continue` leads to the next.",
    ),
    ("resourceVersion", "string", "The version from which the answer may come."),
    (
        "resourceVersionMatch",
        "string",
        "How `resourceVersion` is meant: `NotOlderThan` or `Exact`.",
    ),
    ("sendInitialEvents", "boolean", "Begins a watch with the present objects and a bookmark."),
    ("timeoutSeconds", "integer", "Ends the call after that many seconds."),
];
const WATCH: &[(&str, &str, &str)] =
    &[("watch", "boolean", "Sends the changes of the objects as they happen.")];
const WRITE: &[(&str, &str, &str)] = &[
    ("dryRun", "string", "`All`: everything is done but the storing."),
    ("fieldManager", "string", "Who makes the change, at most 128 printable characters."),
    (
        "fieldValidation",
        "string",
        "What becomes of unknown and duplicate fields: `Ignore` drops them, `Warn` drops them with a warning, `Strict` refuses them.",
    ),
];
const PATCH: &[(&str, &str, &str)] =
    &[("force", "boolean", "Takes fields over from other managers; only for apply patches.")];
const DELETE: &[(&str, &str, &str)] = &[
    ("dryRun", "string", "`All`: everything is done but the storing."),
    ("gracePeriodSeconds", "integer", "Seconds until the object is gone; zero deletes at once."),
    ("orphanDependents", "boolean", "Deprecated: use `propagationPolicy`."),
    (
        "propagationPolicy",
        "string",
        "What becomes of dependents: `Orphan`, `Background` or `Foreground`.",
    ),
];

/// The query parameters of an operation.
pub(super) fn of_action(dialect: Dialect, action: &str) -> Vec<Value> {
    let sets: &[&[(&str, &str, &str)]] = match action {
        "list" | "watch" | "watchlist" => &[LIST, WATCH],
        "post" | "put" => &[WRITE],
        "patch" => &[WRITE, PATCH],
        "delete" => &[DELETE],
        "deletecollection" => &[DELETE, LIST],
        _ => &[],
    };
    sets.iter()
        .flat_map(|set| set.iter())
        .map(|(name, ty, text)| query(dialect, name, ty, text))
        .collect()
}

fn query(dialect: Dialect, name: &str, ty: &str, text: &str) -> Value {
    match dialect {
        Dialect::V2 => {
            json!({"name": name, "in": "query", "type": ty, "uniqueItems": true, "description": text})
        }
        Dialect::V3 => json!({
            "name": name, "in": "query", "description": text,
            "schema": {"type": ty, "uniqueItems": true},
        }),
    }
}

/// A parameter in the path.
pub(super) fn in_path(dialect: Dialect, name: &str, text: &str) -> Value {
    match dialect {
        Dialect::V2 => json!({
            "name": name, "in": "path", "required": true, "type": "string", "uniqueItems": true,
            "description": text,
        }),
        Dialect::V3 => json!({
            "name": name, "in": "path", "required": true, "description": text,
            "schema": {"type": "string", "uniqueItems": true},
        }),
    }
}

/// `pretty`, which every path takes.
pub(super) fn pretty(dialect: Dialect) -> Value {
    query(dialect, "pretty", "string", "`true` indents the answer.")
}
