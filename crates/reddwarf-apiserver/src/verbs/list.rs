//! Lists.

use super::Exchange;
use super::conversion::page_of_shown;
use super::read::{FUTURE_WAIT, ReadPlan, not_older};
use crate::errors::{bad_request, continue_too_old, read_error};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::{ListAnswer, ReadOptions, Token};
use crate::selection::Selection;
use reddwarf_core::{ObjectKey, ReadError, Revision, Status, StoredObject, View};

/// GET of a collection.
pub async fn list(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = ReadOptions::read(x.query, false)?;
    let selection = Selection::read(x)?;
    let page = page(x, &options, &selection).await?;
    Ok(Answer::ok(Content::List(page)))
}

/// Reads one page.
///
/// # Errors
/// The failure to be answered.
pub async fn page(
    x: &Exchange<'_>,
    options: &ReadOptions,
    selection: &Selection,
) -> Result<ListAnswer, Box<Status>> {
    let Some(token) = options.token.as_deref().map(Token::decode).transpose()? else {
        let view = view_of(x, options).await?;
        return take(x, &view, options, selection, None).await;
    };
    if options.revision.is_some_and(|r| r != Revision::ZERO) {
        return Err(bad_request("specifying resource version is not allowed when using continue"));
    }
    let after = Some(key_after(x, &token.after));
    let Some(revision) = token.revision else {
        let view = not_older(x, None).await?;
        return take(x, &view, options, selection, after).await;
    };
    match exact(x, Revision(revision)).await {
        Ok(view) => take(x, &view, options, selection, after).await,
        Err(ReadError::Gone { .. }) => {
            let fresh = Token { revision: None, after: token.after };
            Err(continue_too_old(fresh.encode()))
        }
        Err(error) => Err(read_error(error)),
    }
}

async fn view_of(x: &Exchange<'_>, options: &ReadOptions) -> Result<View, Box<Status>> {
    match ReadPlan::of(options) {
        ReadPlan::Newest => not_older(x, None).await,
        ReadPlan::NotOlder(revision) => not_older(x, Some(revision)).await,
        ReadPlan::Exact(revision) => exact(x, revision).await.map_err(read_error),
    }
}

async fn exact(x: &Exchange<'_>, revision: Revision) -> Result<View, ReadError> {
    let store = x.server.store();
    if store.view().revision < revision {
        store.wait_for(revision, FUTURE_WAIT).await;
    }
    store.view_at(&x.kind.storage.collection, revision)
}

/// The key of what a token names, within the list that the request asks for.
fn key_after(x: &Exchange<'_>, after: &str) -> ObjectKey {
    let (namespace, name) = match x.info.namespace.as_deref() {
        Some(namespace) => (namespace, after),
        None if x.kind.namespaced() => after.split_once('/').unwrap_or((after, "")),
        None => ("", after),
    };
    x.kind.storage.collection.key(namespace, name)
}

/// What [`key_after`] reads.
fn name_within(x: &Exchange<'_>, key: &ObjectKey) -> String {
    match x.info.namespace {
        None if x.kind.namespaced() => format!("{}/{}", key.namespace(), key.name()),
        _ => key.name().to_owned(),
    }
}

async fn take(
    x: &Exchange<'_>,
    view: &View,
    options: &ReadOptions,
    selection: &Selection,
    after: Option<ObjectKey>,
) -> Result<ListAnswer, Box<Status>> {
    match x.converter().filter(|_| selection.looks_inside()) {
        None => Ok(take_stored(x, view, options, selection, after)),
        Some(converter) => {
            let place = (after, options.limit.unwrap_or(usize::MAX));
            let page = page_of_shown(x, &converter, view, selection, place).await?;
            let next = page.items.last().filter(|_| page.more).map(|o| token_after(x, view, o));
            Ok(ListAnswer {
                kind: x.kind.clone(),
                items: page.items,
                revision: view.revision,
                next,
                remaining: None,
                converted: Some(page.converted),
            })
        }
    }
}

/// The token of the page behind `last`.
fn token_after(x: &Exchange<'_>, view: &View, last: &StoredObject) -> String {
    Token { revision: Some(view.revision.0), after: name_within(x, &last.key) }.encode()
}

fn take_stored(
    x: &Exchange<'_>,
    view: &View,
    options: &ReadOptions,
    selection: &Selection,
    after: Option<ObjectKey>,
) -> ListAnswer {
    let namespace = selection.namespace.as_deref();
    let mut matching = view
        .list(&x.kind.storage.collection, namespace, after.as_ref())
        .filter(|o| selection.matches(o));
    let items: Vec<_> =
        matching.by_ref().take(options.limit.unwrap_or(usize::MAX)).cloned().collect();
    let more = matching.next().is_some();
    let next = items.last().filter(|_| more).map(|object| token_after(x, view, object));
    let remaining = (more && selection.is_everything()).then(|| 1 + matching.count() as u64);
    ListAnswer {
        kind: x.kind.clone(),
        items,
        revision: view.revision,
        next,
        remaining,
        converted: None,
    }
}
