//! The kinds that make pods.

use crate::defaults::fill::{at, entries, keep, put, remove};
use serde_json::{Map, Value};

const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// A job selects the pods that bear its uid, unless it brings a selector of its own.
pub fn job_create(job: &mut Value) {
    if at(job, "spec.manualSelector").and_then(Value::as_bool) != Some(true) {
        let (uid, name) = (crate::object::uid(job).to_owned(), crate::object::name(job).to_owned());
        // Upstream leaves labels that are there to validation.
        if let Some(labels) = entries(job, "spec.template.metadata.labels") {
            for (label, value) in [
                (CONTROLLER_UID, &uid),
                (JOB_NAME, &name),
                ("controller-uid", &uid),
                ("job-name", &name),
            ] {
                labels.entry(label).or_insert_with(|| value.as_str().into());
            }
        }
        if let Some(selected) = entries(job, "spec.selector.matchLabels") {
            selected.entry(CONTROLLER_UID).or_insert_with(|| uid.into());
        }
    }
    if at(job, "metadata.labels").and_then(Value::as_object).is_none_or(Map::is_empty)
        && let Some(labels) = at(job, "spec.template.metadata.labels").cloned()
    {
        put(job, "metadata.labels", labels);
    }
}

/// A daemon set counts the versions of its template.
pub fn daemon_set_create(object: &mut Value) {
    template_generation(object, 1);
}

/// See [`daemon_set_create`].
pub fn daemon_set_update(new: &mut Value, old: &Value) {
    let before = at(old, "metadata.annotations").map_or("", |a| text_of(a, TEMPLATE_GENERATION));
    let before: i64 = before.parse().unwrap_or(1);
    let moved = new["spec"]["template"] != old["spec"]["template"];
    template_generation(new, before + i64::from(moved));
}

fn template_generation(object: &mut Value, generation: i64) {
    if let Some(annotations) = entries(object, "metadata.annotations") {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), generation.to_string().into());
    }
}

fn text_of<'a>(annotations: &'a Value, name: &str) -> &'a str {
    annotations.get(name).and_then(Value::as_str).unwrap_or_default()
}

const MAX_UNAVAILABLE: &str = "spec.updateStrategy.rollingUpdate.maxUnavailable";

/// How many pods of a stateful set may be away at once is a field that is off.
pub fn stateful_set_create(object: &mut Value) {
    remove(object, MAX_UNAVAILABLE);
}

/// See [`stateful_set_create`]; what was stored stays writable.
pub fn stateful_set_update(new: &mut Value, old: &Value) {
    if at(old, MAX_UNAVAILABLE).is_none() {
        remove(new, MAX_UNAVAILABLE);
    }
}

/// A deployment's `/status` cannot change its labels.
pub fn deployment_status_update(new: &mut Value, old: &Value) {
    keep(new, old, "metadata.labels");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_job_selects_by_its_uid() {
        let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {}}});
        job_create(&mut job);
        assert_eq!(job["spec"]["selector"]["matchLabels"][CONTROLLER_UID], "u");
        assert_eq!(job["metadata"]["labels"]["job-name"], "j");
        let mut manual = json!({"metadata": {}, "spec": {"manualSelector": true, "template": {}}});
        job_create(&mut manual);
        assert_eq!(manual["spec"].get("selector"), None);
    }

    #[test]
    fn a_daemon_set_counts_its_templates() {
        let mut old = json!({"metadata": {}, "spec": {"template": {"a": 1}}});
        daemon_set_create(&mut old);
        let mut new = json!({"metadata": {}, "spec": {"template": {"a": 2}}});
        daemon_set_update(&mut new, &old);
        assert_eq!(new["metadata"]["annotations"][TEMPLATE_GENERATION], "2");
    }
}
