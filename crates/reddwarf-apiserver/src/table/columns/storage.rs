//! Storage.

use super::cell::{access_modes, count, flag, is_deleted, joined, or, plain, texts};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, text};
use crate::registry::{Column, RowContext};
use k8s_openapi::api::{core::v1 as core, storage::v1 as storage};
use serde_json::Value;

const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Persistent volumes.
pub const VOLUME: &[Column] = &[
    NAME,
    column("Capacity", field::<core::PersistentVolumeSpec>("capacity"), |o, _| {
        quantity(o, "spec.capacity.storage")
    }),
    column("Access Modes", field::<core::PersistentVolumeSpec>("accessModes"), |o, _| {
        access_modes(o, "spec.accessModes").into()
    }),
    column(
        "Reclaim Policy",
        field::<core::PersistentVolumeSpec>("persistentVolumeReclaimPolicy"),
        |o, _| text(o, "spec.persistentVolumeReclaimPolicy").into(),
    ),
    column("Status", field::<core::PersistentVolumeStatus>("phase"), phase),
    column("Claim", field::<core::PersistentVolumeSpec>("claimRef"), |o, _| {
        match at(o, "spec.claimRef") {
            Some(claim) => format!("{}/{}", text(claim, "namespace"), text(claim, "name")).into(),
            None => "".into(),
        }
    }),
    worded("StorageClass", "StorageClass of the pv", class),
    worded("VolumeAttributesClass", "VolumeAttributesClass of the pv", attributes_class),
    column("Reason", field::<core::PersistentVolumeStatus>("reason"), |o, _| {
        text(o, "status.reason").into()
    }),
    AGE,
    column("VolumeMode", field::<core::PersistentVolumeSpec>("volumeMode"), mode).wide(),
];

/// Persistent volume claims.
pub const CLAIM: &[Column] = &[
    NAME,
    column("Status", field::<core::PersistentVolumeClaimStatus>("phase"), phase),
    column("Volume", field::<core::PersistentVolumeClaimSpec>("volumeName"), |o, _| {
        text(o, "spec.volumeName").into()
    }),
    column("Capacity", field::<core::PersistentVolumeClaimStatus>("capacity"), |o, _| {
        if is_bound(o) { quantity(o, "status.capacity.storage") } else { "".into() }
    }),
    column("Access Modes", field::<core::PersistentVolumeClaimStatus>("accessModes"), |o, _| {
        if is_bound(o) { access_modes(o, "status.accessModes").into() } else { "".into() }
    }),
    worded("StorageClass", "StorageClass of the pvc", class),
    worded("VolumeAttributesClass", "VolumeAttributesClass of the pvc", attributes_class),
    AGE,
    column("VolumeMode", field::<core::PersistentVolumeClaimSpec>("volumeMode"), mode).wide(),
];

fn is_bound(claim: &Value) -> bool {
    !text(claim, "spec.volumeName").is_empty()
}

fn quantity(object: &Value, path: &str) -> Value {
    at(object, path).map_or_else(|| "0".to_owned(), plain).into()
}

fn phase(object: &Value, _: &RowContext) -> Value {
    if is_deleted(object) { "Terminating".into() } else { text(object, "status.phase").into() }
}

fn class(object: &Value, _: &RowContext) -> Value {
    let annotated = at(object, "metadata.annotations").and_then(|a| a.get(CLASS_ANNOTATION));
    match annotated {
        Some(class) => class.clone(),
        None => text(object, "spec.storageClassName").into(),
    }
}

fn attributes_class(object: &Value, _: &RowContext) -> Value {
    or(object, "spec.volumeAttributesClassName", "<unset>")
}

fn mode(object: &Value, _: &RowContext) -> Value {
    or(object, "spec.volumeMode", "<unset>")
}

/// Storage classes.
pub const STORAGE_CLASS: &[Column] = &[
    Column { cell: name_and_default, ..NAME },
    column("Provisioner", field::<storage::StorageClass>("provisioner"), |o, _| {
        text(o, "provisioner").into()
    }),
    column("ReclaimPolicy", field::<storage::StorageClass>("reclaimPolicy"), |o, _| {
        or(o, "reclaimPolicy", "Delete")
    }),
    column("VolumeBindingMode", field::<storage::StorageClass>("volumeBindingMode"), |o, _| {
        or(o, "volumeBindingMode", "Immediate")
    }),
    column(
        "AllowVolumeExpansion",
        field::<storage::StorageClass>("allowVolumeExpansion"),
        |o, _| flag(o, "allowVolumeExpansion").into(),
    ),
    AGE,
];

fn name_and_default(class: &Value, _: &RowContext) -> Value {
    const DEFAULT: [&str; 2] = [
        "storageclass.kubernetes.io/is-default-class",
        "storageclass.beta.kubernetes.io/is-default-class",
    ];
    let annotations = &class["metadata"]["annotations"];
    let mark = if DEFAULT.iter().any(|a| annotations[*a] == "true") { " (default)" } else { "" };
    format!("{}{mark}", crate::object::name(class)).into()
}

/// Classes of volume attributes.
pub const ATTRIBUTES_CLASS: &[Column] = &[
    NAME,
    column("DriverName", field::<storage::VolumeAttributesClass>("driverName"), |o, _| {
        text(o, "driverName").into()
    }),
    AGE,
];

/// Attachments of volumes.
pub const ATTACHMENT: &[Column] = &[
    NAME,
    column("Attacher", field::<storage::VolumeAttachmentSpec>("attacher"), |o, _| {
        text(o, "spec.attacher").into()
    })
    .format("name"),
    column("PV", field::<storage::VolumeAttachmentSource>("persistentVolumeName"), |o, _| {
        text(o, "spec.source.persistentVolumeName").into()
    }),
    column("Node", field::<storage::VolumeAttachmentSpec>("nodeName"), |o, _| {
        text(o, "spec.nodeName").into()
    }),
    column("Attached", field::<storage::VolumeAttachmentStatus>("attached"), |o, _| {
        flag(o, "status.attached").into()
    })
    .of("boolean"),
    AGE,
];

/// CSI drivers of a node.
pub const CSI_NODE: &[Column] = &[
    NAME,
    worded(
        "Drivers",
        "Drivers indicates the number of CSI drivers registered on the node",
        |o, _| count(o, "spec.drivers").into(),
    )
    .of("integer"),
    AGE,
];

/// CSI drivers.
pub const CSI_DRIVER: &[Column] = &[
    NAME,
    column("AttachRequired", field::<storage::CSIDriverSpec>("attachRequired"), |o, _| {
        at(o, "spec.attachRequired").and_then(Value::as_bool).unwrap_or(true).into()
    })
    .of("boolean"),
    column("PodInfoOnMount", field::<storage::CSIDriverSpec>("podInfoOnMount"), |o, _| {
        flag(o, "spec.podInfoOnMount").into()
    })
    .of("boolean"),
    column("StorageCapacity", field::<storage::CSIDriverSpec>("storageCapacity"), |o, _| {
        flag(o, "spec.storageCapacity").into()
    })
    .of("boolean"),
    column("TokenRequests", field::<storage::CSIDriverSpec>("tokenRequests"), |o, _| {
        match count(o, "spec.tokenRequests") {
            0 => "<unset>".into(),
            _ => joined(o, "spec.tokenRequests", "audience").into(),
        }
    }),
    column("RequiresRepublish", field::<storage::CSIDriverSpec>("requiresRepublish"), |o, _| {
        flag(o, "spec.requiresRepublish").into()
    })
    .of("boolean"),
    column("Modes", field::<storage::CSIDriverSpec>("volumeLifecycleModes"), |o, _| {
        match texts(o, "spec.volumeLifecycleModes", ",") {
            modes if modes.is_empty() => "<none>".into(),
            modes => modes.into(),
        }
    }),
    AGE,
];
