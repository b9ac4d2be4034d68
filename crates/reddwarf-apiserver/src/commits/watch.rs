//! Watches of commits: what is applied from now on, and before that what the history has of it.
//!
//! Nothing is closed for being slow here, nor for having been away long: what is no longer
//! remembered is read from the history, as far back as that goes.

use super::filter::Filter;
use super::object;
use crate::errors::history_error;
use crate::http::Answer;
use crate::selection::Selection;
use crate::verbs::{Exchange, Source, open_watch};
use async_trait::async_trait;
use reddwarf_core::history::COMMITS_PAGE_MAX;
use reddwarf_core::{
    BranchId, ChangeEvent, Collection, Commit, CommitStream, History, HistoryError, ReadError,
    Revision, Status, Store, WatchBatch, WatchClosed, WatchStream,
};
use std::sync::Arc;

/// Revisions of which the history is asked at a time.
const SPAN: u64 = 2_000;

/// GET with `watch=true`.
///
/// # Errors
/// The failure to be answered.
pub(super) async fn watch(x: &Exchange<'_>, history: &dyn History) -> Result<Answer, Box<Status>> {
    let filter = Filter::read(x)?;
    let floor = history.floor().await.map_err(history_error)?;
    let begin = |from: Revision| -> Result<Box<dyn WatchStream>, ReadError> {
        if from < floor {
            return Err(ReadError::Gone { asked: from, floor });
        }
        let view = x.server.store().view();
        // What followed there is not what this history has.
        if view.is_lost(from) {
            return Err(ReadError::Gone { asked: from, floor: view.counted_from() });
        }
        Ok(Box::new(Commits {
            store: x.server.store().clone(),
            collection: x.kind.storage.collection.clone(),
            filter: filter.clone(),
            read: from,
            ended: from,
            recent: None,
        }))
    };
    let source = Source { changes: &begin, whole_from: Some(floor) };
    open_watch(x, Selection::everything(), source).await
}

/// Commits as changes: each is an object that is made.
struct Commits {
    store: Arc<dyn Store>,
    collection: Collection,
    filter: Filter,
    /// Everything up to here was looked at.
    read: Revision,
    /// The newest commit end among that.
    ended: Revision,
    /// What is applied, once the history is read up to there.
    recent: Option<Box<dyn CommitStream>>,
}

impl Commits {
    /// The next commits, perhaps none.
    async fn more(&mut self) -> Result<Vec<Commit>, WatchClosed> {
        if let Some(recent) = &mut self.recent {
            match recent.next().await {
                Ok(commits) => {
                    self.read = commits.last().map_or(self.read, |last| last.header.last);
                    self.ended = self.read;
                    return Ok(commits);
                }
                Err(WatchClosed::TooSlow) => self.recent = None,
                Err(stopping) => return Err(stopping),
            }
        }
        match self.store.watch_commits(BranchId::MAIN, self.read) {
            // Whoever waits for the end of what there is learns of it.
            Ok(recent) => {
                self.recent = Some(recent);
                Ok(Vec::new())
            }
            Err(ReadError::Gone { .. }) => self.earlier().await,
            Err(_) => Err(WatchClosed::Stopping),
        }
    }

    /// The next commits that the history has.
    async fn earlier(&mut self) -> Result<Vec<Commit>, WatchClosed> {
        let view = self.store.view();
        let newest = view.revision;
        // There is nothing within what was lost, which may be long.
        if let Some(lost) = view.lost.iter().find(|lost| lost.after == self.read) {
            self.read = lost.through;
        }
        let through = Revision(self.read.0.saturating_add(SPAN)).min(newest);
        if through == self.read {
            return Err(WatchClosed::TooSlow);
        }
        let commits =
            between(&self.store, self.read, through).await.map_err(|error| match error {
                HistoryError::Gone { .. } => WatchClosed::TooSlow,
                error => {
                    tracing::warn!(%error, "a watch of commits ends");
                    WatchClosed::Stopping
                }
            })?;
        self.read = through;
        self.ended = match commits.last() {
            _ if through == newest => newest,
            Some(last) => last.header.last,
            None => self.ended,
        };
        Ok(commits)
    }

    fn event(&self, commit: &Commit) -> Arc<ChangeEvent> {
        let shown = object::value(commit, self.filter.namespace.as_deref());
        let object = Arc::new(object::stored(&self.collection, commit, &shown));
        let (key, end) = (object.key.clone(), commit.header.last);
        Arc::new(ChangeEvent::new(key, end, end, None, Some(object)))
    }
}

/// The commits between two revisions, oldest first.
async fn between(
    store: &Arc<dyn Store>,
    after: Revision,
    through: Revision,
) -> Result<Vec<Commit>, HistoryError> {
    let missing = || HistoryError::Unavailable("this store keeps no history".to_owned());
    let history = store.history().ok_or_else(missing)?;
    let floor = history.floor().await?;
    if after < floor {
        return Err(HistoryError::Gone { asked: after, floor });
    }
    let (mut commits, mut next) = (Vec::new(), Some(through));
    while let Some(through) = next {
        let page = history.commits(BranchId::MAIN, after, through, COMMITS_PAGE_MAX).await?;
        commits.extend(page.commits);
        next = page.next;
    }
    commits.reverse();
    Ok(commits)
}

#[async_trait]
impl WatchStream for Commits {
    async fn next(&mut self) -> Result<WatchBatch, WatchClosed> {
        loop {
            let reads_back = self.recent.is_none();
            let commits = self.more().await?;
            let meant = commits.iter().filter(|commit| self.filter.means(commit));
            let events: Vec<_> = meant.map(|commit| self.event(commit)).collect();
            let caught_up = reads_back && self.recent.is_some();
            if !events.is_empty() || caught_up {
                return Ok(WatchBatch { events, through: self.ended });
            }
        }
    }

    fn progress(&mut self) -> Revision {
        let reached = self.recent.as_mut().map_or(self.read, |recent| recent.progress());
        // Where the history was read up to may lie within a commit.
        if reached > self.read {
            (self.read, self.ended) = (reached, reached);
        }
        self.ended
    }
}
