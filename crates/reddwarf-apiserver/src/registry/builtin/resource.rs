//! Kinds of the group `resource.k8s.io` (dynamic resource allocation).

use crate::defaults::policy;
use crate::registry::builder::GroupVersion;
use crate::registry::{Registry, prepare, selectable};
use crate::table::columns;

const V1: GroupVersion = GroupVersion("resource.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry
        .add(V1.cluster("DeviceClass", "deviceclasses").table(columns::NAME_AND_AGE).generation());
    registry.add(
        V1.namespaced("ResourceClaim", "resourceclaims")
            .table(columns::RESOURCE_CLAIM)
            .with_status()
            .defaults(policy::resource_claim)
            .status_keeps_metadata()
            .on_status_update(prepare::device_claim_status_update),
    );
    registry.add(
        V1.namespaced("ResourceClaimTemplate", "resourceclaimtemplates")
            .table(columns::NAME_AND_AGE)
            .defaults(policy::resource_claim_template),
    );
    registry.add(
        V1.cluster("ResourceSlice", "resourceslices")
            .table(columns::RESOURCE_SLICE)
            .selectable(selectable::RESOURCE_SLICE)
            .defaults(policy::resource_slice)
            .on_create(prepare::slice_create)
            .on_update(prepare::slice_update)
            .generation(),
    );
}
