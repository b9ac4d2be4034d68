//! The answer to a change set: what was done, or would be.

use super::basis::Basis;
use super::session::Computed;
use crate::commits::NAME_DIGITS;
use crate::commits::fields::{FIELDS_MAX, between, field};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::object::{name, set_meta};
use http::StatusCode;
use reddwarf_core::{Change, Committed, Expectation, ObjectKey, Precondition, Revision};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The set without its objects, and its status.
pub(super) fn of(
    set: &Value,
    computed: &Computed,
    committed: Option<Committed>,
    plan: bool,
) -> Answer {
    let mut object = set.clone();
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.shift_remove("objects");
        spec.shift_remove("basedOn");
    }
    let mut status = json!({});
    if let Some(committed) = committed {
        let id = committed.id.to_string();
        if name(&object).is_empty() {
            set_meta(&mut object, "name", Some(id[..NAME_DIGITS].into()));
        }
        status["commit"] = id.into();
        status["firstRevision"] = committed.first.to_string().into();
        status["lastRevision"] = committed.last.to_string().into();
    }
    status["objects"] = objects(computed, committed, plan).into();
    if plan {
        status["basedOn"] = based_on(computed).into();
    }
    object["status"] = status;
    Answer::ok(Content::Value(object)).code(StatusCode::CREATED)
}

fn objects(computed: &Computed, committed: Option<Committed>, plan: bool) -> Vec<Value> {
    let changes = computed.staged.changes.iter().enumerate();
    let places: HashMap<&ObjectKey, u64> =
        changes.map(|(at, change)| (change.key(), at as u64)).collect();
    let applied = computed.applied.iter().map(|key| (key, false));
    let pruned = computed.pruned.iter().map(|key| (key, true));
    let mut fields_left = FIELDS_MAX;
    let shown = applied.chain(pruned).map(|(key, pruned)| {
        let place = places.get(key).copied();
        let before = computed.base.get(key);
        let change = match (pruned, place, before) {
            (true, _, _) => "Pruned",
            (_, None, _) => "Unchanged",
            (_, _, None) => "Created",
            (_, _, Some(_)) => "Configured",
        };
        let mut shown = json!({"group": key.group(), "resource": key.resource()});
        if !key.namespace().is_empty() {
            shown["namespace"] = key.namespace().into();
        }
        shown["name"] = key.name().into();
        shown["change"] = change.into();
        if let Some(before) = before {
            shown["before"] = before.revision.to_string().into();
        }
        if let (Some(place), Some(committed)) = (place, committed) {
            shown["after"] = Revision(committed.first.0 + place).to_string().into();
        }
        if plan && change == "Configured" && !is_secret(key) {
            let fields = changed_fields(computed, key, fields_left);
            fields_left -= fields.len();
            shown["fields"] = fields.into();
        }
        shown
    });
    shown.collect()
}

fn is_secret(key: &ObjectKey) -> bool {
    (key.group(), key.resource()) == ("", "secrets")
}

fn changed_fields(computed: &Computed, key: &ObjectKey, fields_max: usize) -> Vec<Value> {
    let read = |view: &reddwarf_core::View| {
        let bytes = view.get(key).map(|object| object.bytes.clone()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    };
    let changed = between(&computed.registry, key, read(&computed.base), read(&computed.view));
    changed.iter().take(fields_max).map(field).collect()
}

/// What the plan relies on. That a name chosen by chance was free is no part of it, for another
/// one will do as well.
fn based_on(computed: &Computed) -> Vec<Value> {
    let changed = |key: &ObjectKey| {
        computed.staged.changes.iter().any(|c| matches!(c, Change::Put { key: k, .. } if k == key))
    };
    let by_chance = |condition: &Precondition| {
        condition.expect == Expectation::Absent
            && changed(&condition.key)
            && !computed.applied.contains(&condition.key)
    };
    let conditions = computed.staged.preconditions.iter().filter(|c| !by_chance(c));
    let shown = conditions.map(|condition| {
        serde_json::to_value(Basis::of(condition)).expect("invariant: texts encode as JSON")
    });
    shown.collect()
}
