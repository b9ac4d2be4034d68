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
use reddwarf_core::{Reason, Revision, Status};
use std::time::Duration;
use tokio::time::Instant;

/// A watch that names no timeout ends after a random time from this to twice this.
const TIMEOUT_SECONDS_MIN: u64 = 30 * 60;

/// GET with `watch=true`.
pub async fn watch(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = ReadOptions::read(x.query, true)?;
    let selection = Selection::read(x)?;
    if x.accept.yaml {
        let message = "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        return Err(Box::new(Status::failure(Reason::NotAcceptable, message)));
    }
    let seconds = options
        .timeout_seconds
        .unwrap_or_else(|| rand::rng().random_range(TIMEOUT_SECONDS_MIN..2 * TIMEOUT_SECONDS_MIN));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let framing = Framing::new(x)?;
    let start = start(x, &options, deadline).await?;
    let watcher = Watcher::new(x, selection, framing, &options, start, deadline);
    Ok(Answer::ok(Content::Watch(watcher.into_stream())))
}

/// Where the watch begins.
async fn start(
    x: &Exchange<'_>,
    options: &ReadOptions,
    deadline: Instant,
) -> Result<Start, Box<Status>> {
    let collection = &x.kind.storage.collection;
    let store = x.server.store();
    let initial = options.initial_events.unwrap_or(false);
    let version = options.revision.filter(|r| *r != Revision::ZERO);
    let with_state = initial || (options.initial_events.is_none() && version.is_none());
    if with_state {
        let view = not_older(x, options.revision).await?;
        return Ok(match store.watch(collection, view.revision) {
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
    Ok(match store.watch(collection, from) {
        Ok(stream) => Start::Changes { stream },
        Err(reddwarf_core::ReadError::Gone { floor, .. }) => {
            Start::Failed(watch_too_old(from.0, floor))
        }
        Err(other) => Start::Failed(crate::errors::read_error(other)),
    })
}

async fn reached(x: &Exchange<'_>, version: Revision, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    x.server.store().wait_for(version, left.min(super::read::FUTURE_WAIT)).await
}
