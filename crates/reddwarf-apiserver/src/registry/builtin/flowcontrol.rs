//! Kinds of the group `flowcontrol.apiserver.k8s.io`.

use crate::registry::Registry;
use crate::registry::builder::GroupVersion;

const V1: GroupVersion = GroupVersion("flowcontrol.apiserver.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(V1.cluster("FlowSchema", "flowschemas").with_status().generation());
    registry.add(
        V1.cluster("PriorityLevelConfiguration", "prioritylevelconfigurations")
            .with_status()
            .generation(),
    );
}
