//! Deletion of one object.

use super::Exchange;
use super::attempt::{Attempts, Failure};
use super::exchange::still_at;
use super::removal::{Fate, decide, remove, returns_deleted};
use crate::admission::Operation;
use crate::errors::{bad_request, delete_conflict, not_found};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::object::{meta, uid};
use crate::options::DeleteOptions;
use crate::request::FieldValidation;
use crate::schema::{Expected, decode_as};
use crate::stale::Stale;
use bytes::Bytes;
use reddwarf_core::object::splice_revision;
use reddwarf_core::{Change, Precondition, Status, StoredObject, View, status::StatusDetails};
use serde_json::{Value, json};
use std::sync::Arc;

/// DELETE of an object.
pub async fn delete(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = read_options(x)?;
    let mut answer = delete_named(x, x.name(), &options, &Vec::new).await?;
    if options.propagation.is_none() && x.kind.group == "batch" && x.kind.kind == "Job" {
        answer.warnings.push(JOB_PODS_STAY.to_owned());
    }
    Ok(answer)
}

const JOB_PODS_STAY: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/// Reads the options from the body or from the parameters.
///
/// # Errors
/// 400, 415, 422.
pub fn read_options(x: &Exchange<'_>) -> Result<DeleteOptions, Box<Status>> {
    let body = match x.body.is_empty() {
        true => None,
        false => {
            let format = x.body_format()?;
            Some(options_body(x, format)?)
        }
    };
    DeleteOptions::read(x.query, body)
}

fn options_body(x: &Exchange<'_>, format: crate::schema::BodyFormat) -> Result<Value, Box<Status>> {
    use crate::schema::BodyFormat;
    let parsed: Result<Value, String> = match format {
        BodyFormat::Json => serde_json::from_slice(x.body).map_err(|e| match e.is_eof() {
            true => "unexpected end of JSON input".to_owned(),
            false => e.to_string(),
        }),
        BodyFormat::Yaml | BodyFormat::Protobuf => {
            let core = Expected { group: "", version: "v1", kind: "DeleteOptions", custom: None };
            // Every group version has the options as a kind of its own, and clients send that one.
            let own = Expected { kind: core.kind, custom: None, ..Expected::of(x.kind) };
            let read = |expected| decode_as(expected, x.body, format, FieldValidation::Ignore);
            return read(core).or_else(|error| read(own).map_err(|_| error)).map(|d| d.object);
        }
    };
    let body = parsed
        .map_err(|e| bad_request(format!("couldn't get version/kind; json parse error: {e}")))?;
    match body {
        Value::Object(_) => Ok(body),
        Value::Null => Ok(Value::Object(Default::default())),
        other => {
            let found = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            Err(bad_request(format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
            )))
        }
    }
}

/// Deletes the object `name`; `also` goes into the commit that marks or removes it.
///
/// # Errors
/// The failure to be answered.
pub async fn delete_named(
    x: &Exchange<'_>,
    name: &str,
    options: &DeleteOptions,
    also: &(dyn Fn() -> Vec<(Precondition, Change)> + Sync),
) -> Result<Answer, Box<Status>> {
    let mut attempts = Attempts::begin(x);
    loop {
        let view = attempts.view();
        let tried = match view.get(&x.key(name)).cloned() {
            Some(stored) => attempt(x, &stored, options, &view, also()).await,
            None => Err(not_found(x.kind, name).into()),
        };
        match tried {
            Ok(answer) => return Ok(answer),
            Err(failure) => attempts.again(x, failure).await?,
        }
    }
}

async fn attempt(
    x: &Exchange<'_>,
    stored: &Arc<StoredObject>,
    options: &DeleteOptions,
    view: &View,
    also: Vec<(Precondition, Change)>,
) -> Result<Answer, Failure> {
    let old = x.shown(&stored.bytes).await?;
    check_preconditions(x, stored, &old, options)?;
    let name = stored.key.name();
    {
        let mut object = old.clone();
        let mut attributes =
            x.attributes(Operation::Delete, name, &mut object, Some(&old), options.dry_run, view);
        x.server.chain().admit(&mut attributes).await?;
        x.server.chain().validate(&attributes).await?;
    }
    match decide(x.kind, &old, options) {
        Fate::Unchanged => Ok(shows(x, stored.bytes.clone())),
        Fate::Marked(object) if options.dry_run => Ok(shows(x, x.unversioned(object).await?)),
        Fate::Marked(object) => {
            let bytes = store(x, stored, &object, also).await?;
            Ok(shows(x, bytes))
        }
        Fate::Removed(last) if options.dry_run => {
            let bytes = x.unversioned(last.unwrap_or(old)).await?;
            Ok(removed(x, stored, bytes))
        }
        Fate::Removed(None) => {
            let revision = remove(x, stored, view, also).await?;
            Ok(removed(x, stored, stored.bytes_at(revision)))
        }
        Fate::Removed(Some(last)) => {
            // Watchers see the mark before the removal, as upstream's two writes show it.
            let mark = store(x, stored, &last, also).await?;
            let view = x.server.store().view();
            let same = |now: &&Arc<StoredObject>| now.index.uid == stored.index.uid;
            let Some(marked) = view.get(&stored.key).filter(same) else {
                // Somebody else has removed it meanwhile, and another may have its name by now.
                return Ok(removed(x, stored, mark));
            };
            let revision = remove(x, marked, &view, Vec::new()).await?;
            Ok(removed(x, stored, marked.bytes_at(revision)))
        }
    }
}

async fn store(
    x: &Exchange<'_>,
    stored: &StoredObject,
    object: &Value,
    also: Vec<(Precondition, Change)>,
) -> Result<Bytes, Failure> {
    let (change, encoded) = x.to_change(stored.key.clone(), object).await?;
    let mut preconditions = vec![still_at(&stored.key, stored.revision)];
    let mut changes = vec![change];
    for (precondition, change) in also {
        preconditions.push(precondition);
        changes.push(change);
    }
    let first = x.propose(preconditions, changes).await?.first;
    Ok(splice_revision(&encoded.bytes, encoded.version_offset as usize, 0, first))
}

fn shows(x: &Exchange<'_>, bytes: Bytes) -> Answer {
    Answer::ok(Content::Object(x.kind.clone(), bytes))
}

/// The answer to a removal: the object for some kinds, a `Status` for most.
fn removed(x: &Exchange<'_>, stored: &StoredObject, bytes: Bytes) -> Answer {
    if returns_deleted(x.kind) {
        return shows(x, bytes);
    }
    let details = StatusDetails {
        name: stored.key.name().to_owned(),
        group: x.kind.group.to_string(),
        kind: x.kind.plural.to_string(),
        uid: stored.index.uid.to_string(),
        ..Default::default()
    };
    Answer::ok(Content::Status(Box::new(Status::success().with_details(details))))
}

fn check_preconditions(
    x: &Exchange<'_>,
    stored: &Arc<StoredObject>,
    old: &Value,
    options: &DeleteOptions,
) -> Result<(), Failure> {
    let name = stored.key.name();
    let found = uid(old);
    if let Some(asked) = options.uid.as_deref().filter(|u| *u != found) {
        let cause = format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
        );
        return Err(delete_conflict(x.kind, name, &cause).into());
    }
    let found = meta(old, "resourceVersion");
    if let Some(asked) = options.resource_version.as_deref().filter(|v| *v != found) {
        let cause = format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({found}). The object might have been modified"
        );
        let refusal = delete_conflict(x.kind, name, &cause);
        let Ok(asked) = asked.parse() else { return Err(refusal.into()) };
        let sent = json!({"metadata": {"uid": options.uid}});
        return Err(Stale::of(refusal, &sent, asked, stored).into());
    }
    Ok(())
}
