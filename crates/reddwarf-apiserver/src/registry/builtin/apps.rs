//! Kinds of the group `apps`.

use crate::defaults::workload;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;
use crate::registry::{Registry, prepare};

const V1: GroupVersion = GroupVersion("apps", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(V1.namespaced("ControllerRevision", "controllerrevisions"));
    registry.add(
        V1.namespaced("DaemonSet", "daemonsets")
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
            .short(&["rs"])
            .defaults(workload::replica_set)
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
    registry.add(
        V1.namespaced("StatefulSet", "statefulsets")
            .short(&["sts"])
            .defaults(workload::stateful_set)
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
}
