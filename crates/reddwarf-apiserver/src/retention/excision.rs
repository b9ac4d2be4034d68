//! Taking past versions of an object away.

use super::policy::collection;
use crate::commits::GROUP;
use crate::errors::{history_error, invalid_object, unavailable};
use crate::object::name;
use crate::registry::Kind;
use crate::validation::{FieldError, FieldPath};
use crate::verbs::Exchange;
use reddwarf_core::{BranchId, Collection, Excised, History, ObjectKey, Revision, Status, View};
use serde_json::Value;

/// Versions that one excision takes at most; an object with more needs several.
const VERSIONS_MAX: usize = 10_000;

/// Whether a kind is that of excisions.
pub(crate) fn is_excision(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == "excisions"
}

/// The revision of the newest object of an excision.
pub(crate) fn newest_excision(view: &View) -> Option<Revision> {
    let all = view.list(&Collection::new(GROUP, "excisions"), None, None);
    all.map(|object| object.revision).max()
}

/// The versions that a new excision takes away; their number is noted in its object.
///
/// # Errors
/// 422 when there is no such version, or it is current.
pub(crate) async fn excise(
    x: &Exchange<'_>,
    object: &mut Value,
    view: &View,
) -> Result<Vec<Excised>, Box<Status>> {
    let text = |field: &str| object["spec"][field].as_str().unwrap_or_default();
    let key = collection(text("resource")).key(text("namespace"), text("name"));
    let history = x.server.store().history();
    let history = history.ok_or_else(|| unavailable("this store keeps no history"))?;
    let current = view.get(&key).map(|object| object.revision);
    let past: Vec<Revision> = past(history, &key, current).await?;
    let asked = object["spec"]["revisions"].as_array().into_iter().flatten();
    let asked: Vec<Revision> =
        asked.filter_map(Value::as_str).filter_map(|one| one.parse().ok()).map(Revision).collect();
    let refused = |path: FieldPath, value: Value, text: &str| {
        let error = FieldError::invalid(path, value, text);
        invalid_object(x.kind, name(object), &[error])
    };
    let spec = FieldPath::new("spec");
    if let Some(unknown) = asked.iter().find(|revision| !past.contains(revision)) {
        let text = "is no past version of the object that is kept";
        return Err(refused(spec.child("revisions"), unknown.to_string().into(), text));
    }
    let wanted = if asked.is_empty() { past } else { asked };
    if wanted.is_empty() {
        let named = object["spec"]["name"].clone();
        return Err(refused(spec.child("name"), named, "the object has no past versions"));
    }
    object["spec"]["count"] = wanted.len().into();
    Ok(wanted.into_iter().map(|revision| Excised { key: key.clone(), revision }).collect())
}

/// The versions of an object but the current one, the newest of them first.
async fn past(
    history: &dyn History,
    key: &ObjectKey,
    current: Option<Revision>,
) -> Result<Vec<Revision>, Box<Status>> {
    let (mut past, mut before) = (Vec::new(), None);
    loop {
        let log = history.object_log(BranchId::MAIN, key, before, 1_000).await;
        let log = log.map_err(history_error)?;
        let Some(oldest) = log.last() else { return Ok(past) };
        before = Some(oldest.revision);
        let versions = log.iter().filter(|entry| !entry.deleted).map(|entry| entry.revision);
        past.extend(versions.filter(|revision| Some(*revision) != current));
        if past.len() > VERSIONS_MAX {
            past.truncate(VERSIONS_MAX);
            return Ok(past);
        }
    }
}
