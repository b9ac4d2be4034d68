//! Merging a write into what has changed since the version that it names.

use super::causes;
use super::since::Since;
use crate::changesets::{keep_identity, merged_managers, without_own};
use crate::errors::conflict;
use crate::managed_fields::KindTopology;
use crate::object::{meta, set_meta, uid};
use crate::options::body_version;
use crate::verbs::Exchange;
use reddwarf_core::{Revision, Status, StoredObject};
use reddwarf_versioning::merge;
use serde_json::Value;
use std::sync::Arc;

/// The header by which a client asks for it.
const HEADER: &str = "reddwarf-merge";

/// A write that is to be merged.
pub(crate) struct Asked<'x> {
    since: Since<'x>,
    /// The object in the version that the write names.
    pub(crate) base: Value,
}

/// What becomes of it.
pub(crate) struct Merged {
    pub(crate) object: Value,
    /// What the client is told besides.
    pub(crate) warning: String,
}

/// Whether a write, of which `new` would come, is to be merged into an object that has changed.
///
/// `None` also where the client's version is not kept: the write is refused then.
///
/// # Errors
/// The failure of a webhook that converts.
pub(crate) async fn asked<'x>(
    x: &'x Exchange<'_>,
    new: &Value,
    current: &Arc<StoredObject>,
) -> Result<Option<Asked<'x>>, Box<Status>> {
    let wanted = x.headers.get(HEADER).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true"));
    if !wanted || !matches!(x.subresource(), "" | "status") {
        return Ok(None);
    }
    let named = body_version(meta(new, "resourceVersion"))?.unwrap_or(current.revision);
    let other = !uid(new).is_empty() && meta(new, "uid") != &*current.index.uid;
    if named >= current.revision || other {
        return Ok(None);
    }
    let Some(since) = Since::find(x, named, current).await else { return Ok(None) };
    let base = x.shown(&since.base.bytes).await?;
    Ok(Some(Asked { since, base }))
}

/// Merges what the client made of its version into the object as it is.
///
/// # Errors
/// 409 that names every field that both have changed in different ways.
pub(crate) async fn merged(
    x: &Exchange<'_>,
    asked: &Asked<'_>,
    wanted: &Value,
    current: &Value,
) -> Result<Merged, Box<Status>> {
    let base = &asked.base;
    let wanted = only_meant(x, wanted, base);
    let parts = [base, current, &wanted].map(|version| without_own(version.clone()));
    let [old, ours, theirs] = parts.each_ref().map(Some);
    let outcome = merge(old, theirs, ours, &KindTopology::of(x.kind), &|_| None);
    if !outcome.conflicts.is_empty() {
        let fields: Vec<_> = outcome.conflicts.into_iter().map(|conflict| conflict.path).collect();
        let cause = "it was changed meanwhile in the same fields; nothing was changed";
        let mut status = conflict(x.kind, x.name(), cause);
        let causes = causes::of_overlap(x, &asked.since, &fields).await;
        status.details.get_or_insert_default().causes = causes;
        return Err(status);
    }
    let mut object = outcome.value.unwrap_or_default();
    keep_identity(&mut object, current);
    if wanted["metadata"].get("managedFields").is_some_and(|managed| !managed.is_null()) {
        let managed = merged_managers(base, current, &wanted);
        set_meta(&mut object, "managedFields", Some(managed));
    }
    let from: Revision = asked.since.base.revision;
    Ok(Merged { object, warning: format!("merged with what has changed since revision {from}") })
}

/// What the request may change, and all else as it was: the status through its own path only, and
/// there nothing but metadata beside it.
fn only_meant(x: &Exchange<'_>, wanted: &Value, base: &Value) -> Value {
    let (mut meant, other) = match x.subresource() {
        "status" => {
            let mut meant = base.clone();
            meant["metadata"] = wanted["metadata"].clone();
            (meant, wanted)
        }
        _ if x.kind.strategy.status => (wanted.clone(), base),
        _ => return wanted.clone(),
    };
    let Some(fields) = meant.as_object_mut() else { return meant };
    match other.get("status") {
        Some(status) => drop(fields.insert("status".to_owned(), status.clone())),
        None => drop(fields.shift_remove("status")),
    }
    meant
}
