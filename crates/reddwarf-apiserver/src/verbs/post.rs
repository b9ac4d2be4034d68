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
use crate::subresource::{Also, Effect, Post, post as compute};
use http::StatusCode;
use reddwarf_core::{Change, Precondition, Status, StoredObject, View};
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
    let kind = x
        .server
        .registry()
        .resource("", "v1", &redirected.resource)
        .ok_or_else(no_such_resource)?
        .clone();
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

async fn run(x: &Exchange<'_>, body: &Value, options: WriteOptions) -> Result<Done, Box<Status>> {
    let mut attempts = Attempts::begin(x);
    loop {
        match attempt(x, body, options, &attempts.view()).await {
            Ok(done) => return Ok(done),
            Err(failure) => attempts.again(x, failure).await?,
        }
    }
}

async fn attempt(
    x: &Exchange<'_>,
    body: &Value,
    options: WriteOptions,
    view: &View,
) -> Result<Done, Failure> {
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
    })?;
    match effect {
        Effect::Reply(reply) => Ok(created(reply)),
        Effect::Redirect { resource, subresource, name } => {
            Ok(Done::Redirect { resource, subresource, name })
        }
        Effect::Update { reply, .. } if options.dry_run => Ok(created(reply)),
        Effect::Update { object, also, reply } => {
            let stored = stored.ok_or_else(|| not_found(x.kind, x.name()))?;
            store(x, stored, &object, also).await?;
            Ok(created(reply))
        }
        Effect::Delete { options: asked, also, reply } => {
            let mut asked = DeleteOptions::from_body(&asked)?;
            asked.dry_run |= options.dry_run;
            if let Some(stored) = stored {
                asked.uid.get_or_insert_with(|| stored.index.uid.to_string());
            }
            let writes = writes(x, also);
            delete_named(x, x.name(), &asked, &|| writes.clone()).await?;
            Ok(created(reply))
        }
    }
}

fn created(reply: Value) -> Done {
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
        let kind = x.server.registry().resource(also.group, also.version, also.resource)?;
        let name = crate::object::name(&also.object);
        let key = kind.storage.collection.key(crate::object::namespace(&also.object), name);
        Some((still_at(&key, also.at), to_change(kind, key, &also.object).0))
    });
    written.collect()
}
