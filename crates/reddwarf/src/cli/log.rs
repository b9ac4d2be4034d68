//! `reddwarf log`: who changed what, newest first.

use super::GroupFlags;
use crate::client::{GroupClient, ObjectRef};
use clap::Args;
use form_urlencoded::byte_serialize;
use miette::Result;
use serde_json::Value;
use std::fmt::Write as _;

/// Where the API has the commits.
pub(super) const COMMITS: &str = "/apis/history.reddwarf.dev/v1alpha1";
/// Commits that one request asks for.
const PAGE: usize = 100;

#[derive(Args, Debug)]
pub(super) struct LogFlags {
    /// The object whose history is shown, such as deployments.apps/web or deploy/web
    object: Option<String>,
    /// Its namespace, or that of the objects that were changed
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Show the changes in all namespaces and outside of them
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Show what this user did only
    #[arg(long, value_name = "USER")]
    author: Option<String>,
    /// Show the history up to a moment: a revision, a commit, a time, or how long ago (-10m)
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    at: Option<String>,
    /// Show this many commits at most
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
    /// One line a commit
    #[arg(long)]
    oneline: bool,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn run(flags: &LogFlags) -> Result<()> {
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(print(flags, &client))
}

async fn print(flags: &LogFlags, client: &GroupClient) -> Result<()> {
    let path = path(flags, client).await?;
    let (mut left, mut token) = (flags.limit, String::new());
    while left > 0 {
        let limit = left.min(PAGE);
        let page = client.get_json(&format!("{path}&limit={limit}&continue={token}")).await?;
        let commits = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        for commit in commits {
            print!("{}", if flags.oneline { line(commit) } else { paragraph(commit) });
        }
        left = left.saturating_sub(commits.len());
        match page["metadata"]["continue"].as_str() {
            Some(next) if !next.is_empty() => token = next.to_owned(),
            _ => break,
        }
    }
    Ok(())
}

async fn path(flags: &LogFlags, client: &GroupClient) -> Result<String> {
    let mut terms = Vec::new();
    let mut all = flags.all_namespaces;
    if let Some(object) = &flags.object {
        let object = ObjectRef::resolve(client, object, &flags.namespace).await?;
        all |= object.namespace.is_empty();
        terms.push(format!("object={}", object.named()));
    }
    terms.extend(flags.author.as_ref().map(|author| format!("author={author}")));
    let moment = flags.at.as_ref().map(|moment| format!("/at/{}", escaped(moment)));
    let moment = moment.unwrap_or_default();
    let place = if all { String::new() } else { format!("/namespaces/{}", flags.namespace) };
    let selector = escaped(&terms.join(","));
    Ok(format!("{moment}{COMMITS}{place}/commits?fieldSelector={selector}"))
}

/// A text as it stands in a path or a query.
pub(super) fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `0123456789abcdef      42 eve patch deployments.apps/web: message`
fn line(commit: &Value) -> String {
    let message = match text(commit, "/message") {
        "" => String::new(),
        message => format!(": {}", message.lines().next().unwrap_or_default()),
    };
    format!(
        "{} {:>8} {} {} {}{message}\n",
        text(commit, "/metadata/name"),
        text(commit, "/lastRevision"),
        text(commit, "/author/user"),
        text(commit, "/verb"),
        text(commit, "/summary"),
    )
}

/// A commit as git shows one.
pub(super) fn paragraph(commit: &Value) -> String {
    let mut out = format!("commit {}\n", text(commit, "/id"));
    let field = |out: &mut String, name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<10}{value}");
        }
    };
    let parents: Vec<&str> =
        commit["parents"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if parents.len() > 1 {
        field(&mut out, "Merge:", &parents.join(" "));
    }
    field(&mut out, "Revision:", text(commit, "/lastRevision"));
    field(&mut out, "Author:", text(commit, "/author/user"));
    field(&mut out, "Manager:", text(commit, "/author/fieldManager"));
    field(&mut out, "Date:", text(commit, "/time"));
    field(&mut out, "Verb:", text(commit, "/verb"));
    out.push('\n');
    for line in text(commit, "/message").lines() {
        let _ = writeln!(out, "    {line}");
    }
    if !text(commit, "/message").is_empty() {
        out.push('\n');
    }
    for change in commit["changes"].as_array().into_iter().flatten() {
        let _ = writeln!(out, "    {} {}", text(change, "/change"), named(change));
    }
    out.push('\n');
    out
}

/// `deployments.apps/web in shop`
pub(super) fn named(change: &Value) -> String {
    let (group, resource) = (text(change, "/group"), text(change, "/resource"));
    let dot = if group.is_empty() { "" } else { "." };
    let place = match text(change, "/namespace") {
        "" => String::new(),
        namespace => format!(" in {namespace}"),
    };
    format!("{resource}{dot}{group}/{}{place}", text(change, "/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn commit() -> Value {
        json!({
            "metadata": {"name": "0123456789abcdef"}, "id": "0123456789abcdef00", "parents": ["aa"],
            "lastRevision": "42", "time": "2026-01-01T00:00:00Z", "verb": "patch",
            "author": {"user": "eve", "fieldManager": "kubectl"},
            "message": "more replicas\nas asked", "summary": "deployments.apps/web",
            "changes": [{"group": "apps", "resource": "deployments", "namespace": "shop",
                "name": "web", "change": "Updated"}],
        })
    }

    #[test]
    fn commits_are_shown_as_by_git() {
        assert_eq!(
            paragraph(&commit()),
            "commit 0123456789abcdef00\n\
             Revision: 42\n\
             Author:   eve\n\
             Manager:  kubectl\n\
             Date:     2026-01-01T00:00:00Z\n\
             Verb:     patch\n\
             \n    more replicas\n    as asked\n\
             \n    Updated deployments.apps/web in shop\n\n"
        );
        assert_eq!(
            line(&commit()),
            "0123456789abcdef       42 eve patch deployments.apps/web: more replicas\n"
        );
    }

    #[test]
    fn selectors_are_escaped() {
        assert_eq!(escaped("object=deployments.apps/web"), "object%3Ddeployments.apps%2Fweb");
        assert_eq!(escaped("2026-01-01T00:00:00Z"), "2026-01-01T00%3A00%3A00Z");
    }
}
