//! Jobs and cron jobs.

use super::read::{differs, flag, has, text};
use super::workload::matching;
use super::{ErrorList, FieldError, FieldPath, check, pod};
use serde_json::{Value, json};

fn path() -> FieldPath {
    FieldPath::new("spec")
}

fn numbers(spec: &Value, fields: &[&str]) -> ErrorList {
    fields.iter().filter_map(|field| check::not_negative(spec, field, &path())).collect()
}

/// Checks a job; the labels that upstream generates are there already.
pub fn job(object: &Value) -> ErrorList {
    let mut errors = job_spec(&object["spec"], &path());
    let spec = &object["spec"];
    let manual = flag(spec, "manualSelector");
    let generated = json!({"matchLabels": {
        "batch.kubernetes.io/controller-uid": object["metadata"]["uid"],
    }});
    if manual && !has(spec, "selector") {
        errors.insert(0, FieldError::required(path().child("selector"), ""));
    } else if !manual && has(spec, "selector") && spec["selector"] != generated {
        let (at, value) = (path().child("selector"), spec["selector"].clone());
        errors.insert(0, FieldError::invalid(at, value, "`selector` not auto-generated"));
    }
    if manual || has(spec, "selector") {
        errors.extend(matching(spec));
    }
    errors
}

/// Checks a job's specification, also that of a cron job's template.
pub fn job_spec(spec: &Value, at: &FieldPath) -> ErrorList {
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
    errors.extend(check::one_of(spec, "completionMode", &["NonIndexed", "Indexed"], at));
    let indexed = text(spec, "completionMode") == "Indexed";
    if indexed && !has(spec, "completions") {
        let detail = "when completion mode is Indexed";
        errors.push(FieldError::required(at.child("completions"), detail));
    }
    if !indexed {
        for field in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            if has(spec, field) {
                let detail = "requires indexed completion mode";
                errors.push(FieldError::invalid(at.child(field), spec[field].clone(), detail));
            }
        }
    }
    let template = at.child("template");
    errors.extend(pod::template(&spec["template"], &template));
    let restart = text(&spec["template"]["spec"], "restartPolicy");
    let at = template.child("spec").child("restartPolicy");
    match restart {
        "" | "Always" => {
            let detail = "valid values: \"OnFailure\", \"Never\"";
            errors.push(FieldError::required(at, detail));
        }
        "OnFailure" if has(spec, "podFailurePolicy") => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.push(FieldError::invalid(at, restart, detail));
        }
        _ => {}
    }
    errors
}

/// Checks an update of a job.
pub fn job_update(new: &Value, old: &Value) -> ErrorList {
    const KEPT: [&str; 7] = [
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
        "podReplacementPolicy",
    ];
    let mut errors = job(new);
    let (new, old) = (&new["spec"], &old["spec"]);
    if differs(new, old, "completions") {
        let elastic = text(new, "completionMode") == "Indexed"
            && new.get("completions") == new.get("parallelism");
        if !elastic {
            let at = path().child("completions");
            let value = new.get("completions").cloned().unwrap_or_default();
            let detail = if text(new, "completionMode") == "Indexed" {
                "can only be modified in tandem with spec.parallelism"
            } else {
                "field is immutable"
            };
            errors.push(FieldError::invalid(at, value, detail));
        }
    }
    for field in KEPT {
        errors.extend(check::immutable(new, old, field, path().child(field)));
    }
    let suspended = flag(old, "suspend");
    if !suspended {
        errors.extend(check::immutable(new, old, "template", path().child("template")));
    }
    errors
}

/// Checks a cron job.
pub fn cron_job(object: &Value) -> ErrorList {
    let spec = &object["spec"];
    let mut errors = ErrorList::new();
    errors.extend(schedule(text(spec, "schedule")));
    errors.extend(numbers(spec, &["startingDeadlineSeconds"]));
    let policies = ["Allow", "Forbid", "Replace"];
    errors.extend(check::one_of(spec, "concurrencyPolicy", &policies, &path()));
    let at = path().child("jobTemplate").child("spec");
    errors.extend(job_spec(&spec["jobTemplate"]["spec"], &at));
    errors.extend(numbers(spec, &["successfulJobsHistoryLimit", "failedJobsHistoryLimit"]));
    errors
}

fn schedule(text: &str) -> Option<FieldError> {
    let at = path().child("schedule");
    if text.is_empty() {
        return Some(FieldError::required(at, ""));
    }
    if text.contains("TZ") {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        return Some(FieldError::invalid(at, text, detail));
    }
    if text.starts_with('@') {
        return None;
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let detail = if fields.len() != 5 {
        format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" "))
    } else {
        const BOUNDS: [(u32, u32); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        fields
            .iter()
            .zip(BOUNDS)
            .find_map(|(field, (low, high))| out_of_bounds(field, low, high))?
    };
    Some(FieldError::invalid(at, text, detail))
}

/// What is wrong with the numbers of one field of a schedule; names of days and months pass.
fn out_of_bounds(field: &str, low: u32, high: u32) -> Option<String> {
    field
        .split([',', '-'])
        .map(|part| part.split_once('/').map_or(part, |(range, _)| range))
        .filter_map(|part| part.parse::<u32>().ok())
        .find_map(|number| {
            if number > high {
                Some(format!("end of range ({number}) above maximum ({high}): {field}"))
            } else if number < low {
                Some(format!("beginning of range ({number}) below minimum ({low}): {field}"))
            } else {
                None
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for good in ["0 0 1 1 *", "*/5 * * * MON-FRI", "@hourly", "0 0,12 1-15 * 7"] {
            assert!(schedule(good).is_none(), "{good}");
        }
        let why = |text| schedule(text).expect("bad").detail;
        assert_eq!(why("not a schedule"), "expected exactly 5 fields, found 3: [not a schedule]");
        assert_eq!(why("61 * * * *"), "end of range (61) above maximum (59): 61");
    }
}
