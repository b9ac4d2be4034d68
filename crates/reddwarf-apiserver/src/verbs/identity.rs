//! Whether a write is about the object that is stored: its name, uid, version and type.

use super::Exchange;
use super::attempt::Failure;
use super::modify::Change;
use crate::custom;
use crate::errors::{MODIFIED, bad_request, conflict, version_required};
use crate::object::{meta, name, set_meta, uid};
use crate::options::body_version;
use crate::stale::Stale;
use reddwarf_core::{Status, StoredObject};
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// Checks that the object has the path's name.
///
/// # Errors
/// 400.
pub fn named_as_path(x: &Exchange<'_>, object: &Value) -> Result<(), Box<Status>> {
    let (given, path) = (name(object), x.name());
    if given.is_empty() {
        return Err(bad_request(format!(
            "the name of the object ({path} based on URL) was undeterminable: name must be provided"
        )));
    }
    if given != path {
        return Err(bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({path})"
        )));
    }
    Ok(())
}

/// The version that a form such as a `Scale` names must be the object's.
///
/// # Errors
/// 409, 500 for what is no version.
pub(super) fn check_form_version(
    x: &Exchange<'_>,
    change: &Change,
    form: &Value,
    old: &Value,
    stored: &Arc<StoredObject>,
) -> Result<(), Failure> {
    let asked = body_version(meta(form, "resourceVersion"))?;
    match asked {
        Some(revision) if revision.to_string() != meta(old, "resourceVersion") => {
            let refusal = conflict(x.kind, x.name(), MODIFIED);
            Err(Stale::of(refusal, &sent(x, change), revision, stored).into())
        }
        _ => Ok(()),
    }
}

/// The body as the client sent it, as far as it is JSON: what says that a client has read the
/// object is not in what a patch made of it.
fn sent<'c>(x: &Exchange<'_>, change: &'c Change) -> Cow<'c, Value> {
    match change {
        Change::Put(decoded) => Cow::Borrowed(&decoded.object),
        _ => Cow::Owned(serde_json::from_slice(x.body).unwrap_or_default()),
    }
}

/// Compares uid and version with those stored, and puts in what the client left out.
///
/// # Errors
/// 409 for other ones, 422 where a version is needed, 500 for what is none.
pub(super) fn check_identity(
    x: &Exchange<'_>,
    change: &Change,
    new: &mut Value,
    old: &Value,
    stored: &Arc<StoredObject>,
) -> Result<(), Failure> {
    let through_form = !matches!(x.subresource(), "" | "status");
    let given = uid(new);
    if given.is_empty() {
        set_meta(new, "uid", Some(uid(old).into()));
    } else if given != uid(old) && matches!(change, Change::Put(_)) {
        return Err(conflict(x.kind, x.name(), &uid_mismatch(x, given, uid(old))).into());
    }
    let stored_version = meta(old, "resourceVersion").to_owned();
    let asked = body_version(meta(new, "resourceVersion"))?;
    match asked {
        _ if through_form => {}
        None if !x.kind.strategy.unconditional_update => {
            return Err(version_required(x.kind, x.name()).into());
        }
        Some(revision) if revision.to_string() != stored_version => {
            let refusal = conflict(x.kind, x.name(), MODIFIED);
            return Err(Stale::of(refusal, &sent(x, change), revision, stored).into());
        }
        _ => {}
    }
    set_meta(new, "resourceVersion", Some(stored_version.into()));
    Ok(())
}

/// Checks that a custom object is still of its kind. One of a built-in kind was decoded as such,
/// and an update of the status keeps all but the status.
///
/// # Errors
/// See [`custom::decode::retyped`].
pub(super) fn check_type(x: &Exchange<'_>, new: &Value) -> Result<(), Box<Status>> {
    let custom = x.kind.custom.as_ref().filter(|_| x.subresource().is_empty());
    let retyped = custom.and_then(|custom| custom::decode::retyped(custom, new));
    retyped.map_or(Ok(()), Err)
}

/// How upstream says that an object of that name has another uid.
pub(super) fn uid_mismatch(x: &Exchange<'_>, given: &str, stored: &str) -> String {
    let group = if x.kind.group.is_empty() { "" } else { &x.kind.group };
    let separator = if group.is_empty() { "" } else { "/" };
    let namespace = match x.namespace() {
        "" => String::new(),
        namespace => format!("{namespace}/"),
    };
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{group}{separator}{}/{namespace}{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {stored}",
        x.kind.plural,
        x.name()
    )
}
