//! The field manager of a request, and what it owns afterwards.

use super::Exchange;
use crate::errors::{bad_request, conversion_failed, internal, unclassified};
use crate::managed_fields::{
    Applied, ApplyError, Conversions, NotApplied, Tracker, Updater, Versions, conflict, reset,
    scale,
};
use crate::object::{meta, name, namespace, set_meta};
use crate::registry::Kind;
use crate::schema::{self, Decoded};
use crate::validation::meta::{FIELD_MANAGER_BYTES_MAX, is_printable};
use http::header::USER_AGENT;
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::{Reason, Status};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The field manager's name: what the request says, or else how its client calls itself.
pub fn manager(x: &Exchange<'_>) -> String {
    if let Some(manager) = x.query.text("fieldManager") {
        return manager.to_owned();
    }
    let agent = x.headers.get(USER_AGENT).map(|a| String::from_utf8_lossy(a.as_bytes()));
    let agent = agent.unwrap_or_default();
    let mut manager = String::new();
    let client = agent.split('/').next().unwrap_or_default();
    for c in client.chars().filter(|c| is_printable(*c)) {
        if manager.len() + c.len_utf8() > FIELD_MANAGER_BYTES_MAX {
            break;
        }
        manager.push(c);
    }
    manager
}

/// `managedFields` of `new`, which is made of `old` (or of nothing) through the path's own form.
///
/// # Errors
/// 500 when a webhook fails that must show the objects in another manager's version. Upstream
/// would store the object without any owner; a request that is sent again loses less.
pub async fn updated(
    x: &Exchange<'_>,
    old: Option<&Value>,
    new: &mut Decoded,
) -> Result<Option<Value>, Box<Status>> {
    let (api_version, manager) = (x.kind.api_version(), manager(x));
    settled(x, |conversions| {
        let tracker = own_form(x, &api_version, &manager, conversions);
        new.as_sent(|object| tracker.updated(old, object))
    })
    .await
}

/// What one computation of ownership may ask of a webhook: it converts to the last applier's
/// version, to that of every other manager, and back.
const ROUNDS_MAX: usize = 64;

/// The outcome of a computation that needs objects in other versions: where a webhook gives
/// them, it is computed again until none is missing.
async fn settled<T>(
    x: &Exchange<'_>,
    mut compute: impl FnMut(Option<&Conversions<'_>>) -> T,
) -> Result<T, Box<Status>> {
    let Some(converter) = x.converter() else { return Ok(compute(None)) };
    let mut known = HashMap::new();
    for _ in 0..ROUNDS_MAX {
        let missing = {
            let conversions = Conversions::new(&known);
            let outcome = compute(Some(&conversions));
            let missing = conversions.into_missing();
            if missing.is_empty() {
                return Ok(outcome);
            }
            missing
        };
        for wanted in missing {
            let converted = converter.convert_one(&wanted.object, &wanted.to).await;
            known.insert(wanted, converted.map_err(conversion_failed)?);
        }
    }
    Err(internal("the owners of the object's fields did not settle"))
}

/// `managedFields` of another object than the request's, whose status the server itself changes.
pub fn updated_by_server(x: &Exchange<'_>, kind: &Kind, old: &Value, new: &Value) -> Option<Value> {
    let (api_version, subresource) = (kind.api_version(), "status");
    let tracker = Tracker {
        updater: Updater {
            versions: Versions::of_kind(x.registry, kind, &api_version),
            reset: reset::fields(kind, subresource),
        },
        manager: "kube-apiserver",
        subresource,
        empty: kind.empty(),
        now: crate::defaults::now(),
    };
    tracker.updated(Some(old), new)
}

/// Applies a configuration to `old` through the path's own form.
///
/// # Errors
/// 400, 409 or 500.
pub async fn applied(
    x: &Exchange<'_>,
    old: Option<&Value>,
    configuration: &Value,
) -> Result<Applied, Box<Status>> {
    let (api_version, manager) = (x.kind.api_version(), manager(x));
    check_type(configuration, &api_version, &x.kind.kind)?;
    settled(x, |conversions| {
        let tracker = own_form(x, &api_version, &manager, conversions);
        apply(x, &tracker, old, configuration)
    })
    .await?
}

/// `managedFields` of a form that is not the kind's own and is stored nowhere, such as a
/// `TokenRequest`.
pub fn of_form(x: &Exchange<'_>, form: &Value) -> Option<Value> {
    other_form(x, |tracker| tracker.updated(None, form))
}

/// A workload's `Scale`, with the owners of its replicas.
pub fn owned_scale(kind: &Kind, mut form: Value, workload: &Value) -> Value {
    let managed = scale::of_scale(managed_of(workload), &scale::Replicas::of(kind));
    set_meta(&mut form, "managedFields", managed);
    form
}

/// `managedFields` of a workload whose `Scale` (as [`owned_scale`] gave it) becomes `new`.
pub fn updated_by_scale(
    x: &Exchange<'_>,
    old_scale: &Value,
    new: &Value,
    workload: &Value,
) -> Option<Value> {
    let managed = other_form(x, |tracker| tracker.updated(Some(old_scale), new));
    scale::of_workload(managed_of(workload), managed.as_ref(), &scale::Replicas::of(x.kind))
}

/// Applies a configuration to a `Scale`: the new one if it changes, and `managedFields` of the
/// workload.
///
/// # Errors
/// As [`applied`].
pub fn applied_to_scale(
    x: &Exchange<'_>,
    old_scale: &Value,
    configuration: &Value,
    workload: &Value,
) -> Result<Applied, Box<Status>> {
    check_type(configuration, scale::API_VERSION, "Scale")?;
    let mut applied = other_form(x, |tracker| apply(x, tracker, Some(old_scale), configuration))?;
    let of_scale = applied.managed.as_ref();
    let replicas = scale::Replicas::of(x.kind);
    applied.managed = scale::of_workload(managed_of(workload), of_scale, &replicas);
    Ok(applied)
}

fn managed_of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn own_form<'t>(
    x: &'t Exchange<'_>,
    api_version: &'t str,
    manager: &'t str,
    conversions: Option<&'t Conversions<'t>>,
) -> Tracker<'t> {
    let versions = Versions::of_kind(x.registry, x.kind, api_version).converted_by(conversions);
    Tracker {
        updater: Updater { versions, reset: reset::fields(x.kind, x.subresource()) },
        manager,
        subresource: x.subresource(),
        empty: x.kind.empty(),
        now: crate::defaults::now(),
    }
}

fn other_form<T>(x: &Exchange<'_>, with: impl FnOnce(&Tracker<'_>) -> T) -> T {
    let form = x.form();
    let api_version = reddwarf_core::gvk::api_version(form.group, form.version);
    let graph = schema::builtin();
    let empty = form.ty(graph).map_or_else(|| json!({}), |id| graph.zero_of(id));
    let versions = Versions::of_form(form, &api_version);
    with(&Tracker {
        updater: Updater { versions, reset: Default::default() },
        manager: &manager(x),
        subresource: x.subresource(),
        empty: &empty,
        now: crate::defaults::now(),
    })
}

/// What upstream checks of a configuration before it looks at the live object.
fn check_type(configuration: &Value, api_version: &str, kind: &str) -> Result<(), Box<Status>> {
    let text = |field: &str| configuration.get(field).and_then(Value::as_str).unwrap_or_default();
    if (text("apiVersion"), text("kind")) != (api_version, kind) {
        let message = format!("invalid object type: {}", shown_type(configuration));
        return Err(bad_request(message));
    }
    if managed_of(configuration).is_some_and(Value::is_array) {
        return Err(bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// `group/version, Kind=Kind`
fn shown_type(object: &Value) -> String {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    match parse_api_version(text("apiVersion")) {
        Some((group, version)) => format!("{group}/{version}, Kind={}", text("kind")),
        None => "/, Kind=".to_owned(),
    }
}

fn apply(
    x: &Exchange<'_>,
    tracker: &Tracker<'_>,
    old: Option<&Value>,
    configuration: &Value,
) -> Result<Applied, Box<Status>> {
    let force = x.query.flag("force").unwrap_or(false);
    tracker.applied(old, configuration, force).map_err(|error| match error {
        ApplyError::NotApplied(NotApplied::Conflicts(conflicts)) => {
            Box::new(conflict::status(conflicts))
        }
        ApplyError::NotApplied(error @ NotApplied::Nameless(_)) => unclassified(error.to_string()),
        ApplyError::Misfits(misfits) => unclassified(format!(
            "failed to create typed patch object ({}): {misfits}",
            shown_object(configuration)
        )),
    })
}

/// `namespace/name; group/version, Kind=Kind`
fn shown_object(object: &Value) -> String {
    format!("{}/{}; {}", namespace(object), name(object), shown_type(object))
}

/// 500 for a merged object that does not decode.
pub fn not_converted(configuration: &Value, message: &str) -> Box<Status> {
    let version = shown_type(configuration);
    let version = version.split(',').next().unwrap_or_default().trim_start_matches('/');
    unclassified(format!(
        "failed to convert new object ({}) to proper version ({version}): {message}",
        shown_object(configuration)
    ))
}

/// 409 for an apply that names the uid of an object that is not there.
pub fn absent_uid(kind: &Kind, name: &str, object: &Value) -> Box<Status> {
    let cause = format!(
        "uid mismatch: the provided object specified uid {}, and no existing object was found",
        meta(object, "uid")
    );
    crate::errors::conflict(kind, name, &cause)
}

/// 400 for a configuration that does not parse.
pub fn undecodable(message: &str) -> Box<Status> {
    Box::new(Status::failure(Reason::BadRequest, format!("error decoding patch: {message}")))
}

/// Whether nothing changes. Times of managers that changed nothing else are put back, so that
/// they alone make no version.
pub fn is_unchanged(new: &mut Value, old: &Value) -> bool {
    let managed = |object: &Value| object["metadata"].get("managedFields").cloned();
    let (mine, theirs) = (managed(new), managed(old));
    if mine == theirs {
        return new == old;
    }
    let (Some(Value::Array(a)), Some(Value::Array(b))) = (&mine, &theirs) else { return false };
    if a.len() != b.len() || !a.iter().zip(b).all(|(a, b)| is_same_but_for_time(a, b)) {
        return false;
    }
    set_meta(new, "managedFields", theirs);
    let unchanged = new == old;
    if !unchanged {
        set_meta(new, "managedFields", mine);
    }
    unchanged
}

fn is_same_but_for_time(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else { return a == b };
    let names = a.keys().chain(b.keys()).filter(|name| *name != "time");
    names.into_iter().all(|name| a.get(name) == b.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_alone_are_no_change() {
        let object = |n: &str, manager: &str, time: &str| {
            json!({
                "metadata": {"managedFields": [{"manager": manager, "time": time}]}, "n": n,
            })
        };
        let old = object("1", "a", "earlier");
        for (new, unchanged) in [
            (object("1", "a", "earlier"), true),
            (object("1", "a", "later"), true),
            (object("1", "b", "earlier"), false),
            (object("2", "a", "later"), false),
        ] {
            let mut shown = new.clone();
            assert_eq!(is_unchanged(&mut shown, &old), unchanged, "{new}");
            assert_eq!(shown, if unchanged { old.clone() } else { new });
        }
    }
}
