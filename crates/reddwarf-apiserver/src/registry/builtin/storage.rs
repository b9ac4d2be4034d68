//! Kinds of the group `storage.k8s.io`.

use crate::defaults::storage;
use crate::registry::Registry;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;
use crate::table::columns;

const V1: GroupVersion = GroupVersion("storage.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.cluster("CSIDriver", "csidrivers")
            .table(columns::CSI_DRIVER)
            .conditional_update()
            .generation_as(Generation::AfterSpecChange)
            .defaults(storage::csi_driver),
    );
    registry.add(V1.cluster("CSINode", "csinodes").table(columns::CSI_NODE).conditional_update());
    registry.add(V1.namespaced("CSIStorageCapacity", "csistoragecapacities").conditional_update());
    registry.add(
        V1.cluster("StorageClass", "storageclasses")
            .table(columns::STORAGE_CLASS)
            .short(&["sc"])
            .defaults(storage::storage_class),
    );
    registry.add(
        V1.cluster("VolumeAttachment", "volumeattachments")
            .table(columns::ATTACHMENT)
            .with_status()
            .status_keeps_metadata()
            .conditional_update(),
    );
    registry.add(
        V1.cluster("VolumeAttributesClass", "volumeattributesclasses")
            .table(columns::ATTRIBUTES_CLASS)
            .short(&["vac"]),
    );
}
