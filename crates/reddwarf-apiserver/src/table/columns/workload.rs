//! The kinds that make pods.

use super::cell::{count, holds, is_deleted, joined, labels, number, or, selector};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use crate::table::duration::{human, milliseconds, since};
use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
use serde_json::Value;

const CONTAINERS: Column =
    worded("Containers", "Names of each container in the template.", |o, _| {
        joined(o, "spec.template.spec.containers", "name").into()
    });
const IMAGES: Column =
    worded("Images", "Images referenced by each container in the template.", |o, _| {
        joined(o, "spec.template.spec.containers", "image").into()
    });

fn ready_of_desired(object: &Value, _: &RowContext) -> Value {
    let ready = number(object, "status.readyReplicas");
    format!("{ready}/{}", number(object, "spec.replicas")).into()
}

fn selected(object: &Value, _: &RowContext) -> Value {
    selector(object, "spec.selector").into()
}

const READY: Column = worded("Ready", "Number of the pod with ready state", ready_of_desired);

/// Deployments.
pub const DEPLOYMENT: &[Column] = &[
    NAME,
    READY,
    column("Up-to-date", field::<apps::DeploymentStatus>("updatedReplicas"), |o, _| {
        number(o, "status.updatedReplicas").into()
    }),
    column("Available", field::<apps::DeploymentStatus>("availableReplicas"), |o, _| {
        number(o, "status.availableReplicas").into()
    }),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    column("Selector", field::<apps::DeploymentSpec>("selector"), selected).wide(),
];

/// Stateful sets.
pub const STATEFUL_SET: &[Column] = &[NAME, READY, AGE, CONTAINERS.wide(), IMAGES.wide()];

/// Replica sets.
pub const REPLICA_SET: &[Column] = &[
    NAME,
    column("Desired", field::<apps::ReplicaSetSpec>("replicas"), desired).of("integer"),
    column("Current", field::<apps::ReplicaSetStatus>("replicas"), current).of("integer"),
    column("Ready", field::<apps::ReplicaSetStatus>("readyReplicas"), ready).of("integer"),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    column("Selector", field::<apps::ReplicaSetSpec>("selector"), selected).wide(),
];

/// Replication controllers.
pub const REPLICATION_CONTROLLER: &[Column] = &[
    NAME,
    column("Desired", field::<core::ReplicationControllerSpec>("replicas"), desired).of("integer"),
    column("Current", field::<core::ReplicationControllerStatus>("replicas"), current)
        .of("integer"),
    column("Ready", field::<core::ReplicationControllerStatus>("readyReplicas"), ready)
        .of("integer"),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    column("Selector", field::<core::ReplicationControllerSpec>("selector"), |o, _| {
        labels(o, "spec.selector").into()
    })
    .wide(),
];

fn desired(object: &Value, _: &RowContext) -> Value {
    number(object, "spec.replicas").into()
}

fn current(object: &Value, _: &RowContext) -> Value {
    number(object, "status.replicas").into()
}

fn ready(object: &Value, _: &RowContext) -> Value {
    number(object, "status.readyReplicas").into()
}

/// Daemon sets.
pub const DAEMON_SET: &[Column] = &[
    NAME,
    column("Desired", field::<apps::DaemonSetStatus>("desiredNumberScheduled"), |o, _| {
        number(o, "status.desiredNumberScheduled").into()
    })
    .of("integer"),
    column("Current", field::<apps::DaemonSetStatus>("currentNumberScheduled"), |o, _| {
        number(o, "status.currentNumberScheduled").into()
    })
    .of("integer"),
    column("Ready", field::<apps::DaemonSetStatus>("numberReady"), |o, _| {
        number(o, "status.numberReady").into()
    })
    .of("integer"),
    column("Up-to-date", field::<apps::DaemonSetStatus>("updatedNumberScheduled"), |o, _| {
        number(o, "status.updatedNumberScheduled").into()
    })
    .of("integer"),
    column("Available", field::<apps::DaemonSetStatus>("numberAvailable"), |o, _| {
        number(o, "status.numberAvailable").into()
    })
    .of("integer"),
    column("Node Selector", field::<core::PodSpec>("nodeSelector"), |o, _| {
        labels(o, "spec.template.spec.nodeSelector").into()
    }),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    column("Selector", field::<apps::DaemonSetSpec>("selector"), selected).wide(),
];

/// Jobs.
pub const JOB: &[Column] = &[
    NAME,
    worded("Status", "Status of the job.", job_status),
    column("Completions", field::<batch::JobStatus>("succeeded"), completions),
    worded("Duration", "Time required to complete the job.", job_duration),
    AGE,
    CONTAINERS.wide(),
    IMAGES.wide(),
    column("Selector", field::<batch::JobSpec>("selector"), selected).wide(),
];

fn job_status(job: &Value, _: &RowContext) -> Value {
    let status = match () {
        () if holds(job, "Complete") => "Complete",
        () if holds(job, "Failed") => "Failed",
        () if is_deleted(job) => "Terminating",
        () if holds(job, "Suspended") => "Suspended",
        () if holds(job, "FailureTarget") => "FailureTarget",
        () if holds(job, "SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    status.into()
}

fn completions(job: &Value, _: &RowContext) -> Value {
    let succeeded = number(job, "status.succeeded");
    let parallelism = number(job, "spec.parallelism");
    match at(job, "spec.completions") {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
    .into()
}

fn job_duration(job: &Value, context: &RowContext) -> Value {
    let Some(start) = milliseconds(text(job, "status.startTime")) else { return "".into() };
    let end = milliseconds(text(job, "status.completionTime")).unwrap_or(context.now_ms);
    human(end - start).into()
}

/// Cron jobs.
pub const CRON_JOB: &[Column] = &[
    NAME,
    column("Schedule", field::<batch::CronJobSpec>("schedule"), |o, _| {
        text(o, "spec.schedule").into()
    }),
    column("Timezone", field::<batch::CronJobSpec>("timeZone"), |o, _| {
        or(o, "spec.timeZone", "<none>")
    }),
    column("Suspend", field::<batch::CronJobSpec>("suspend"), |o, _| {
        match at(o, "spec.suspend").and_then(Value::as_bool) {
            Some(true) => "True".into(),
            Some(false) => "False".into(),
            None => "<unset>".into(),
        }
    })
    .of("boolean"),
    column("Active", field::<batch::CronJobStatus>("active"), |o, _| {
        count(o, "status.active").into()
    })
    .of("integer"),
    column("Last Schedule", field::<batch::CronJobStatus>("lastScheduleTime"), |o, c| {
        match text(o, "status.lastScheduleTime") {
            "" => "<none>".into(),
            time => since(time, c.now_ms).into(),
        }
    }),
    AGE,
    worded("Containers", "Names of each container in the template.", |o, _| {
        joined(o, "spec.jobTemplate.spec.template.spec.containers", "name").into()
    })
    .wide(),
    worded("Images", "Images referenced by each container in the template.", |o, _| {
        joined(o, "spec.jobTemplate.spec.template.spec.containers", "image").into()
    })
    .wide(),
    column("Selector", field::<batch::JobSpec>("selector"), |o, _| {
        selector(o, "spec.jobTemplate.spec.selector").into()
    })
    .wide(),
];

/// Pod templates.
pub const POD_TEMPLATE: &[Column] = &[
    NAME,
    worded("Containers", "Names of each container in the template.", |o, _| {
        joined(o, "template.spec.containers", "name").into()
    }),
    worded("Images", "Images referenced by each container in the template.", |o, _| {
        joined(o, "template.spec.containers", "image").into()
    }),
    worded("Pod Labels", "The labels for the pod template.", |o, _| {
        labels(o, "template.metadata.labels").into()
    }),
];

/// Controller revisions.
pub const REVISION: &[Column] = &[
    NAME,
    worded("Controller", "Controller of the object", |o, _| {
        let owners = list(o, "metadata.ownerReferences");
        let Some(owner) = owners.iter().find(|r| r["controller"] == true) else {
            return "<none>".into();
        };
        let group = text(owner, "apiVersion").split_once('/').map(|(group, _)| format!(".{group}"));
        let kind = format!("{}{}", text(owner, "kind"), group.unwrap_or_default()).to_lowercase();
        format!("{kind}/{}", text(owner, "name")).into()
    }),
    column("Revision", field::<apps::ControllerRevision>("revision"), |o, _| {
        number(o, "revision").into()
    }),
    AGE,
];
