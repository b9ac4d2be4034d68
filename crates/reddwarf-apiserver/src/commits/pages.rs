//! Pages of commits, newest first.

use super::filter::Filter;
use crate::errors::history_error;
use reddwarf_core::history::COMMITS_PAGE_MAX;
use reddwarf_core::{
    BranchId, CommitPage, CommitRef, History, HistoryError, ObjectKey, Revision, Status,
};

/// Commits that one request looks at: a page of rare ones ends early rather than taking minutes,
/// and its token leads on.
const LOOKED_AT_MAX: usize = 20_000;

/// Commits up to `through` that `filter` means, at most `limit` of them.
///
/// # Errors
/// The failure to be answered.
pub(super) async fn read(
    history: &dyn History,
    filter: &Filter,
    through: Revision,
    limit: Option<usize>,
) -> Result<CommitPage, Box<Status>> {
    let limit = limit.unwrap_or(COMMITS_PAGE_MAX).min(COMMITS_PAGE_MAX);
    let page = match &filter.object {
        Some(key) => of_object(history, filter, key, through, limit).await,
        None => of_all(history, filter, through, limit).await,
    };
    page.map_err(history_error)
}

async fn of_all(
    history: &dyn History,
    filter: &Filter,
    through: Revision,
    limit: usize,
) -> Result<CommitPage, HistoryError> {
    let mut found = CommitPage { commits: Vec::new(), next: Some(through) };
    let mut looked_at = 0;
    while let Some(through) = found.next.filter(|_| looked_at < LOOKED_AT_MAX) {
        let page =
            history.commits(BranchId::MAIN, Revision::ZERO, through, COMMITS_PAGE_MAX).await?;
        looked_at += page.commits.len();
        found.next = page.next;
        for commit in page.commits.into_iter().filter(|commit| filter.matches(commit)) {
            if found.commits.len() == limit {
                found.next = Some(commit.header.last);
                return Ok(found);
            }
            found.commits.push(commit);
        }
    }
    Ok(found)
}

async fn of_object(
    history: &dyn History,
    filter: &Filter,
    key: &ObjectKey,
    through: Revision,
    limit: usize,
) -> Result<CommitPage, HistoryError> {
    let mut found = CommitPage::default();
    let (mut before, mut looked_at) = (through.next(), 0);
    while looked_at < LOOKED_AT_MAX {
        let log = history.object_log(BranchId::MAIN, key, Some(before), COMMITS_PAGE_MAX).await?;
        let Some(oldest) = log.last() else { return Ok(found) };
        before = oldest.revision;
        looked_at += log.len();
        for entry in log {
            // What retention removed meanwhile is not found any more.
            let of = CommitRef::Revision(entry.revision);
            let Some(commit) = history.commit(&of).await? else { continue };
            if !filter.matches(&commit) {
                continue;
            }
            if found.commits.len() == limit {
                found.next = Some(commit.header.last);
                return Ok(found);
            }
            found.commits.push(commit);
        }
    }
    found.next = before.0.checked_sub(1).map(Revision);
    Ok(found)
}
