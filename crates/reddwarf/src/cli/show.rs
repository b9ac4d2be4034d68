//! `reddwarf show`: one commit, field by field.

use super::GroupFlags;
use super::log::{COMMITS, escaped, paragraph, text};
use clap::Args;
use miette::Result;
use serde_json::Value;

#[derive(Args, Debug)]
pub(super) struct ShowFlags {
    /// The commit: a revision, an id, or the first digits of one
    commit: String,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn run(flags: &ShowFlags) -> Result<()> {
    let client = flags.group.client()?;
    // A commit is found in any namespace.
    let path = format!("{COMMITS}/namespaces/default/commits/{}", escaped(&flags.commit));
    let commit = super::client_runtime()?.block_on(client.get_json(&path))?;
    print!("{}{}", paragraph(&commit), fields(&commit));
    Ok(())
}

/// What changed within each object, the old value above the new one.
fn fields(commit: &Value) -> String {
    let mut out = String::new();
    for change in commit["changes"].as_array().into_iter().flatten() {
        if change["fields"].is_array() {
            out.push_str(&format!("{}\n", super::log::named(change)));
            out.push_str(&fields_of(change));
        }
    }
    out
}

/// What changed within one object.
pub(super) fn fields_of(change: &Value) -> String {
    let mut out = String::new();
    for field in change["fields"].as_array().into_iter().flatten() {
        out.push_str(&format!("  {}\n", text(field, "/path")));
        for (sign, side) in [('-', "before"), ('+', "after")] {
            if let Some(value) = field.get(side) {
                out.push_str(&format!("    {sign} {value}\n"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changed_fields_are_shown_with_both_values() {
        let commit = json!({"changes": [
            {"group": "apps", "resource": "deployments", "namespace": "shop", "name": "web",
             "fields": [
                {"path": ".spec.replicas", "before": 2, "after": 3},
                {"path": ".metadata.labels", "after": {"a": "b"}},
             ]},
            {"resource": "pods", "name": "made"},
        ]});
        assert_eq!(
            fields(&commit),
            "deployments.apps/web in shop\n  .spec.replicas\n    - 2\n    + 3\n  \
             .metadata.labels\n    + {\"a\":\"b\"}\n"
        );
    }
}
