//! Updates and patches.

use super::apply::Configuration;
use super::attempt::{Attempts, Failure};
use super::create::{namespace_of_path, store_new};
use super::exchange::still_at;
use super::identity::{
    check_form_version, check_identity, check_type, named_as_path, uid_mismatch,
};
use super::removal::remove;
use super::{Exchange, ownership};
use crate::admission::Operation;
use crate::allocation;
use crate::errors::{
    MODIFIED, conflict, invalid_object, invalid_options, not_found, unknown_custom_patch,
    unknown_patch,
};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::object::{
    deletion_grace_seconds, finalizers, generation, meta, set_meta, terminating, uid,
};
use crate::options::{WriteOptions, body_version};
use crate::patch::{self, PatchType};
use crate::schema::{Decoded, Expected};
use crate::stale;
use crate::subresource;
use crate::validation::{self, FieldError, FieldPath};
use http::StatusCode;
use reddwarf_core::object::splice_revision;
use reddwarf_core::{Reason, Status, StoredObject, View};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the client sent.
pub enum Change {
    /// The whole object (or, for a subresource, its whole form).
    Put(Decoded),
    /// A patch of it.
    Patch(PatchType),
    /// A configuration to be applied; the text of what its YAML earns as warnings.
    Apply(Configuration),
}

/// What the client asks for, before anything of the server's is kept.
struct Computed {
    /// The main object.
    object: Value,
    /// Its `managedFields`.
    managed: Option<Value>,
    /// Texts for `Warning` headers.
    warnings: Vec<String>,
}

/// PUT.
pub async fn update(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = WriteOptions::read(x.query, "UpdateOptions")?;
    let mut decoded = match own_form(x) {
        true => x.decode(options.validation)?,
        false => x.decode_form(options.validation)?,
    };
    let warnings = std::mem::take(&mut decoded.warnings);
    named_as_path(x, &decoded.object)?;
    namespace_of_path(x, &mut decoded.object)?;
    let mut answer = modify(x, Change::Put(decoded), options).await?;
    answer.warnings.splice(0..0, warnings);
    Ok(answer)
}

/// What patches take besides the options of all writes.
fn check_patch_options(x: &Exchange<'_>, applies: bool) -> Result<(), Box<Status>> {
    let error = match applies {
        true if x.query.text("fieldManager").is_none() => {
            FieldError::required(FieldPath::new("fieldManager"), "is required for apply patch")
        }
        false if x.query.first("force").is_some() => {
            let detail = "may not be specified for non-apply patch";
            FieldError::forbidden(FieldPath::new("force"), detail)
        }
        _ => return Ok(()),
    };
    Err(invalid_options("PatchOptions", &[error]))
}

/// PATCH.
pub async fn patch(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let patch_type = match x.media_type() {
        "application/json-patch+json" => Some(PatchType::Json),
        "application/merge-patch+json" => Some(PatchType::Merge),
        "application/apply-patch+yaml" => None,
        _ if x.kind.custom.is_some() => return Err(unknown_custom_patch()),
        "application/strategic-merge-patch+json" => Some(PatchType::Strategic),
        _ => return Err(unknown_patch()),
    };
    check_patch_options(x, patch_type.is_none())?;
    let options = WriteOptions::read(x.query, "PatchOptions")?;
    let change = match patch_type {
        Some(patch_type) => Change::Patch(patch_type),
        None => Change::Apply(Configuration::read(x, options)),
    };
    modify(x, change, options).await
}

/// Whether the subresource shows the kind's own objects.
pub fn own_form(x: &Exchange<'_>) -> bool {
    match x.kind.subresource(x.subresource()) {
        None => true,
        Some(sub) => sub.kind == x.kind.kind && sub.group == x.kind.group,
    }
}

async fn modify(
    x: &Exchange<'_>,
    change: Change,
    options: WriteOptions,
) -> Result<Answer, Box<Status>> {
    let mut attempts = Attempts::begin(x);
    let mut creations = 0;
    loop {
        let view = attempts.view();
        let Some(stored) = view.get(&x.key(x.name())).cloned() else {
            if !attempts.confirm(x).await? {
                continue;
            }
            creations += 1;
            match create_missing(x, &change, options).await {
                // Another writer was first: it is an update then.
                Err(status)
                    if status.is(Reason::AlreadyExists) && creations < CREATIONS_TRIED_MAX =>
                {
                    attempts = Attempts::begin(x);
                    continue;
                }
                outcome => return outcome,
            }
        };
        match attempt(x, &change, options, &view, &stored).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if attempts.confirm(x).await? => {
                return Ok(Answer::ok(Content::Object(x.kind.clone(), stored.bytes.clone())));
            }
            Ok(None) => {}
            Err(failure) => attempts.again(x, failure).await?,
        }
    }
}

/// Creations of one request that may find that another one was first.
const CREATIONS_TRIED_MAX: u32 = 8;

/// A write to a name that is not there.
async fn create_missing(
    x: &Exchange<'_>,
    change: &Change,
    options: WriteOptions,
) -> Result<Answer, Box<Status>> {
    match change {
        Change::Put(new) if x.kind.strategy.create_on_update && x.subresource().is_empty() => {
            let mut new = new.clone();
            body_version(meta(&new.object, "resourceVersion"))?;
            if !uid(&new.object).is_empty() {
                return Err(conflict(x.kind, x.name(), &uid_mismatch(x, uid(&new.object), "")));
            }
            let managed = ownership::updated(x, None, &mut new).await?;
            store_new(x, new.object, managed, options).await
        }
        Change::Apply(configuration) if x.subresource().is_empty() => {
            let made = configuration.apply(x, None).await?;
            let warnings = configuration.warnings()?;
            let mut answer = store_new(x, made.object, made.managed, options).await?;
            answer.warnings.splice(0..0, warnings);
            Ok(answer)
        }
        _ => Err(not_found(x.kind, x.name())),
    }
}

/// One attempt; `None` when nothing changes.
async fn attempt(
    x: &Exchange<'_>,
    change: &Change,
    options: WriteOptions,
    view: &View,
    stored: &Arc<StoredObject>,
) -> Result<Option<Answer>, Failure> {
    let kind = x.kind;
    let old = x.shown(&stored.bytes).await?;
    let mut made = computed(x, change, options, &old, stored).await?;
    // What an apply owns is merged already, whatever the version.
    if !matches!(change, Change::Apply(_))
        && let Some(asked) = stale::asked(x, &made.object, stored).await?
    {
        made = merged(x, change, options, &old, &asked).await?;
    }
    let Computed { object: mut new, managed, mut warnings } = made;
    check_identity(x, change, &mut new, &old, stored)?;
    check_type(x, &new)?;
    keep_server_owned(&mut new, &old);
    set_meta(&mut new, "managedFields", managed);
    let dry_run = options.dry_run;
    let mut preconditions = {
        let mut attributes =
            x.attributes(Operation::Update, x.name(), &mut new, Some(&old), dry_run, view);
        x.server.chain().admit(&mut attributes).await?;
        warnings.append(&mut attributes.warnings);
        attributes.preconditions
    };
    let extra = if x.subresource() == "status" {
        only_status(x, &mut new, &old);
        (kind.hooks.prepare_status_update)(&mut new, &old);
        Default::default()
    } else {
        prepare(x, &mut new, &old);
        allocation::on_update(kind, &mut new, &old, view)?
    };
    // Whatever is written moves to the storage version of today.
    let outdated = kind.custom.as_ref().is_some_and(|custom| custom.is_outdated(&stored.bytes));
    let unchanged = ownership::is_unchanged(&mut new, &old) && !outdated;
    let errors = match x.subresource() {
        "status" => validation::update_status(kind, &new, &old),
        "approval" => validation::update_approval(kind, &new, &old),
        "ephemeralcontainers" | "resize" | "finalize" => validation::update_part(kind, &new, &old),
        _ => validation::update(kind, &new, &old),
    };
    if !errors.is_empty() {
        return Err(invalid_object(kind, x.name(), &errors).into());
    }
    match x.subresource() {
        "" => warnings.extend(validation::warnings(kind, &new, Some(&old))),
        "status" => warnings.extend(validation::status_warnings(kind, &new)),
        _ => (),
    }
    {
        let attributes =
            x.attributes(Operation::Update, x.name(), &mut new, Some(&old), dry_run, view);
        x.server.chain().validate(&attributes).await?;
    }
    if dry_run {
        let bytes = x.unversioned(new).await?;
        return Ok(Some(answer(x, bytes).await?.warn(warnings)));
    }
    if released(x, &new, &old) {
        let encoded = x.to_change(stored.key.clone(), &new).await?.1;
        remove(x, stored, view, Vec::new()).await?;
        let at = encoded.version_offset as usize;
        let bytes = splice_revision(&encoded.bytes, at, 0, stored.revision);
        return Ok(Some(answer(x, bytes).await?.warn(warnings)));
    }
    if unchanged && extra.changes.is_empty() {
        return match x.subresource() {
            "" | "status" if warnings.is_empty() => Ok(None),
            _ => Ok(Some(answer(x, stored.bytes.clone()).await?.warn(warnings))),
        };
    }
    preconditions.push(still_at(&stored.key, stored.revision));
    let (put, encoded) = x.to_change(stored.key.clone(), &new).await?;
    let mut changes = vec![put];
    x.extend(extra, &mut preconditions, &mut changes);
    let first = x.propose(preconditions, changes).await?.first;
    let bytes = splice_revision(&encoded.bytes, encoded.version_offset as usize, 0, first);
    Ok(Some(answer(x, bytes).await?.warn(warnings)))
}

/// The answer that shows the object as the path's subresource does.
async fn answer(x: &Exchange<'_>, stored: bytes::Bytes) -> Result<Answer, Box<Status>> {
    if own_form(x) {
        return Ok(Answer::ok(Content::Object(x.kind.clone(), stored)).code(StatusCode::OK));
    }
    let object = x.shown(&stored).await?;
    let form = subresource::read(x.kind, x.subresource(), &object)?;
    Ok(Answer::ok(Content::Value(form)))
}

/// What the client asks for, from the stored object.
async fn computed(
    x: &Exchange<'_>,
    change: &Change,
    options: WriteOptions,
    old: &Value,
    stored: &Arc<StoredObject>,
) -> Result<Computed, Failure> {
    match change {
        _ if !own_form(x) => through_form(x, change, options, old, stored),
        Change::Put(new) => {
            let mut new = new.clone();
            let managed = ownership::updated(x, Some(old), &mut new).await?;
            let made = Computed { object: new.object, managed, warnings: Vec::new() };
            main_object(x, change, made, old, stored)
        }
        Change::Patch(patch_type) => {
            let mut decoded = patched(x, *patch_type, old, options)?;
            let managed = ownership::updated(x, Some(old), &mut decoded).await?;
            named_as_path(x, &decoded.object)?;
            namespace_of_path(x, &mut decoded.object)?;
            let Decoded { object, warnings, .. } = decoded;
            main_object(x, change, Computed { object, managed, warnings }, old, stored)
        }
        Change::Apply(configuration) => {
            let made = configuration.apply(x, Some(old)).await?;
            let (object, managed) = (made.object, made.managed);
            let warnings = configuration.warnings()?;
            main_object(x, change, Computed { object, managed, warnings }, old, stored)
        }
    }
}

fn patched(
    x: &Exchange<'_>,
    patch_type: PatchType,
    old: &Value,
    options: WriteOptions,
) -> Result<Decoded, Box<Status>> {
    let expected = Expected::of(x.kind);
    let mut decoded = patch::apply_checked(expected, patch_type, old, x.body, options.validation)?;
    x.kind.fill_defaults(&mut decoded.object);
    Ok(decoded)
}

/// What the client asks for of the version that it names, merged into what has changed since.
async fn merged(
    x: &Exchange<'_>,
    change: &Change,
    options: WriteOptions,
    old: &Value,
    asked: &stale::Asked<'_>,
) -> Result<Computed, Failure> {
    let mut decoded = match change {
        Change::Put(new) => new.clone(),
        Change::Patch(patch_type) => patched(x, *patch_type, &asked.base, options)?,
        Change::Apply(_) => return Err(conflict(x.kind, x.name(), MODIFIED).into()),
    };
    named_as_path(x, &decoded.object)?;
    namespace_of_path(x, &mut decoded.object)?;
    let merged = stale::merged(x, asked, &decoded.object, old).await?;
    decoded.object = merged.object;
    let managed = ownership::updated(x, Some(old), &mut decoded).await?;
    let mut warnings = decoded.warnings;
    warnings.push(merged.warning);
    Ok(Computed { object: decoded.object, managed, warnings })
}

/// Brings what came through a path of the kind's own form into the main object.
fn main_object(
    x: &Exchange<'_>,
    change: &Change,
    made: Computed,
    old: &Value,
    stored: &Arc<StoredObject>,
) -> Result<Computed, Failure> {
    let sub = x.subresource();
    if matches!(sub, "" | "status") {
        return Ok(made);
    }
    let form = made.object;
    check_form_version(x, change, &form, old, stored)?;
    if !uid(&form).is_empty() && uid(&form) != uid(old) {
        return Err(conflict(x.kind, x.name(), &uid_mismatch(x, uid(&form), uid(old))).into());
    }
    let object = subresource::write(x.kind, sub, &form, old)?;
    Ok(Computed { object, ..made })
}

/// The same for a form of another kind: a `Scale`.
fn through_form(
    x: &Exchange<'_>,
    change: &Change,
    options: WriteOptions,
    old: &Value,
    stored: &Arc<StoredObject>,
) -> Result<Computed, Failure> {
    let sub = x.subresource();
    let form = subresource::read_to_change(x.kind, old);
    let form = ownership::owned_scale(x.kind, form, old);
    let (new, managed, warnings) = match change {
        Change::Put(new) => {
            let managed = ownership::updated_by_scale(x, &form, &new.object, old);
            (new.object.clone(), managed, Vec::new())
        }
        Change::Patch(patch_type) => {
            let patched =
                patch::apply_checked(x.form(), *patch_type, &form, x.body, options.validation)?;
            let managed = ownership::updated_by_scale(x, &form, &patched.object, old);
            (patched.object, managed, patched.warnings)
        }
        Change::Apply(configuration) => {
            let made = configuration.apply_to_scale(x, &form, old)?;
            (made.object, made.managed, configuration.warnings()?)
        }
    };
    check_form_version(x, change, &new, old, stored)?;
    if !uid(&new).is_empty() && uid(&new) != uid(old) {
        return Err(conflict(x.kind, x.name(), &uid_mismatch(x, uid(&new), uid(old))).into());
    }
    let object = subresource::write(x.kind, sub, &new, old)?;
    Ok(Computed { object, managed, warnings })
}

/// Puts back what an update may leave out but not change.
fn keep_server_owned(new: &mut Value, old: &Value) {
    new["kind"] = old["kind"].clone();
    new["apiVersion"] = old["apiVersion"].clone();
    for field in ["generation", "selfLink", "creationTimestamp"] {
        set_meta(new, field, old["metadata"].get(field).cloned());
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        if new["metadata"].get(field).is_none_or(Value::is_null) {
            set_meta(new, field, old["metadata"].get(field).cloned());
        }
    }
}

/// An update of the main resource (or of a subresource that changes it).
fn prepare(x: &Exchange<'_>, new: &mut Value, old: &Value) {
    let kind = x.kind;
    if kind.strategy.status && matches!(x.subresource(), "") {
        set_top(new, "status", old.get("status"));
    }
    if x.subresource().is_empty() {
        (kind.hooks.prepare_update)(new, old);
    }
    if kind.strategy.generation.moves(new, old) {
        set_meta(new, "generation", Some(json!(generation(old) + 1)));
    }
}

/// An update of `/status`: metadata and status are the client's, the rest stays.
fn only_status(x: &Exchange<'_>, new: &mut Value, old: &Value) {
    let mut kept = old.clone();
    match x.kind.custom {
        None => kept["metadata"] = new["metadata"].take(),
        // Of a custom object's metadata only the owners are what they are in the new one.
        Some(_) => {
            let managed = new["metadata"].get("managedFields").cloned();
            set_meta(&mut kept, "managedFields", managed);
        }
    }
    set_top(&mut kept, "status", new.get("status"));
    if !new.as_object().is_some_and(|o| o.contains_key("status")) {
        x.server.clear_status(x.kind, &mut kept);
    }
    *new = kept;
}

fn set_top(object: &mut Value, field: &str, value: Option<&Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            map.insert(field.to_owned(), value.clone());
        }
        None => {
            map.shift_remove(field);
        }
    }
}

/// Whether the update lets go of an object that only its finalizers kept.
fn released(x: &Exchange<'_>, new: &Value, old: &Value) -> bool {
    let held_by_spec = super::removal::is_namespace(x.kind)
        && new.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|f| !f.is_empty());
    terminating(old)
        && finalizers(new).is_empty()
        && !held_by_spec
        && deletion_grace_seconds(old).is_none_or(|s| s == 0)
}
