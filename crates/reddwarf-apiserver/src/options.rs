//! The options of writes.

use crate::errors::{bad_request, invalid_options, unclassified};
use crate::http::Query;
use crate::request::FieldValidation;
use crate::validation::{FieldError, FieldPath, meta};
use reddwarf_core::Status;
use serde_json::Value;

/// Options that creations, updates and patches share.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Everything but the write itself is done.
    pub dry_run: bool,
    /// How unknown fields are treated.
    pub validation: FieldValidation,
}

impl WriteOptions {
    /// Reads the parameters; `kind` is `CreateOptions`, `UpdateOptions` or `PatchOptions`.
    ///
    /// # Errors
    /// 422 for values that are not supported.
    pub fn read(query: &Query, kind: &str) -> Result<Self, Box<Status>> {
        if query.is_empty() {
            return Ok(WriteOptions::default());
        }
        let mut errors = Vec::new();
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        check_dry_run(&dry_run, &mut errors);
        let validation = match query.text("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                let at = FieldPath::new("fieldValidation");
                errors.push(FieldError::not_supported(at, other, &supported));
                FieldValidation::Warn
            }
        };
        let manager = query.text("fieldManager").unwrap_or_default();
        meta::field_manager(manager, &FieldPath::new("fieldManager"), &mut errors);
        if !errors.is_empty() {
            return Err(invalid_options(kind, &errors));
        }
        Ok(WriteOptions { dry_run: !dry_run.is_empty(), validation })
    }
}

fn check_dry_run(values: &[&str], errors: &mut Vec<FieldError>) {
    if values.iter().any(|v| *v != "All") {
        let at = FieldPath::new("dryRun");
        errors.push(FieldError::not_supported(at, Value::from(values.to_vec()), &["All"]));
    }
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are left without the owner.
    Orphan,
    /// They go after the owner.
    Background,
    /// They go before the owner.
    Foreground,
}

/// `DeleteOptions`.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// `gracePeriodSeconds`.
    pub grace_seconds: Option<i64>,
    /// `preconditions.uid`.
    pub uid: Option<String>,
    /// `preconditions.resourceVersion`.
    pub resource_version: Option<String>,
    /// `propagationPolicy`, or what `orphanDependents` means.
    pub propagation: Option<Propagation>,
    /// Nothing is stored.
    pub dry_run: bool,
}

impl DeleteOptions {
    /// Reads the options of a deletion: its body when there is one, else its parameters.
    ///
    /// # Errors
    /// The 400 or 422 of upstream.
    pub fn read(query: &Query, body: Option<Value>) -> Result<Self, Box<Status>> {
        match body {
            Some(body) => DeleteOptions::from_body(&body),
            None => DeleteOptions::from_query(query),
        }
    }

    fn from_query(query: &Query) -> Result<Self, Box<Status>> {
        let grace_seconds = query.number("gracePeriodSeconds")?;
        let dry_run: Vec<&str> = query.all("dryRun").collect();
        let orphan = query.flag("orphanDependents");
        let mut options = DeleteOptions { grace_seconds, ..Default::default() };
        options.finish(orphan, query.text("propagationPolicy"), &dry_run)?;
        Ok(options)
    }

    /// Reads `DeleteOptions` as JSON.
    ///
    /// # Errors
    /// The 400 or 422 of upstream.
    pub fn from_body(body: &Value) -> Result<Self, Box<Status>> {
        let (kind, version) = (text(body, "kind")?, text(body, "apiVersion")?);
        if kind.is_some_and(|k| k != "DeleteOptions") {
            let (kind, version) = (kind.unwrap_or_default(), version.unwrap_or_default());
            return Err(bad_request(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27\""
            )));
        }
        let grace_seconds =
            match &body["gracePeriodSeconds"] {
                Value::Null => None,
                value => Some(value.as_i64().ok_or_else(|| {
                    wrong_type(value, "DeleteOptions.gracePeriodSeconds", "int64")
                })?),
            };
        let preconditions = &body["preconditions"];
        let dry_run: Vec<&str> =
            body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut options = DeleteOptions {
            grace_seconds,
            uid: text(preconditions, "uid")?.map(str::to_owned),
            resource_version: text(preconditions, "resourceVersion")?.map(str::to_owned),
            ..Default::default()
        };
        let orphan = body["orphanDependents"].as_bool();
        options.finish(orphan, text(body, "propagationPolicy")?, &dry_run)?;
        Ok(options)
    }

    fn finish(
        &mut self,
        orphan: Option<bool>,
        policy: Option<&str>,
        dry_run: &[&str],
    ) -> Result<(), Box<Status>> {
        let at = || FieldPath::new("propagationPolicy");
        let mut errors = Vec::new();
        if let (Some(_), Some(policy)) = (orphan, policy) {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(FieldError::invalid(at(), policy, detail));
        }
        self.propagation = match (policy, orphan) {
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (None, None) => None,
            (Some(other), _) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                errors.push(FieldError::not_supported(at(), other, &supported));
                None
            }
        };
        check_dry_run(dry_run, &mut errors);
        self.dry_run = !dry_run.is_empty();
        if errors.is_empty() { Ok(()) } else { Err(invalid_options("DeleteOptions", &errors)) }
    }
}

fn text<'a>(object: &'a Value, field: &str) -> Result<Option<&'a str>, Box<Status>> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok((!text.is_empty()).then_some(text)),
        Some(other) => Err(wrong_type(other, &format!("DeleteOptions.{field}"), "string")),
    }
}

fn wrong_type(value: &Value, field: &str, want: &str) -> Box<Status> {
    let found = match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        _ => "object",
    };
    bad_request(format!(
        "json: cannot unmarshal {found} into Go struct field {field} of type {want}"
    ))
}

/// Reads a `resourceVersion` in a body; `None` when it is unset or zero.
///
/// # Errors
/// 500 in the words of Go's `strconv`, as upstream.
pub fn body_version(text: &str) -> Result<Option<reddwarf_core::Revision>, Box<Status>> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<reddwarf_core::Revision>() {
        Ok(revision) if text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((revision.0 > 0).then_some(revision))
        }
        _ => Err(unclassified(crate::list::parse_uint_error(text))),
    }
}
