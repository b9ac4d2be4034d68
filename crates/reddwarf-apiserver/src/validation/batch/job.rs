//! The specification of jobs.

use super::{failure_policy, success_policy};
use crate::object;
use crate::validation::read::{flag, has, int, text};
use crate::validation::workload::matching;
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels, names, pod};
use serde_json::{Value, json};

const INDEXED: &str = "Indexed";
const MODES: [&str; 2] = ["NonIndexed", INDEXED];
/// Indexes of an indexed job that run at once, and that may fail.
const INDEXES_MAX: i64 = 100_000;
/// Either of them for a job with more completions than [`INDEXES_MAX`].
const INDEXES_OF_MANY_MAX: i64 = 10_000;
const MANAGED_BY_BYTES_MAX: usize = 63;
const REPLACEMENTS: [&str; 2] = ["Failed", "TerminatingOrFailed"];

/// The labels that the server gives the pods of a job: legacy and prefixed, uid and name.
pub(super) const GENERATED: [(&str, &str); 4] = [
    ("controller-uid", "uid"),
    ("job-name", "name"),
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
];

pub(super) fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Whether a job runs its pods by index.
pub(super) fn is_indexed(spec: &Value) -> bool {
    text(spec, "completionMode") == INDEXED
}

/// Checks a job; the labels that upstream generates are there already.
pub fn job(object: &Value) -> ErrorList {
    whole(object, &GENERATED, labels::selector)
}

/// The checks of a job: `generated` are the labels that its template must have.
pub(super) fn whole(
    object: &Value,
    generated: &[(&str, &str)],
    selector: fn(&Value, &FieldPath) -> ErrorList,
) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = generated_selector(object, generated);
    errors.extend(with_selector(spec, selector));
    let completions = int(spec, "completions").filter(|n| is_indexed(spec) && *n > 0);
    if let Some(completions) = completions {
        let name = object::name(object);
        let host = format!("{name}-{}", completions - 1);
        if !names::label(&host).is_empty() {
            let at = FieldPath::new("metadata").child("name");
            let detail = format!("will not able to create pod with invalid DNS label: {host}");
            errors.push(FieldError::invalid(at, name, detail));
        }
    }
    errors
}

fn generated_selector(object: &Value, generated: &[(&str, &str)]) -> ErrorList {
    let spec = &object["spec"];
    if flag(spec, "manualSelector") || !has(spec, "selector") {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    let mut expected = json!({});
    let found = &spec["template"]["metadata"]["labels"];
    let at = path().child("template").child("metadata").child("labels");
    for (label, of) in generated {
        let value = text(&object["metadata"], of);
        expected[*label] = value.into();
        match found.get(*label) {
            None => errors.push(FieldError::required(at.key(label), format!("must be '{value}'"))),
            Some(other) if other != value => {
                let detail = format!("must be '{value}'");
                errors.push(FieldError::invalid(at.key(label), found.clone(), detail));
            }
            Some(_) => {}
        }
    }
    if !labels::matches(&spec["selector"], &expected) {
        let (at, value) = (path().child("selector"), spec["selector"].clone());
        errors.push(FieldError::invalid(at, value, "`selector` not auto-generated"));
    }
    errors
}

pub(super) fn with_selector(
    spec: &Value,
    selector: fn(&Value, &FieldPath) -> ErrorList,
) -> ErrorList {
    let mut errors = job_spec(spec, &path());
    let at = path().child("selector");
    match has(spec, "selector") {
        true => errors.extend(selector(&spec["selector"], &at)),
        false => errors.push(FieldError::required(at, "")),
    }
    errors.extend(matching(spec));
    errors
}

/// Checks a job's specification but for its selector, also that of a cron job's template.
pub fn job_spec(spec: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = numbers(spec, at);
    if has(spec, "managedBy") {
        let at = at.child("managedBy");
        let manager = text(spec, "managedBy");
        errors.extend(domain_prefixed(manager, &at));
        if manager.len() > MANAGED_BY_BYTES_MAX {
            errors.push(FieldError::too_long(at, MANAGED_BY_BYTES_MAX));
        }
    }
    errors.extend(completion_mode(spec, at));
    if has(spec, "podFailurePolicy") {
        errors.extend(failure_policy::check(spec, &at.child("podFailurePolicy")));
    }
    if has(spec, "successPolicy") {
        errors.extend(success_policy::check(spec, &at.child("successPolicy")));
    }
    errors.extend(replacement(spec, at));
    let template = at.child("template");
    errors.extend(pod::template(&spec["template"], &template));
    errors.extend(restart_policy(spec, template.child("spec").child("restartPolicy")));
    errors
}

fn numbers(spec: &Value, at: &FieldPath) -> ErrorList {
    const NUMBERS: [&str; 7] = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    let mut errors: ErrorList =
        NUMBERS.iter().filter_map(|field| check::not_negative(spec, field, at)).collect();
    if has(spec, "maxFailedIndexes") && !has(spec, "backoffLimitPerIndex") {
        let detail = "when maxFailedIndexes is specified";
        errors.push(FieldError::required(at.child("backoffLimitPerIndex"), detail));
    }
    errors
}

/// `domain/path`
fn domain_prefixed(value: &str, at: &FieldPath) -> ErrorList {
    if value.is_empty() {
        return vec![FieldError::required(at.clone(), "")];
    }
    let parts = value.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty());
    let Some((host, path)) = parts else {
        let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        return vec![FieldError::invalid(at.clone(), value, detail)];
    };
    let mut errors = check::named(names::subdomain, host, at);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !path.bytes().all(allowed) {
        let detail =
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.push(FieldError::invalid(at.clone(), path, detail));
    }
    errors
}

fn completion_mode(spec: &Value, at: &FieldPath) -> ErrorList {
    let mut errors: ErrorList =
        check::one_of(spec, "completionMode", &MODES, at).into_iter().collect();
    if is_indexed(spec) {
        errors.extend(indexed(spec, at));
    }
    if ["", "NonIndexed"].contains(&text(spec, "completionMode")) {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if let Some(value) = int(spec, field) {
                let detail = "requires indexed completion mode";
                errors.push(FieldError::invalid(at.child(field), value, detail));
            }
        }
    }
    errors
}

fn indexed(spec: &Value, at: &FieldPath) -> ErrorList {
    let (completions, parallelism) = (int(spec, "completions"), int(spec, "parallelism"));
    let failed = int(spec, "maxFailedIndexes");
    let mut errors = ErrorList::new();
    let mut invalid = |field: &str, value: i64, detail: String| {
        errors.push(FieldError::invalid(at.child(field), value, detail));
    };
    let above = |max: i64| move |value: &i64| *value > max;
    if let Some(pods) = parallelism.filter(above(INDEXES_MAX)) {
        let detail =
            format!("must be less than or equal to {INDEXES_MAX} when completion mode is Indexed");
        invalid("parallelism", pods, detail);
    }
    if let Some(value) = failed.filter(|value| completions.is_some_and(|max| *value > max)) {
        let detail = "must be less than or equal to completions".to_owned();
        invalid("maxFailedIndexes", value, detail);
    }
    if let Some(value) = failed.filter(above(INDEXES_MAX)) {
        let detail = format!("must be less than or equal to {INDEXES_MAX}");
        invalid("maxFailedIndexes", value, detail);
    }
    let many = completions.is_some_and(|n| n > INDEXES_MAX) && has(spec, "backoffLimitPerIndex");
    if many {
        let detail = format!(
            "must be less than or equal to {INDEXES_OF_MANY_MAX} when completions are above {INDEXES_MAX} and used with backoff limit per index"
        );
        for (field, value) in [("parallelism", parallelism), ("maxFailedIndexes", failed)] {
            if let Some(value) = value.filter(above(INDEXES_OF_MANY_MAX)) {
                invalid(field, value, detail.clone());
            }
        }
    }
    if many && failed.is_none() {
        let detail = format!("must be specified when completions is above {INDEXES_MAX}");
        errors.push(FieldError::required(at.child("maxFailedIndexes"), detail));
    }
    if completions.is_none() {
        let at = at.child("completions");
        errors.insert(0, FieldError::required(at, "when completion mode is Indexed"));
    }
    errors
}

/// A policy for failed pods can only wait for them to end.
fn replacement(spec: &Value, at: &FieldPath) -> Option<FieldError> {
    let supported =
        if has(spec, "podFailurePolicy") { &REPLACEMENTS[..1] } else { &REPLACEMENTS[..] };
    check::one_of(spec, "podReplacementPolicy", supported, at)
}

fn restart_policy(spec: &Value, at: FieldPath) -> Option<FieldError> {
    match text(&spec["template"]["spec"], "restartPolicy") {
        "" | "Always" => Some(FieldError::required(at, "valid values: \"OnFailure\", \"Never\"")),
        "Never" => None,
        "OnFailure" if !has(spec, "podFailurePolicy") => None,
        "OnFailure" => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            Some(FieldError::invalid(at, "OnFailure", detail))
        }
        other => Some(FieldError::not_supported(at, other, &["OnFailure", "Never"])),
    }
}

/// The error of a field that may not be set in a cron job's template.
pub(super) fn of_cron_job(spec: &Value, at: &FieldPath) -> ErrorList {
    let mut errors = job_spec(spec, at);
    if has(spec, "selector") {
        let detail = "`selector` will be auto-generated";
        let value = spec["selector"].clone();
        errors.push(FieldError::invalid(at.child("selector"), value, detail));
    }
    if flag(spec, "manualSelector") {
        let at = at.child("manualSelector");
        errors.push(FieldError::not_supported(at, true, &["nil", "false"]));
    }
    errors
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn shown(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    pub(crate) fn made(spec: Value) -> Value {
        let mut object = json!({"metadata": {"name": "j", "uid": "u"}, "spec": spec});
        let spec = &mut object["spec"];
        spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}});
        spec["template"]["metadata"]["labels"] = json!({
            "controller-uid": "u", "job-name": "j",
            "batch.kubernetes.io/controller-uid": "u", "batch.kubernetes.io/job-name": "j",
        });
        spec["template"]["spec"]["restartPolicy"] = json!("Never");
        spec["template"]["spec"]["containers"] = json!([{"name": "c", "image": "i",
            "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}]);
        object
    }

    #[test]
    fn generated_labels() {
        assert!(job(&made(json!({}))).is_empty(), "{:?}", job(&made(json!({}))));
        let mut other = made(json!({}));
        other["spec"]["template"]["metadata"]["labels"]["job-name"] = json!("x");
        assert_eq!(shown(&job(&other)), ["spec.template.metadata.labels[job-name]"]);
        let mut none = made(json!({}));
        none["spec"].as_object_mut().expect("spec").shift_remove("selector");
        assert_eq!(shown(&job(&none)), ["spec.selector", "spec.template.metadata.labels"]);
    }

    #[test]
    fn limits_of_indexed_jobs() {
        let many = json!({"completionMode": "Indexed", "completions": 100_001,
            "parallelism": 10_001, "backoffLimitPerIndex": 1});
        assert_eq!(shown(&job(&made(many))), ["spec.parallelism", "spec.maxFailedIndexes"]);
        let none = json!({"completionMode": "Indexed", "maxFailedIndexes": 1});
        assert_eq!(shown(&job(&made(none))), ["spec.backoffLimitPerIndex", "spec.completions"]);
        let mut long = made(json!({"completionMode": "Indexed", "completions": 10}));
        long["metadata"]["name"] = "x".repeat(62).into();
        assert!(shown(&job(&long)).contains(&"metadata.name".to_owned()));
    }

    #[test]
    fn managers() {
        let why = |text: &str| {
            let errors = domain_prefixed(text, &FieldPath::new("m"));
            errors.first().map(|e| e.detail.clone()).unwrap_or_default()
        };
        assert_eq!(why("example.com/a"), "");
        assert!(why("bad").starts_with("must be a domain-prefixed path"));
        assert!(why("a.b/c d").starts_with("Invalid path"));
    }
}
