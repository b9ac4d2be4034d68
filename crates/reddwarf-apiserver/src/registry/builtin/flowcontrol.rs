//! Kinds of the group `flowcontrol.apiserver.k8s.io`.

use crate::defaults::policy;
use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::table::columns;

const V1: GroupVersion = GroupVersion("flowcontrol.apiserver.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.cluster("FlowSchema", "flowschemas")
            .table(columns::FLOW_SCHEMA)
            .with_status()
            .defaults(policy::flow_schema)
            .status_keeps_metadata()
            .generation(),
    );
    registry.add(
        V1.cluster("PriorityLevelConfiguration", "prioritylevelconfigurations")
            .table(columns::PRIORITY_LEVEL)
            .with_status()
            .defaults(policy::priority_level)
            .status_keeps_metadata()
            .generation(),
    );
}
