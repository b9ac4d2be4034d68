//! Kinds of the group `resource.k8s.io` (dynamic resource allocation).

use crate::registry::builder::GroupVersion;
use crate::registry::{Registry, selectable};

const V1: GroupVersion = GroupVersion("resource.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(V1.cluster("DeviceClass", "deviceclasses").generation());
    registry.add(V1.namespaced("ResourceClaim", "resourceclaims").with_status());
    registry.add(V1.namespaced("ResourceClaimTemplate", "resourceclaimtemplates"));
    registry.add(
        V1.cluster("ResourceSlice", "resourceslices")
            .selectable(selectable::RESOURCE_SLICE)
            .generation(),
    );
}
