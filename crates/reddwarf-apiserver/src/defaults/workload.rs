//! Defaults of the kinds that make pods: `apps`, `batch` and replication controllers.

use super::fill::{at, each, fill, fill_empty, put, text, within};
use super::pod::template;
use super::volume::claim_spec;
use serde_json::{Value, json};

const HISTORY: i32 = 10;

/// A pod template.
pub fn pod_template(object: &mut Value) {
    template(object, "template");
}

/// A deployment.
pub fn deployment(object: &mut Value) {
    fill(object, "spec.replicas", 1);
    fill_empty(object, "spec.strategy.type", "RollingUpdate");
    if text(object, "spec.strategy.type") == "RollingUpdate" {
        fill(object, "spec.strategy.rollingUpdate.maxUnavailable", "25%");
        fill(object, "spec.strategy.rollingUpdate.maxSurge", "25%");
    }
    fill(object, "spec.revisionHistoryLimit", HISTORY);
    fill(object, "spec.progressDeadlineSeconds", 600);
    template(object, "spec.template");
}

/// A replica set.
pub fn replica_set(object: &mut Value) {
    fill(object, "spec.replicas", 1);
    template(object, "spec.template");
}

/// A replication controller: its labels and selector are those of its template.
pub fn replication_controller(object: &mut Value) {
    labels_from_template(object);
    if at(object, "spec.selector").is_none_or(is_empty_map)
        && let Some(labels) = at(object, "spec.template.metadata.labels").cloned()
    {
        put(object, "spec.selector", labels);
    }
    fill(object, "spec.replicas", 1);
    template(object, "spec.template");
}

/// A stateful set.
pub fn stateful_set(object: &mut Value) {
    fill_empty(object, "spec.podManagementPolicy", "OrderedReady");
    fill_empty(object, "spec.updateStrategy.type", "RollingUpdate");
    if text(object, "spec.updateStrategy.type") == "RollingUpdate" {
        fill(object, "spec.updateStrategy.rollingUpdate.partition", 0);
    }
    fill_empty(object, "spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "Retain");
    fill_empty(object, "spec.persistentVolumeClaimRetentionPolicy.whenScaled", "Retain");
    fill(object, "spec.replicas", 1);
    fill(object, "spec.revisionHistoryLimit", HISTORY);
    each(object, "spec.volumeClaimTemplates", |claim| {
        fill_empty(claim, "kind", "PersistentVolumeClaim");
        fill_empty(claim, "apiVersion", "v1");
        fill_empty(claim, "status.phase", "Pending");
        within(claim, "spec", claim_spec);
    });
    template(object, "spec.template");
}

/// A daemon set.
pub fn daemon_set(object: &mut Value) {
    fill_empty(object, "spec.updateStrategy.type", "RollingUpdate");
    if text(object, "spec.updateStrategy.type") == "RollingUpdate" {
        fill(object, "spec.updateStrategy.rollingUpdate.maxUnavailable", 1);
        fill(object, "spec.updateStrategy.rollingUpdate.maxSurge", 0);
    }
    fill(object, "spec.revisionHistoryLimit", HISTORY);
    template(object, "spec.template");
}

/// A job.
pub fn job(object: &mut Value) {
    labels_from_template(object);
    fill(object, "spec", json!({}));
    within(object, "spec", |spec| {
        if at(spec, "completions").is_none() && at(spec, "parallelism").is_none() {
            fill(spec, "completions", 1);
        }
        fill(spec, "parallelism", 1);
        let per_index = at(spec, "backoffLimitPerIndex").is_some();
        fill(spec, "backoffLimit", if per_index { i32::MAX } else { 6 });
        fill(spec, "completionMode", "NonIndexed");
        fill(spec, "suspend", false);
        fill(spec, "manualSelector", false);
        let failing = at(spec, "podFailurePolicy").is_some();
        let replacement = if failing { "Failed" } else { "TerminatingOrFailed" };
        fill(spec, "podReplacementPolicy", replacement);
        pod_failure_policy(spec);
    });
    template(object, "spec.template");
}

/// A cron job. The jobs that it makes get their defaults when they are made.
pub fn cron_job(object: &mut Value) {
    fill_empty(object, "spec.concurrencyPolicy", "Allow");
    fill(object, "spec.suspend", false);
    fill(object, "spec.successfulJobsHistoryLimit", 3);
    fill(object, "spec.failedJobsHistoryLimit", 1);
    within(object, "spec.jobTemplate.spec", pod_failure_policy);
    template(object, "spec.jobTemplate.spec.template");
}

fn pod_failure_policy(spec: &mut Value) {
    each(spec, "podFailurePolicy.rules", |rule| {
        each(rule, "onPodConditions", |condition| fill_empty(condition, "status", "True"));
    });
}

/// An object without labels gets those of its template.
fn labels_from_template(object: &mut Value) {
    if at(object, "metadata.labels").is_none_or(is_empty_map)
        && let Some(labels) = at(object, "spec.template.metadata.labels").cloned()
        && !is_empty_map(&labels)
    {
        put(object, "metadata.labels", labels);
    }
}

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}
