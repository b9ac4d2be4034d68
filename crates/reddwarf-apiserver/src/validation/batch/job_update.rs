//! Updates of jobs.

use super::job::{GENERATED, is_indexed, path, whole, with_selector};
use super::job_status::is_true;
use crate::validation::read::{flag, has, int};
use crate::validation::{ErrorList, FieldError, FieldPath, check, labels};
use serde_json::{Value, json};

/// Checks an update of a job: as a new one, then once more against the stored one.
pub fn job_update(new: &Value, old: &Value) -> ErrorList {
    const KEPT: [&str; 5] = [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ];
    let before = &old["spec"]["template"]["metadata"]["labels"];
    let prefixed = GENERATED[2..].iter().all(|(label, _)| has(before, label));
    let generated = if prefixed { &GENERATED[..] } else { &GENERATED[..2] };
    let selector: fn(&Value, &FieldPath) -> ErrorList =
        match labels::has_bad_value(&old["spec"]["selector"]) {
            true => |selector, at| labels::but_values(labels::selector(selector, at)),
            false => labels::selector,
        };
    let mut errors = whole(new, generated, selector);
    errors.extend(with_selector(&new["spec"], selector));
    let mutable = is_template_mutable(old);
    let (new, old) = (&new["spec"], &old["spec"]);
    errors.extend(kept_completions(new, old));
    errors.extend(check::immutable(new, old, "selector", path().child("selector")));
    errors.extend(kept_template(&new["template"], &old["template"], mutable));
    for field in KEPT {
        errors.extend(check::immutable(new, old, field, path().child(field)));
    }
    errors
}

fn kept_completions(new: &Value, old: &Value) -> Option<FieldError> {
    let at = path().child("completions");
    if !is_indexed(new) {
        return check::immutable(new, old, "completions", at);
    }
    let completions = int(new, "completions")?;
    let moved = new.get("completions") != old.get("completions");
    let alone = moved && new.get("completions") != new.get("parallelism");
    let detail = "can only be modified in tandem with spec.parallelism";
    alone.then(|| FieldError::invalid(at, completions, detail))
}

/// Whether a job is suspended and has no pods, so that its template's scheduling and resources
/// may still change.
fn is_template_mutable(job: &Value) -> bool {
    let status = &job["status"];
    let stopped = is_true(status, "Suspended") && int(status, "active").unwrap_or_default() == 0;
    flag(&job["spec"], "suspend") && (!has(status, "startTime") || stopped)
}

fn kept_template(new: &Value, old: &Value, mutable: bool) -> ErrorList {
    let mut old = old.clone();
    if mutable {
        take_over(&mut old, new);
    }
    let at = path().child("template");
    ["metadata", "spec"]
        .iter()
        .filter_map(|part| check::immutable(new, &old, part, at.child(part)))
        .collect()
}

/// Gives `old` what a suspended job may change.
fn take_over(old: &mut Value, new: &Value) {
    for field in ["labels", "annotations"] {
        copy(&mut old["metadata"], &new["metadata"], field);
    }
    let (old, new) = (&mut old["spec"], &new["spec"]);
    for field in ["nodeSelector", "tolerations", "schedulingGates"] {
        copy(old, new, field);
    }
    let alone = |affinity: &Value| {
        affinity.as_object().is_none_or(|terms| terms.keys().all(|term| term == "nodeAffinity"))
    };
    if has(new, "affinity") {
        copy(&mut old["affinity"], &new["affinity"], "nodeAffinity");
    } else if alone(&old["affinity"]) {
        copy(old, new, "affinity");
    } else {
        copy(&mut old["affinity"], &Value::Null, "nodeAffinity");
    }
    if old["affinity"].is_null() || old["affinity"] == json!({}) && !has(new, "affinity") {
        copy(old, new, "affinity");
    }
    for list in ["containers", "initContainers"] {
        let containers = old.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for (before, after) in containers.zip(new[list].as_array().into_iter().flatten()) {
            let resources = &after["resources"];
            for field in ["requests", "limits"] {
                if has(&before["resources"], field) || has(resources, field) {
                    copy(&mut before["resources"], resources, field);
                }
            }
        }
    }
}

fn copy(to: &mut Value, from: &Value, field: &str) {
    match (from.get(field), to.as_object_mut()) {
        (Some(value), _) => to[field] = value.clone(),
        (None, Some(fields)) => drop(fields.shift_remove(field)),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::tests::{made, shown};
    use super::*;

    #[test]
    fn what_a_suspended_job_may_change() {
        let old = made(json!({"suspend": true}));
        let mut new = old.clone();
        new["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
        new["spec"]["template"]["spec"]["affinity"] = json!({"nodeAffinity": {}});
        let limits = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}});
        new["spec"]["template"]["spec"]["containers"][0]["resources"] = limits;
        assert!(job_update(&new, &old).is_empty(), "{:?}", job_update(&new, &old));
        let mut started = old.clone();
        started["status"]["startTime"] = json!("t");
        assert_eq!(shown(&job_update(&new, &started)), ["spec.template.spec"]);
        started["status"]["conditions"] = json!([{"type": "Suspended", "status": "True"}]);
        assert!(job_update(&new, &started).is_empty());
        new["spec"]["template"]["spec"]["containers"][0]["image"] = json!("other");
        assert_eq!(shown(&job_update(&new, &started)), ["spec.template.spec"]);
    }
}
