//! Where a new branch begins.

use super::{PLURAL, find, no_branch, open};
use crate::commits::GROUP;
use crate::errors::{bad_request, history_error, invalid_object, read_error, unavailable};
use crate::object::name;
use crate::past::{Moment, resolve};
use crate::registry::Kind;
use crate::server::ApiServer;
use crate::validation::{FieldError, FieldPath};
use crate::verbs::Exchange;
use jiff::Timestamp;
use reddwarf_core::{
    BranchId, Commit, CommitPoint, CommitRef, History, LinePoint, Links, Reason, Revision, Status,
    View,
};
use serde_json::{Value, json};

/// Whether a kind is that of branches.
pub(crate) fn is_branch(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == PLURAL
}

/// Settles where a new branch begins, and says so in its object.
///
/// # Errors
/// 400 for a moment that is none, 404 for a commit or branch that is not there, 410 below the floor.
pub(crate) async fn begin(
    x: &Exchange<'_>,
    object: &mut Value,
    view: &View,
) -> Result<Links, Box<Status>> {
    check_name(x, name(object))?;
    let begins = match object["spec"]["from"].as_str().unwrap_or_default() {
        "" => LinePoint::of_main(view.head),
        from => point(x.server, from).await?,
    };
    let at = begins.at;
    let time = i64::try_from(at.time_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    object["spec"]["base"] = json!({
        "commit": at.commit.to_string(),
        "revision": at.revision.to_string(),
        "time": time.unwrap_or_default().to_string(),
    });
    if let Some((Some(name), _)) = view.line(begins.line) {
        object["spec"]["base"]["branch"] = json!(**name);
    }
    Ok(Links { begins: Some(begins), ..Links::default() })
}

/// The commit that a text names: a moment of main, a commit of any line by its id, `branches/NAME`
/// for the newest state of a branch, or `branches/NAME@MOMENT` for an earlier one.
///
/// # Errors
/// 400, 404 and 410 for what is none, or none any more.
pub(crate) async fn point(server: &ApiServer, text: &str) -> Result<LinePoint, Box<Status>> {
    let Some(of_branch) = text.strip_prefix("branches/") else {
        return of_moment(server, &Moment::parse(text).map_err(bad_request)?).await;
    };
    let (name, moment) = of_branch.split_once('@').unwrap_or((of_branch, ""));
    server.store().read_barrier().await.map_err(read_error)?;
    let branch = find(server, name).ok_or_else(|| no_branch(name))?;
    if moment.is_empty() {
        return Ok(LinePoint { line: branch.at.id, at: branch.at.head });
    }
    let branch = open(server, name).await?;
    of_moment(&branch, &Moment::parse(moment).map_err(bad_request)?).await
}

/// The commit of a moment of the line that `server` answers for; by its id that of any line.
async fn of_moment(server: &ApiServer, moment: &Moment) -> Result<LinePoint, Box<Status>> {
    let history = server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let revision = resolve(server, moment).await?;
    if revision == Revision::ZERO {
        return Ok(LinePoint::default());
    }
    if let Moment::Commit(named @ (CommitRef::Id(_) | CommitRef::Prefix(_))) = moment {
        let commit = history.commit(named).await.map_err(history_error)?;
        let there = |commit: &Commit| {
            let line = commit.header.branch;
            line == BranchId::MAIN || server.main().view().line(line).is_some()
        };
        return match commit {
            Some(commit) if there(&commit) => Ok(of_commit(&commit)),
            _ => Err(bad_request("the commit is that of a branch which was removed")),
        };
    }
    newest(history, revision).await
}

/// The newest commit of a line up to a revision that another one may have taken.
async fn newest(history: &dyn History, revision: Revision) -> Result<LinePoint, Box<Status>> {
    let mut through = Some(revision);
    while let Some(until) = through {
        let page = history.commits(BranchId::MAIN, Revision::ZERO, until, 1).await;
        let page = page.map_err(history_error)?;
        if let Some(commit) = page.commits.first() {
            return Ok(of_commit(commit));
        }
        through = page.next;
    }
    let message = format!("history has no commit up to revision {revision}");
    Err(Box::new(Status::failure(Reason::NotFound, message)))
}

fn of_commit(commit: &Commit) -> LinePoint {
    let header = &commit.header;
    let at = CommitPoint { commit: commit.id, revision: header.last, time_ms: header.time_ms };
    LinePoint { line: header.branch, at }
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
