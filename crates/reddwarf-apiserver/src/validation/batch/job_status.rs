//! The status of jobs, which other controllers than the built-in one may write.

use super::indexes;
use super::job::is_indexed;
use crate::validation::read::{differs, flag, has, int, items, text};
use crate::validation::{ErrorKind, ErrorList, FieldError, FieldPath, check};
use serde_json::Value;

/// Whether the condition of that type is true.
pub(super) fn is_true(status: &Value, kind: &str) -> bool {
    items(status, "conditions")
        .iter()
        .any(|condition| text(condition, "type") == kind && text(condition, "status") == "True")
}

fn is_finished(status: &Value) -> bool {
    is_true(status, "Complete") || is_true(status, "Failed")
}

fn path() -> FieldPath {
    FieldPath::new("status")
}

/// An error of all conditions together, whose value is not shown.
fn conditions(detail: impl Into<String>) -> FieldError {
    let (field, detail) = (path().child("conditions"), detail.into());
    FieldError { kind: ErrorKind::Invalid, field, value: None, detail }
}

fn wrong(status: &Value, field: &str, detail: impl Into<String>) -> FieldError {
    let value = status.get(field).cloned().unwrap_or_default();
    FieldError::invalid(path().child(field), value, detail)
}

/// Which parts of a status an update changes: what was wrong before is not held against it.
struct Moved<'a> {
    new: &'a Value,
    old: &'a Value,
}

impl Moved<'_> {
    fn fields(&self, names: &[&str]) -> bool {
        names.iter().any(|name| differs(self.new, self.old, name))
    }

    fn number(&self, name: &str) -> bool {
        number(self.new, name) != number(self.old, name)
    }

    fn condition(&self, kind: &str) -> bool {
        is_true(self.new, kind) != is_true(self.old, kind)
    }

    fn finished(&self) -> bool {
        is_finished(self.new) != is_finished(self.old)
    }
}

fn number(status: &Value, field: &str) -> i64 {
    int(status, field).unwrap_or_default()
}

/// Checks an update of a job's status.
pub fn job_status(new: &Value, old: &Value) -> ErrorList {
    let spec = &new["spec"];
    let (status, before) = (&new["status"], &old["status"]);
    let moved = Moved { new: status, old: before };
    let mut errors = counts(status);
    errors.extend(ends(status, &moved));
    errors.extend(finished(status, &moved));
    errors.extend(index_lists(spec, status, &moved));
    if (moved.finished() || moved.number("terminating"))
        && is_finished(status)
        && number(status, "terminating") > 0
    {
        errors.push(wrong(status, "terminating", "terminating>0 is invalid for finished job"));
    }
    let ready = int(status, "ready").filter(|ready| *ready > number(status, "active"));
    if ready.is_some() && (moved.number("ready") || moved.number("active")) {
        errors.push(wrong(status, "ready", "cannot set more ready pods than active"));
    }
    errors.extend(success(spec, status));
    errors.extend(transitions(spec, status, before));
    errors
}

fn counts(status: &Value) -> ErrorList {
    let fields = ["active", "succeeded", "failed", "ready", "terminating"];
    let mut errors: ErrorList =
        fields.iter().filter_map(|field| check::not_negative(status, field, &path())).collect();
    let at = path().child("uncountedTerminatedPods");
    let mut seen: Vec<&Value> = Vec::new();
    for list in ["succeeded", "failed"] {
        for (i, uid) in items(&status["uncountedTerminatedPods"], list).iter().enumerate() {
            let at = at.child(list).index(i);
            match uid.as_str() {
                None | Some("") => {
                    errors.push(FieldError::invalid(at, uid.clone(), "must not be empty"));
                }
                _ if seen.contains(&uid) => errors.push(FieldError::duplicate(at, uid.clone())),
                _ => seen.push(uid),
            }
        }
    }
    errors
}

/// How and when the job ended.
fn ends(status: &Value, moved: &Moved<'_>) -> ErrorList {
    let (complete, failed) = (is_true(status, "Complete"), is_true(status, "Failed"));
    let target = is_true(status, "FailureTarget");
    let (start, end) = (text(status, "startTime"), text(status, "completionTime"));
    let completion = moved.condition("Complete") || moved.fields(&["completionTime"]);
    let mut errors = ErrorList::new();
    if (moved.condition("Complete") || moved.condition("Failed")) && complete && failed {
        errors.push(conditions("cannot set Complete=True and Failed=true conditions"));
    }
    let targeted = moved.condition("Complete") || moved.condition("FailureTarget");
    if targeted && complete && target {
        errors.push(conditions("cannot set Complete=True and FailureTarget=true conditions"));
    }
    if completion && !end.is_empty() && !complete {
        let detail = "cannot set completionTime when there is no Complete=True condition";
        errors.push(wrong(status, "completionTime", detail));
    }
    if completion && end.is_empty() && complete {
        let detail = "completionTime is required for Complete jobs";
        errors.push(FieldError::required(path().child("completionTime"), detail));
    }
    let both = !start.is_empty() && !end.is_empty();
    if moved.fields(&["startTime", "completionTime"]) && both && end < start {
        let detail = "completionTime cannot be set before startTime";
        errors.push(wrong(status, "completionTime", detail));
    }
    if (moved.condition("Failed") || moved.condition("FailureTarget")) && failed && !target {
        let detail = "cannot set Failed=True condition without the FailureTarget=true condition";
        errors.push(conditions(detail));
    }
    let met = is_true(status, "SuccessCriteriaMet");
    let succeeded = moved.condition("Complete") || moved.condition("SuccessCriteriaMet");
    if succeeded && complete && !met {
        let detail =
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
        errors.push(conditions(detail));
    }
    errors
}

/// What a finished job has no more, and what it had.
fn finished(status: &Value, moved: &Moved<'_>) -> ErrorList {
    if !is_finished(status) {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    if (moved.finished() || moved.number("active")) && number(status, "active") > 0 {
        errors.push(wrong(status, "active", "active>0 is invalid for finished job"));
    }
    if (moved.finished() || moved.fields(&["startTime"])) && !has(status, "startTime") {
        let detail = "startTime is required for finished job";
        errors.push(FieldError::required(path().child("startTime"), detail));
    }
    let uncounted = ["succeeded", "failed"]
        .iter()
        .any(|list| !items(&status["uncountedTerminatedPods"], list).is_empty());
    if (moved.finished() || moved.fields(&["uncountedTerminatedPods"])) && uncounted {
        let detail = "uncountedTerminatedPods needs to be empty for finished job";
        errors.push(wrong(status, "uncountedTerminatedPods", detail));
    }
    errors
}

fn index_lists(spec: &Value, status: &Value, moved: &Moved<'_>) -> ErrorList {
    let (completed, failed) = (text(status, "completedIndexes"), text(status, "failedIndexes"));
    let (completed_moved, failed_moved) =
        (moved.fields(&["completedIndexes"]), moved.fields(&["failedIndexes"]));
    let completions = int(spec, "completions");
    let per_index = has(spec, "backoffLimitPerIndex");
    let mut errors = ErrorList::new();
    for (field, list, checked) in [
        ("completedIndexes", completed, completed_moved),
        ("failedIndexes", failed, failed_moved && per_index && has(status, "failedIndexes")),
    ] {
        let parsed = completions.filter(|_| checked).map(|max| indexes::total(list, max));
        if let Some(Err(why)) = parsed {
            errors.push(wrong(status, field, format!("error parsing {field}: {why}")));
        }
    }
    if completed_moved && !completed.is_empty() && !is_indexed(spec) {
        let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
        errors.push(wrong(status, "completedIndexes", detail));
    }
    if failed_moved && !per_index && has(status, "failedIndexes") {
        let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
        errors.push(wrong(status, "failedIndexes", detail));
    }
    let both = (completed_moved || failed_moved) && !completed.is_empty() && !failed.is_empty();
    if let Some(index) =
        completions.filter(|_| both).and_then(|max| indexes::overlap(completed, failed, max))
    {
        let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
        errors.push(wrong(status, "failedIndexes", detail));
    }
    errors
}

fn success(spec: &Value, status: &Value) -> ErrorList {
    let met = is_true(status, "SuccessCriteriaMet");
    let mut errors = ErrorList::new();
    if met && is_true(status, "Failed") {
        errors.push(conditions("cannot set SuccessCriteriaMet=True and Failed=true conditions"));
    }
    if met && is_true(status, "FailureTarget") {
        let detail = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions";
        errors.push(conditions(detail));
    }
    if has(spec, "successPolicy") && !met && is_true(status, "Complete") {
        let detail =
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        errors.push(conditions(detail));
    }
    errors
}

/// What may not go back.
fn transitions(spec: &Value, status: &Value, before: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is_true(before, kind) && !is_true(status, kind) {
            let detail = format!("cannot disable the terminal {kind}=True condition");
            errors.push(conditions(detail));
        }
    }
    // A job that is scaled together with its completions forgets those that it had.
    let elastic = is_indexed(spec) && spec.get("completions") == spec.get("parallelism");
    for (field, kept) in [("failed", true), ("succeeded", !elastic)] {
        if kept && number(status, field) < number(before, field) {
            errors.push(FieldError::invalid(
                path().child(field),
                number(status, field),
                format!("cannot decrease the {field} counter"),
            ));
        }
    }
    let both = has(status, "completionTime") && has(before, "completionTime");
    if both && differs(status, before, "completionTime") {
        errors.push(wrong(status, "completionTime", "completionTime cannot be mutated"));
    }
    let restarted = has(before, "startTime") && differs(status, before, "startTime");
    if restarted && !flag(spec, "suspend") {
        let detail = "startTime cannot be removed for unsuspended job";
        errors.push(FieldError::required(path().child("startTime"), detail));
    }
    let (was_met, met) =
        (is_true(before, "SuccessCriteriaMet"), is_true(status, "SuccessCriteriaMet"));
    if was_met && !met {
        errors.push(conditions("cannot disable the SuccessCriteriaMet=True condition"));
    }
    if is_true(before, "Complete") && !was_met && met {
        let detail =
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
        errors.push(conditions(detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(old: Value, new: Value) -> Vec<String> {
        let of = |status: Value| json!({"spec": {"completions": 3}, "status": status});
        job_status(&of(new), &of(old)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_end_is_announced_first() {
        let started = json!({"active": 1, "ready": 1, "startTime": "2024-01-01T00:00:00Z"});
        let ended = json!({"startTime": "2024-01-01T00:00:00Z",
            "completionTime": "2024-01-01T00:01:00Z", "conditions": [
            {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}]});
        assert!(shown(started.clone(), ended.clone()).is_empty());
        let mut unmet = ended.clone();
        unmet["conditions"].as_array_mut().expect("conditions").remove(0);
        unmet["active"] = json!(1);
        assert_eq!(
            shown(started, unmet),
            [
                "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
            ]
        );
        let mut undone = ended.clone();
        undone["conditions"] = json!([]);
        assert_eq!(
            shown(ended, undone),
            [
                "status.completionTime: Invalid value: \"2024-01-01T00:01:00Z\": cannot set completionTime when there is no Complete=True condition",
                "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
                "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
            ]
        );
    }

    #[test]
    fn counters_only_grow() {
        assert_eq!(
            shown(json!({"failed": 2, "succeeded": 1}), json!({"failed": 1})),
            [
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
            ]
        );
        assert_eq!(
            shown(json!({"active": 1}), json!({"active": -1, "ready": 1})),
            [
                "status.active: Invalid value: -1: must be greater than or equal to 0",
                "status.ready: Invalid value: 1: cannot set more ready pods than active",
            ]
        );
    }

    #[test]
    fn index_lists_belong_to_indexed_jobs() {
        let errors = shown(json!({}), json!({"completedIndexes": "1", "failedIndexes": "9"}));
        assert_eq!(errors.len(), 2, "{errors:?}");
    }
}
