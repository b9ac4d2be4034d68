//! POST to subresources, and to kinds that store nothing.

use super::attempt::{Attempts, Failure};
use super::create::namespace_of_path;
use super::delete::delete_named;
use super::exchange::still_at;
use super::{Exchange, ownership};
use crate::errors::{no_such_resource, not_found};
use crate::http::answer::Content;
use crate::http::{Answer, RequestInfo};
use crate::object::{set_meta, to_change};
use crate::options::{DeleteOptions, WriteOptions};
use crate::representation::shown;
use crate::schema::Decoded;
use crate::subresource::{Also, Effect, Post, post as compute, token_defaults};
use http::StatusCode;
use reddwarf_core::{Change, Precondition, Reason, Revision, Status, StoredObject, View};
use serde_json::Value;
use std::sync::Arc;

/// POST to a subresource or to a kind that stores nothing.
pub async fn post(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = WriteOptions::read(x.query, "CreateOptions")?;
    let Decoded { mut object, warnings, .. } = match x.subresource() {
        "" => x.decode(options.validation)?,
        _ => x.decode_form(options.validation)?,
    };
    if x.kind.namespaced() {
        namespace_of_path(x, &mut object)?;
    }
    if x.subresource() == "token" {
        token_defaults(&mut object);
    }
    let managed = ownership::of_form(x, &object);
    set_meta(&mut object, "managedFields", managed);
    let mut answer = answer(x, &object, options).await?;
    answer.warnings.splice(0..0, warnings);
    Ok(answer)
}

async fn answer(
    x: &Exchange<'_>,
    body: &Value,
    options: WriteOptions,
) -> Result<Answer, Box<Status>> {
    let redirected = match run(x, body, options).await? {
        Done::Answered(answer) => return Ok(answer),
        Done::Redirect { resource, subresource, name } => RequestInfo {
            resource: resource.to_owned(),
            subresource: Some(subresource.to_owned()),
            name: Some(name),
            ..x.info.clone()
        },
    };
    let kind =
        x.registry.resource("", "v1", &redirected.resource).ok_or_else(no_such_resource)?.clone();
    let there = Exchange { kind: &kind, info: &redirected, ..*x };
    match run(&there, body, options).await? {
        Done::Answered(answer) => Ok(answer),
        Done::Redirect { .. } => Err(no_such_resource()),
    }
}

enum Done {
    Answered(Answer),
    Redirect { resource: &'static str, subresource: &'static str, name: String },
}

/// How far one attempt came.
enum Attempted {
    Done(Done),
    /// All that comes before a deletion is stored.
    ToDelete {
        options: DeleteOptions,
        exact: bool,
        reply: Value,
    },
}

/// Deletions of one request that may find that the object changed.
const DELETIONS_TRIED_MAX: u32 = 8;

async fn run(x: &Exchange<'_>, body: &Value, options: WriteOptions) -> Result<Done, Box<Status>> {
    let mut attempts = Attempts::begin(x);
    let mut deletions = 0;
    loop {
        match attempt(x, body, options, &attempts.view()).await {
            // What was stored before a deletion is not stored again when that fails.
            Ok(Attempted::ToDelete { options: asked, exact, reply }) => {
                deletions += 1;
                match delete_named(x, x.name(), &asked, &Vec::new).await {
                    Ok(_) => return Ok(answered(reply)),
                    Err(status)
                        if exact
                            && status.is(Reason::Conflict)
                            && deletions < DELETIONS_TRIED_MAX =>
                    {
                        attempts = Attempts::begin(x);
                    }
                    Err(status) => return Err(status),
                }
            }
            Ok(Attempted::Done(done)) => return Ok(done),
            Err(failure) => attempts.again(x, failure).await?,
        }
    }
}

async fn attempt(
    x: &Exchange<'_>,
    body: &Value,
    options: WriteOptions,
    view: &View,
) -> Result<Attempted, Failure> {
    let stored = if x.name().is_empty() { None } else { view.get(&x.key(x.name())) };
    let current = stored.map(|s| shown(x.kind, &s.bytes));
    let effect = compute(&Post {
        kind: x.kind,
        subresource: x.subresource(),
        namespace: x.namespace(),
        name: x.name(),
        body,
        current: current.as_ref(),
        user: x.user,
        dry_run: options.dry_run,
        view,
        tokens: x.server.tokens(),
    })?;
    match effect {
        Effect::Reply(reply) => Ok(Attempted::Done(answered(reply))),
        Effect::Redirect { resource, subresource, name } => {
            Ok(Attempted::Done(Done::Redirect { resource, subresource, name }))
        }
        Effect::Update { reply, .. } if options.dry_run => Ok(Attempted::Done(answered(reply))),
        Effect::Update { object, also, reply } => {
            let stored = stored.ok_or_else(|| not_found(x.kind, x.name()))?;
            store(x, stored, &object, also).await?;
            Ok(Attempted::Done(answered(reply)))
        }
        Effect::Delete { options: asked, first, also, exact, reply } => {
            let stored = stored.ok_or_else(|| not_found(x.kind, x.name()))?;
            let mut asked = DeleteOptions::from_body(&asked)?;
            asked.dry_run |= options.dry_run;
            asked.uid.get_or_insert_with(|| stored.index.uid.to_string());
            let exact = exact && asked.resource_version.is_none();
            let mut revision = stored.revision;
            if !asked.dry_run && (first.is_some() || !also.is_empty()) {
                revision = store_before(x, stored, first.as_ref(), also).await?;
            }
            if !asked.dry_run && (exact || asked.resource_version.is_some()) {
                asked.resource_version = Some(revision.to_string());
            }
            Ok(Attempted::ToDelete { options: asked, exact, reply })
        }
    }
}

/// Stores what comes before a deletion; the revision that the object then has.
async fn store_before(
    x: &Exchange<'_>,
    stored: &Arc<StoredObject>,
    object: Option<&Value>,
    also: Vec<Also>,
) -> Result<Revision, Failure> {
    let mut preconditions = vec![still_at(&stored.key, stored.revision)];
    let mut changes: Vec<Change> =
        object.map(|object| to_change(x.kind, stored.key.clone(), object).0).into_iter().collect();
    for (precondition, change) in writes(x, also) {
        preconditions.push(precondition);
        changes.push(change);
    }
    let first = x.propose(preconditions, changes).await?.first;
    Ok(if object.is_some() { first } else { stored.revision })
}

fn answered(reply: Value) -> Done {
    let code = match reply["kind"] == "Status" {
        true => reply["code"].as_u64().and_then(|c| u16::try_from(c).ok()),
        false => None,
    };
    let code = code.and_then(|c| StatusCode::from_u16(c).ok()).unwrap_or(StatusCode::CREATED);
    Done::Answered(Answer::ok(Content::Value(reply)).code(code))
}

async fn store(
    x: &Exchange<'_>,
    stored: &Arc<StoredObject>,
    object: &Value,
    also: Vec<Also>,
) -> Result<(), Failure> {
    let mut preconditions = vec![still_at(&stored.key, stored.revision)];
    let mut changes = vec![to_change(x.kind, stored.key.clone(), object).0];
    for (precondition, change) in writes(x, also) {
        preconditions.push(precondition);
        changes.push(change);
    }
    x.propose(preconditions, changes).await?;
    Ok(())
}

fn writes(x: &Exchange<'_>, also: Vec<Also>) -> Vec<(Precondition, Change)> {
    let written = also.into_iter().filter_map(|also| {
        let Also { group, version, resource, mut object, before, at } = also;
        let kind = x.registry.resource(group, version, resource)?;
        let managed = ownership::updated_by_server(x, kind, &before, &object);
        set_meta(&mut object, "managedFields", managed);
        let name = crate::object::name(&object);
        let key = kind.storage.collection.key(crate::object::namespace(&object), name);
        Some((still_at(&key, at), to_change(kind, key, &object).0))
    });
    written.collect()
}
