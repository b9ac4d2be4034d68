//! Kinds of the group `apps`.

use crate::defaults::workload;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;
use crate::registry::{Registry, prepare};
use crate::table::columns;

const V1: GroupVersion = GroupVersion("apps", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry
        .add(V1.namespaced("ControllerRevision", "controllerrevisions").table(columns::REVISION));
    registry.add(
        V1.namespaced("DaemonSet", "daemonsets")
            .table(columns::DAEMON_SET)
            .short(&["ds"])
            .defaults(workload::daemon_set)
            .on_create(prepare::daemon_set_create)
            .on_update(prepare::daemon_set_update)
            .category("all")
            .with_status()
            .generation(),
    );
    registry.add(
        V1.namespaced("Deployment", "deployments")
            .table(columns::DEPLOYMENT)
            .short(&["deploy"])
            .defaults(workload::deployment)
            .on_status_update(prepare::deployment_status_update)
            .category("all")
            .with_status()
            .with_scale()
            .generation_as(Generation::OnSpecOrAnnotationChange),
    );
    registry.add(
        V1.namespaced("ReplicaSet", "replicasets")
            .table(columns::REPLICA_SET)
            .short(&["rs"])
            .defaults(workload::replica_set)
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
    registry.add(
        V1.namespaced("StatefulSet", "statefulsets")
            .table(columns::STATEFUL_SET)
            .short(&["sts"])
            .defaults(workload::stateful_set)
            .on_create(prepare::stateful_set_create)
            .on_update(prepare::stateful_set_update)
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
}
