//! The groups `certificates.k8s.io`, `coordination.k8s.io` and `node.k8s.io`.

use crate::registry::builder::GroupVersion;
use crate::registry::kind::Verbs;
use crate::registry::{Registry, prepare, selectable};
use crate::table::columns;

pub(super) fn add_certificates(registry: &mut Registry) {
    registry.add(
        GroupVersion("certificates.k8s.io", "v1")
            .cluster("CertificateSigningRequest", "certificatesigningrequests")
            .table(columns::CERTIFICATE_REQUEST)
            .short(&["csr"])
            .sub_self("approval", Verbs::GET_PATCH_UPDATE)
            .with_status()
            .selectable(selectable::CSR)
            .on_update(prepare::request_update)
            .on_status_update(prepare::request_status_update),
    );
}

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        GroupVersion("coordination.k8s.io", "v1")
            .namespaced("Lease", "leases")
            .table(columns::LEASE)
            .on_create(prepare::lease_create)
            .on_update(prepare::lease_update)
            .create_on_update()
            .conditional_update(),
    );
    registry.add(
        GroupVersion("node.k8s.io", "v1")
            .cluster("RuntimeClass", "runtimeclasses")
            .table(columns::RUNTIME_CLASS)
            .create_on_update()
            .conditional_update(),
    );
}
