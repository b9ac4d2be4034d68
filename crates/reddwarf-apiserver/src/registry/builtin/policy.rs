//! Kinds of the groups `policy` and `scheduling.k8s.io`.

use crate::defaults::policy;
use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;
use crate::table::columns;

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        GroupVersion("policy", "v1")
            .namespaced("PodDisruptionBudget", "poddisruptionbudgets")
            .table(columns::BUDGET)
            .short(&["pdb"])
            .with_status()
            .conditional_update()
            .generation(),
    );
}

pub(super) fn add_scheduling(registry: &mut Registry) {
    registry.add(
        GroupVersion("scheduling.k8s.io", "v1")
            .cluster("PriorityClass", "priorityclasses")
            .table(columns::PRIORITY_CLASS)
            .short(&["pc"])
            .generation_as(Generation::Fixed)
            .defaults(policy::priority_class),
    );
}
