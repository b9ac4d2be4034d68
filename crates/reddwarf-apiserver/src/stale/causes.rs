//! The causes of a conflict.

use super::since::Since;
use crate::verbs::Exchange;
use jiff::Timestamp;
use reddwarf_core::status::StatusCause;
use reddwarf_core::{Commit, FieldPath, Revision};
use std::collections::BTreeMap;

/// Fields that one answer tells one by one.
const FIELDS_MAX: usize = 32;
/// Digits of its id by which a commit is named.
const NAMED_DIGITS: usize = 12;

/// What has changed since, a cause for each field.
///
/// A client that has not even read the object, and lost to writes of its own alone, knows all of
/// that: it gets exactly the answer that kube-apiserver is recorded to give.
pub(super) async fn of_changes(
    x: &Exchange<'_>,
    since: &Since<'_>,
    has_read: bool,
) -> Option<Vec<StatusCause>> {
    let mut fields = since.changed();
    let more = fields.len().saturating_sub(FIELDS_MAX);
    fields.truncate(FIELDS_MAX);
    let touched = since.touched(&fields).await?;
    let commits = since.commits(touched.iter().flatten().copied()).await?;
    let own = |commit: &Commit| {
        let author = &commit.header.author;
        author.user == x.user.name && author.field_manager == x.manager()
    };
    if !has_read && touched.iter().all(Option::is_some) && commits.values().all(own) {
        return None;
    }
    let told = fields.iter().zip(&touched).map(|(field, touched)| StatusCause {
        reason: "FieldValueChanged".to_owned(),
        message: format!("changed {}", by(*touched, &commits)),
        field: field.to_string(),
    });
    let mut causes: Vec<StatusCause> = told.collect();
    causes.extend(rest(more));
    (!causes.is_empty()).then_some(causes)
}

/// What a request changes that others have changed differently, a cause for each field.
pub(super) async fn of_overlap(
    x: &Exchange<'_>,
    since: &Since<'_>,
    fields: &[FieldPath],
) -> Vec<StatusCause> {
    let more = fields.len().saturating_sub(FIELDS_MAX);
    let fields = &fields[..fields.len() - more];
    let touched = since.touched(fields).await.unwrap_or_else(|| vec![None; fields.len()]);
    let base = since.base.revision;
    let wanted = touched.iter().flatten().copied().chain([base]);
    let commits = since.commits(wanted).await.unwrap_or_default();
    let told = fields.iter().zip(&touched).map(|(field, touched)| StatusCause {
        reason: "MergeConflict".to_owned(),
        message: format!(
            "base {}, ours by {} in this request, theirs {}",
            by(Some(base), &commits),
            named(&x.user.name, &x.manager()),
            by(*touched, &commits)
        ),
        field: field.to_string(),
    });
    let mut causes: Vec<StatusCause> = told.collect();
    causes.extend(rest(more));
    causes
}

/// Who changed something: `by ann (kubectl) in commit 0123456789ab, revision 7, at …`.
fn by(revision: Option<Revision>, commits: &BTreeMap<Revision, Commit>) -> String {
    let Some(revision) = revision else { return "in an earlier commit".to_owned() };
    let Some(commit) = commits.get(&revision) else { return format!("at revision {revision}") };
    let (id, header) = (commit.id.to_string(), &commit.header);
    let time = i64::try_from(header.time_ms).ok().map(Timestamp::from_millisecond);
    let time = time.and_then(Result::ok).unwrap_or(Timestamp::MAX);
    let author = named(&header.author.user, &header.author.field_manager);
    format!("by {author} in commit {}, revision {revision}, at {time}", &id[..NAMED_DIGITS])
}

fn named(user: &str, manager: &str) -> String {
    match manager {
        "" => user.to_owned(),
        manager => format!("{user} ({manager})"),
    }
}

fn rest(more: usize) -> Option<StatusCause> {
    let message = match more {
        0 => return None,
        1 => "1 more field".to_owned(),
        more => format!("{more} more fields"),
    };
    Some(StatusCause { reason: "FieldValueChanged".to_owned(), message, field: String::new() })
}
