//! `commits` of `history.reddwarf.dev`: the writes themselves as objects of the API.
//!
//! Nothing is stored for them: each answer is made from the history of the store.

pub(crate) mod fields;
mod filter;
mod object;
mod pages;
mod watch;

use crate::custom::own;
use crate::errors::{bad_request, history_error, method_not_allowed, not_found, unavailable};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::list::{ListAnswer, ReadOptions, Token};
use crate::registry::{Kind, Registry};
use crate::verbs::{Exchange, Verb, not_older};
use filter::Filter;
pub(crate) use object::{NAME_DIGITS, named};
use reddwarf_core::{Commit, CommitRef, History, Revision, Status};
use std::sync::Arc;

/// The API group of history.
pub const GROUP: &str = "history.reddwarf.dev";
const PLURAL: &str = "commits";
const DEFINITION: &[u8] = include_bytes!("definition.json");

/// Adds the kinds of history.
pub(crate) fn add(registry: &mut Registry) {
    own::serve_verbs(registry, DEFINITION, &["get", "list", "watch"]);
}

/// Whether requests for a kind are answered here.
pub(crate) fn is_commit(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == PLURAL
}

/// Answers a request for commits.
///
/// # Errors
/// The failure to be answered.
pub(crate) async fn serve(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let history = x.server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    match x.verb {
        Verb::Get => get(x, history).await,
        Verb::List => list(x, history).await,
        Verb::Watch => watch::watch(x, history).await,
        _ => Err(method_not_allowed()),
    }
}

async fn get(x: &Exchange<'_>, history: &dyn History) -> Result<Answer, Box<Status>> {
    let view = not_older(x, None).await?;
    // A name could be read as a revision where all of its digits are decimal ones.
    let named = match x.name().len() {
        NAME_DIGITS => x.name().parse().map(CommitRef::Prefix),
        _ => x.name().parse(),
    };
    let named = named.map_err(|_| not_found(x.kind, x.name()))?;
    let found = history.commit(&named).await.map_err(history_error)?;
    let found = found.filter(|commit| commit.header.last <= view.revision);
    let commit = found.ok_or_else(|| not_found(x.kind, x.name()))?;
    let mut shown = object::value(&commit, x.info.namespace.as_deref());
    fields::add(history, x.registry, &commit, &mut shown).await?;
    let object = object::stored(&x.kind.storage.collection, &commit, &shown);
    Ok(Answer::ok(Content::Object(x.kind.clone(), object.bytes)))
}

async fn list(x: &Exchange<'_>, history: &dyn History) -> Result<Answer, Box<Status>> {
    let options = ReadOptions::read(x.query, false)?;
    let filter = Filter::read(x)?;
    let view = not_older(x, options.revision).await?;
    let token = options.token.as_deref().map(Token::decode).transpose()?;
    let through = match token {
        None => view.revision,
        Some(Token { revision: Some(revision), .. }) => view.revision.min(Revision(revision)),
        Some(_) => return Err(bad_request("the continue token is not one of commits")),
    };
    let page = pages::read(history, &filter, through, options.limit).await?;
    let collection = &x.kind.storage.collection;
    let namespace = x.info.namespace.as_deref();
    let shown = |commit: &Commit| {
        Arc::new(object::stored(collection, commit, &object::value(commit, namespace)))
    };
    let items = page.commits.iter().map(shown);
    Ok(Answer::ok(Content::List(ListAnswer {
        kind: x.kind.clone(),
        items: items.collect(),
        revision: view.revision,
        next: page
            .next
            .map(|next| Token { revision: Some(next.0), after: "older".into() }.encode()),
        remaining: None,
        converted: None,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_served_read_only() {
        let mut registry = Registry::builtin();
        add(&mut registry);
        let kind = registry.resource(GROUP, "v1alpha1", PLURAL).expect("it is served");
        assert!(is_commit(kind) && kind.verbs.has("watch") && !kind.stored());
        assert!(!kind.verbs.has("create"));
        let custom = kind.custom.as_ref().expect("it is described like a custom kind");
        assert!(custom.version.schema().is_some());
        assert_eq!(custom.version.columns.len(), 8);
    }
}
