//! Kinds of the group `autoscaling`. Both versions are stored as v2, as upstream does.

use crate::defaults::autoscaling;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Kind;
use crate::registry::{Registry, conversion};
use crate::table::columns;

const GROUP: &str = "autoscaling";

pub(super) fn add(registry: &mut Registry) {
    let stored = conversion::AUTOSCALER_V1;
    registry.add(autoscaler(GroupVersion(GROUP, "v2")).defaults(autoscaling::v2));
    registry.add(
        autoscaler(GroupVersion(GROUP, "v1"))
            .stored_as(GROUP, "v2", stored)
            .defaults(autoscaling::v1),
    );
}

fn autoscaler(version: GroupVersion) -> Kind {
    version
        .namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers")
        .table(columns::AUTOSCALER)
        .short(&["hpa"])
        .category("all")
        .with_status()
}
