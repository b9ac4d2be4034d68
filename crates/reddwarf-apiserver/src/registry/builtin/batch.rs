//! Kinds of the group `batch`.

use crate::defaults::workload;
use crate::registry::builder::GroupVersion;
use crate::registry::{Registry, prepare, selectable};
use crate::table::columns;

const V1: GroupVersion = GroupVersion("batch", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.namespaced("CronJob", "cronjobs")
            .table(columns::CRON_JOB)
            .short(&["cj"])
            .defaults(workload::cron_job)
            .category("all")
            .with_status()
            .generation(),
    );
    registry.add(
        V1.namespaced("Job", "jobs")
            .table(columns::JOB)
            .category("all")
            .with_status()
            .selectable(selectable::JOB)
            .defaults(workload::job)
            .on_create(prepare::job_create)
            .generation(),
    );
}
