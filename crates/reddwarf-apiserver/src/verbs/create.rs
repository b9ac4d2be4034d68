//! Creations.

use super::attempt::{Attempts, Failure};
use super::exchange::{still_absent, time_after};
use super::{Exchange, ownership};
use crate::admission::Operation;
use crate::allocation;
use crate::branches;
use crate::errors::{already_exists, bad_request, invalid_object, unclassified};
use crate::http::Answer;
use crate::http::answer::Content;
use crate::object::{meta, meta_mut, name, set_meta, terminating};
use crate::options::WriteOptions;
use crate::representation::parse;
use crate::retention;
use crate::validation;
use http::StatusCode;
use rand::Rng;
use reddwarf_core::object::splice_revision;
use reddwarf_core::{Reason, Status, View};
use serde_json::{Value, json};

/// The letters of generated names: no vowels, nothing that looks like another.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// A generated name that is taken is chosen again so often.
const NAMES_TRIED_MAX: u32 = 8;

/// What the server alone decides of a new object.
const SERVER_OWNED: [&str; 5] = [
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "resourceVersion",
];

/// What nobody who creates an object comes to own.
const NOT_SENT: [&str; 2] = ["deletionTimestamp", "deletionGracePeriodSeconds"];

/// POST to a collection.
pub async fn create(x: &Exchange<'_>) -> Result<Answer, Box<Status>> {
    let options = WriteOptions::read(x.query, "CreateOptions")?;
    let mut decoded = x.decode(options.validation)?;
    if !matches!(meta(&decoded.object, "resourceVersion"), "" | "0") {
        return Err(unclassified("resourceVersion should not be set on objects to be created"));
    }
    for field in NOT_SENT {
        meta_mut(&mut decoded.object).shift_remove(field);
    }
    let managed = ownership::updated(x, None, &mut decoded).await?;
    let mut answer = store_new(x, decoded.object, managed, options).await?;
    answer.warnings.splice(0..0, decoded.warnings);
    Ok(answer)
}

/// Stores `object` as a new one with these `managedFields`.
///
/// # Errors
/// The failure to be answered.
pub async fn store_new(
    x: &Exchange<'_>,
    mut object: Value,
    managed: Option<Value>,
    options: WriteOptions,
) -> Result<Answer, Box<Status>> {
    namespace_of_path(x, &mut object)?;
    object["kind"] = x.kind.kind.as_ref().into();
    object["apiVersion"] = x.kind.api_version().into();
    for field in SERVER_OWNED {
        meta_mut(&mut object).shift_remove(field);
    }
    if managed.is_some() {
        set_meta(&mut object, "managedFields", managed);
    }
    let generated = name(&object).is_empty();
    let mut names_tried = 0;
    let mut attempts = Attempts::begin(x);
    loop {
        match attempt(x, object.clone(), options, &attempts.view()).await {
            Ok(answer) => return Ok(answer),
            Err(Failure::Refused(status))
                if generated
                    && status.is(Reason::AlreadyExists)
                    && names_tried < NAMES_TRIED_MAX =>
            {
                names_tried += 1;
            }
            Err(failure) => attempts.again(x, failure).await?,
        }
    }
}

/// Puts the path's namespace into an object that names none.
///
/// # Errors
/// 400 when it names another.
pub fn namespace_of_path(x: &Exchange<'_>, object: &mut Value) -> Result<(), Box<Status>> {
    if !x.kind.namespaced() {
        set_meta(object, "namespace", None);
        return Ok(());
    }
    let given = meta(object, "namespace");
    if !given.is_empty() && given != x.namespace() {
        return Err(bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if given.is_empty() {
        set_meta(object, "namespace", Some(x.namespace().into()));
    }
    Ok(())
}

async fn attempt(
    x: &Exchange<'_>,
    mut object: Value,
    options: WriteOptions,
    view: &View,
) -> Result<Answer, Failure> {
    let kind = x.kind;
    let dry_run = options.dry_run;
    set_meta(&mut object, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
    set_meta(&mut object, "creationTimestamp", Some(time_after(0)));
    let given = name(&object).to_owned();
    let (mut preconditions, mut warnings) = {
        let mut attributes =
            x.attributes(Operation::Create, &given, &mut object, None, dry_run, view);
        x.server.chain().admit(&mut attributes).await?;
        (attributes.preconditions, attributes.warnings)
    };
    warnings.extend(validation::early_warnings(kind, &object));
    prepare(x, &mut object);
    let links = match branches::is_branch(kind) {
        true => Some(branches::begin(x, &mut object, view).await?),
        false => None,
    };
    let excised = match retention::is_excision(kind) {
        true => retention::excise(x, &mut object, view).await?,
        false => Vec::new(),
    };
    let extra = allocation::on_create(kind, &mut object, view)?;
    let errors = validation::create(kind, &object);
    warnings.extend(validation::warnings(kind, &object, None));
    let name = name(&object).to_owned();
    if !errors.is_empty() {
        return Err(invalid_object(kind, &name, &errors).into());
    }
    {
        let attributes = x.attributes(Operation::Create, &name, &mut object, None, dry_run, view);
        x.server.chain().validate(&attributes).await?;
    }
    let key = x.key(&name);
    if let Some(stored) = view.get(&key) {
        let terminating = terminating(&parse(&stored.bytes));
        return Err(already_exists(kind, &name, terminating).into());
    }
    if dry_run {
        let bytes = x.unversioned(object).await?;
        let answer = Answer::ok(Content::Object(kind.clone(), bytes));
        return Ok(answer.code(StatusCode::CREATED).warn(warnings));
    }
    preconditions.push(still_absent(&key));
    let (change, encoded) = x.to_change(key, &object).await?;
    let mut changes = vec![change];
    x.extend(extra, &mut preconditions, &mut changes);
    let first = x.propose_linked(preconditions, changes, links, excised).await?.first;
    let bytes = splice_revision(&encoded.bytes, encoded.version_offset as usize, 0, first);
    let answer = Answer::ok(Content::Object(kind.clone(), bytes));
    Ok(answer.code(StatusCode::CREATED).warn(warnings))
}

/// What upstream's strategies do before a creation.
fn prepare(x: &Exchange<'_>, object: &mut Value) {
    let prefix = meta(object, "generateName").to_owned();
    if name(object).is_empty() && !prefix.is_empty() {
        set_meta(object, "name", Some(generate(&prefix).into()));
    }
    if x.kind.strategy.status && !x.kind.strategy.status_at_creation {
        x.server.clear_status(x.kind, object);
    }
    (x.kind.hooks.prepare_create)(object);
    if x.kind.group == "certificates.k8s.io" && x.kind.kind == "CertificateSigningRequest" {
        asked_by(x, object);
    }
    if x.kind.strategy.generation.kept() {
        set_meta(object, "generation", Some(json!(1)));
    }
}

/// Who asks for a certificate is on record in the request, whatever the client wrote there.
fn asked_by(x: &Exchange<'_>, request: &mut Value) {
    let Some(spec) = request["spec"].as_object_mut() else { return };
    for (field, value) in x.user.fields("username") {
        match value {
            Some(value) => drop(spec.insert(field.to_owned(), value)),
            None => drop(spec.shift_remove(field)),
        }
    }
}

fn generate(prefix: &str) -> String {
    let mut random = rand::rng();
    let suffix = (0..SUFFIX_LENGTH)
        .map(|_| char::from(SUFFIX_LETTERS[random.random_range(0..SUFFIX_LETTERS.len())]));
    prefix.chars().chain(suffix).collect()
}
