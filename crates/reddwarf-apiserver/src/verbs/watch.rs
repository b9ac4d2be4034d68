//! Opens watches.

use super::Exchange;
use super::read::not_older;
use crate::errors::{version_too_large, watch_too_old};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::ReadOptions;
use crate::selection::Selection;
use crate::watch::{Framing, Start, Watcher};
use rand::Rng;
use reddwarf_core::{ReadError, Reason, Revision, Status, WatchStream};
use std::time::Duration;
use tokio::time::Instant;

/// A watch that names no timeout ends after a random time from this to twice this.
const TIMEOUT_SECONDS_MIN: u64 = 30 * 60;

/// GET with `watch=true`.
pub async fn watch(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let selection = Selection::read(x)?;
    let collection = &x.kind.storage.collection;
    let source =
        Source { changes: &|from| x.server.store().watch(collection, from), whole_from: None };
    open(x, selection, source).await
}

/// What a watch tells.
pub(crate) struct Source<'s> {
    /// The changes after a revision.
    pub(crate) changes: &'s (dyn Fn(Revision) -> Result<Box<dyn WatchStream>, ReadError> + Sync),
    /// Where what there is comes of changes as well: the revision before the first of them.
    pub(crate) whole_from: Option<Revision>,
}

/// Opens a watch of what a source tells and `selection` means.
///
/// # Errors
/// The failure to be answered.
pub(crate) async fn open(
    x: &Exchange<'_>,
    selection: Selection,
    source: Source<'_>,
) -> Result<Answer, Box<Status>> {
    let options = ReadOptions::read(x.query, true)?;
    if x.accept.yaml {
        let message = "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        return Err(Box::new(Status::failure(Reason::NotAcceptable, message)));
    }
    let seconds = options
        .timeout_seconds
        .unwrap_or_else(|| rand::rng().random_range(TIMEOUT_SECONDS_MIN..2 * TIMEOUT_SECONDS_MIN));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let framing = Framing::new(x)?;
    let start = start(x, &options, &source, deadline).await?;
    let watcher = Watcher::new(x, selection, framing, &options, start, deadline);
    Ok(Answer::ok(Content::Watch(watcher.into_stream())))
}

/// Where the watch begins.
async fn start(
    x: &Exchange<'_>,
    options: &ReadOptions,
    source: &Source<'_>,
    deadline: Instant,
) -> Result<Start, Box<Status>> {
    let store = x.server.store();
    let initial = options.initial_events.unwrap_or(false);
    let version = options.revision.filter(|r| *r != Revision::ZERO);
    let with_state = initial || (options.initial_events.is_none() && version.is_none());
    if with_state {
        let view = not_older(x, options.revision).await?;
        let from = source.whole_from.unwrap_or(view.revision);
        return Ok(match (source.changes)(from) {
            Ok(stream) => Start::State { view, stream, marked: initial },
            Err(_) => Start::Failed(watch_too_old(view.revision.0, view.revision)),
        });
    }
    let from = match version {
        Some(version) => version,
        None => not_older(x, options.revision).await?.revision,
    };
    let known = store.view().revision;
    if from > known && !reached(x, from, deadline).await {
        let ended = Instant::now() >= deadline;
        let failed = || Start::Failed(version_too_large(from.0, store.view().revision));
        return Ok(if ended { Start::Ended } else { failed() });
    }
    Ok(match (source.changes)(from) {
        Ok(stream) => Start::Changes { stream },
        Err(ReadError::Gone { floor, .. }) => Start::Failed(watch_too_old(from.0, floor)),
        Err(other) => Start::Failed(crate::errors::read_error(other)),
    })
}

async fn reached(x: &Exchange<'_>, version: Revision, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    x.server.store().wait_for(version, left.min(super::read::FUTURE_WAIT)).await
}
