//! Kinds of the groups `networking.k8s.io` and `discovery.k8s.io`.

use crate::defaults::network;
use crate::registry::builder::GroupVersion;
use crate::registry::kind::Generation;
use crate::registry::{Registry, prepare};
use crate::table::columns;

const V1: GroupVersion = GroupVersion("networking.k8s.io", "v1");
const DISCOVERY: GroupVersion = GroupVersion("discovery.k8s.io", "v1");

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        V1.cluster("IngressClass", "ingressclasses")
            .table(columns::INGRESS_CLASS)
            .generation()
            .defaults(network::ingress_class),
    );
    registry.add(
        V1.namespaced("Ingress", "ingresses")
            .table(columns::INGRESS)
            .short(&["ing"])
            .with_status()
            .generation(),
    );
    registry.add(V1.cluster("IPAddress", "ipaddresses").table(columns::IP_ADDRESS).short(&["ip"]));
    registry.add(
        V1.namespaced("NetworkPolicy", "networkpolicies")
            .table(columns::NETWORK_POLICY)
            .short(&["netpol"])
            .generation()
            .defaults(network::network_policy),
    );
    registry.add(
        V1.cluster("ServiceCIDR", "servicecidrs")
            .table(columns::SERVICE_CIDR)
            .with_status()
            .status_keeps_metadata(),
    );
}

pub(super) fn add_discovery(registry: &mut Registry) {
    registry.add(
        DISCOVERY
            .namespaced("EndpointSlice", "endpointslices")
            .table(columns::ENDPOINT_SLICE)
            .generation_as(Generation::OnSpecOrLabelChange)
            .defaults(network::endpoint_slice)
            .on_create(prepare::endpoint_slice_create)
            .on_update(prepare::endpoint_slice_update),
    );
}
