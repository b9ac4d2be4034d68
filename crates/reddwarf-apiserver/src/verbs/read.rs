//! Reads of one object, and which state a read sees.

use super::Exchange;
use crate::errors::{not_found, read_error, unclassified, version_too_large};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::{Match, ReadOptions, parse_revision};
use crate::subresource;
use reddwarf_core::{Revision, Status, View};
use std::time::Duration;

/// How long a read waits for a version that this member has not reached.
pub const FUTURE_WAIT: Duration = Duration::from_secs(3);

/// GET of an object or a subresource.
pub async fn get(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let version = parse_revision(x.query.text("resourceVersion")).map_err(unclassified)?;
    let view = not_older(x, version).await?;
    let Some(stored) = view.get(&x.key(x.name())) else {
        return Err(not_found(x.kind, x.name()));
    };
    match x.subresource() {
        "" | "status" => Ok(Answer::ok(Content::Object(x.kind.clone(), stored.bytes.clone()))),
        other => {
            let object = x.shown(&stored.bytes).await?;
            subresource::read(x.kind, other, &object).map(|v| Answer::ok(Content::Value(v)))
        }
    }
}

/// A state at least as new as asked: the group's newest by default, any for zero.
///
/// # Errors
/// 504 for a version that is not reached in time, 503 without a quorum.
pub async fn not_older(x: &Exchange<'_>, version: Option<Revision>) -> Result<View, Box<Status>> {
    let store = x.server.store();
    match version {
        None => store.read_barrier().await.map_err(read_error)?,
        Some(Revision::ZERO) => {}
        Some(version) => {
            if store.view().revision < version && !store.wait_for(version, FUTURE_WAIT).await {
                return Err(version_too_large(version.0, store.view().revision));
            }
        }
    }
    Ok(store.view())
}

/// Which state a list reads.
pub enum ReadPlan {
    /// The group's newest.
    Newest,
    /// At least as new.
    NotOlder(Revision),
    /// That very state.
    Exact(Revision),
}

impl ReadPlan {
    /// Upstream's table of `resourceVersion`, `resourceVersionMatch` and `limit`.
    pub fn of(options: &ReadOptions) -> Self {
        match (options.revision, options.matching) {
            (None, _) => ReadPlan::Newest,
            (Some(revision), Some(Match::Exact)) => ReadPlan::Exact(revision),
            (Some(revision), None) if options.limit.is_some() && revision != Revision::ZERO => {
                ReadPlan::Exact(revision)
            }
            (Some(revision), _) => ReadPlan::NotOlder(revision),
        }
    }
}
