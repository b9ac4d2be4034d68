//! Kinds of the group `apps`.

use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;

const V1: GroupVersion = GroupVersion("apps", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(V1.namespaced("ControllerRevision", "controllerrevisions"));
    registry.add(
        V1.namespaced("DaemonSet", "daemonsets")
            .short(&["ds"])
            .category("all")
            .with_status()
            .generation(),
    );
    registry.add(
        V1.namespaced("Deployment", "deployments")
            .short(&["deploy"])
            .category("all")
            .with_status()
            .with_scale()
            .generation_as(Generation::OnSpecOrAnnotationChange),
    );
    registry.add(
        V1.namespaced("ReplicaSet", "replicasets")
            .short(&["rs"])
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
    registry.add(
        V1.namespaced("StatefulSet", "statefulsets")
            .short(&["sts"])
            .category("all")
            .with_status()
            .with_scale()
            .generation(),
    );
}
