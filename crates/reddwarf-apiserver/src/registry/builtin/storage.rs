//! Kinds of the group `storage.k8s.io`.

use crate::registry::Registry;
use crate::registry::builder::GroupVersion;

const V1: GroupVersion = GroupVersion("storage.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(V1.cluster("CSIDriver", "csidrivers").conditional_update());
    registry.add(V1.cluster("CSINode", "csinodes").conditional_update());
    registry.add(V1.namespaced("CSIStorageCapacity", "csistoragecapacities").conditional_update());
    registry.add(V1.cluster("StorageClass", "storageclasses").short(&["sc"]));
    registry.add(
        V1.cluster("VolumeAttachment", "volumeattachments").with_status().conditional_update(),
    );
    registry.add(V1.cluster("VolumeAttributesClass", "volumeattributesclasses").short(&["vac"]));
}
