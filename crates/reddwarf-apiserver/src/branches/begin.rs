//! Where a new branch begins.

use super::PLURAL;
use crate::commits::GROUP;
use crate::errors::{bad_request, history_error, invalid_object, unavailable};
use crate::object::name;
use crate::past::{Moment, resolve};
use crate::registry::Kind;
use crate::validation::{FieldError, FieldPath};
use crate::verbs::Exchange;
use jiff::Timestamp;
use reddwarf_core::{
    BranchId, Commit, CommitPoint, CommitRef, History, Links, Reason, Revision, Status, View,
};
use serde_json::{Value, json};

/// Whether a kind is that of branches.
pub(crate) fn is_branch(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == PLURAL
}

/// Settles where a new branch begins, and says so in its object.
///
/// # Errors
/// 400 for a moment that is none, 404 for a commit that is not there, 410 below the floor.
pub(crate) async fn begin(
    x: &Exchange<'_>,
    object: &mut Value,
    view: &View,
) -> Result<Links, Box<Status>> {
    check_name(x, name(object))?;
    let from = object["spec"]["from"].as_str().unwrap_or_default();
    let at = match from {
        "" => view.head,
        from => of_moment(x, &Moment::parse(from).map_err(bad_request)?).await?,
    };
    let time = i64::try_from(at.time_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    object["spec"]["base"] = json!({
        "commit": at.commit.to_string(),
        "revision": at.revision.to_string(),
        "time": time.unwrap_or_default().to_string(),
    });
    Ok(Links { begins: Some(at), ..Links::default() })
}

async fn of_moment(x: &Exchange<'_>, moment: &Moment) -> Result<CommitPoint, Box<Status>> {
    let revision = resolve(x.server, moment).await?;
    if revision == Revision::ZERO {
        return Ok(CommitPoint::default());
    }
    let history = x.server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let commit = history.commit(&CommitRef::Revision(revision)).await.map_err(history_error)?;
    let of_main = |commit: &Commit| commit.header.branch == BranchId::MAIN;
    if let Some(commit) = commit.as_ref().filter(|commit| of_main(commit)) {
        return Ok(point(commit));
    }
    if matches!(moment, Moment::Commit(CommitRef::Id(_) | CommitRef::Prefix(_))) {
        return Err(bad_request(
            "the commit is another branch's: branches begin at commits of main",
        ));
    }
    newest_of_main(history, revision).await
}

/// The newest commit of main up to a revision that a branch took.
async fn newest_of_main(
    history: &dyn History,
    revision: Revision,
) -> Result<CommitPoint, Box<Status>> {
    let mut through = Some(revision);
    while let Some(until) = through {
        let page = history.commits(BranchId::MAIN, Revision::ZERO, until, 1).await;
        let page = page.map_err(history_error)?;
        if let Some(commit) = page.commits.first() {
            return Ok(point(commit));
        }
        through = page.next;
    }
    let message = format!("history has no commit of main up to revision {revision}");
    Err(Box::new(Status::failure(Reason::NotFound, message)))
}

fn point(commit: &Commit) -> CommitPoint {
    let header = &commit.header;
    CommitPoint { commit: commit.id, revision: header.last, time_ms: header.time_ms }
}

/// # Errors
/// 422 for a name that means something else.
fn check_name(x: &Exchange<'_>, name: &str) -> Result<(), Box<Status>> {
    if name != "main" {
        return Ok(());
    }
    let path = FieldPath::new("metadata").child("name");
    let error = FieldError::forbidden(path, "the live state of the cluster has this name");
    Err(invalid_object(x.kind, name, &[error]))
}
