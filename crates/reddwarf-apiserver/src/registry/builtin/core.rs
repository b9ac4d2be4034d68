//! Kinds of the core group.

use crate::defaults::{network, pod, policy, storage, workload};
use crate::registry::builder::GroupVersion;
use crate::registry::kind::{Kind, Verbs};
use crate::registry::{Registry, prepare, selectable};
use crate::table::columns;
use serde_json::Value;

const V1: GroupVersion = GroupVersion("", "v1");
const CONNECT: &[&str] = &["create", "get"];

pub(super) fn add(registry: &mut Registry) {
    small(registry);
    namespaces_and_nodes(registry);
    volumes(registry);
    registry.add(pod());
    registry.add(
        V1.namespaced("PodTemplate", "podtemplates")
            .table(columns::POD_TEMPLATE)
            .generation()
            .defaults(workload::pod_template)
            .on_create(prepare::pod_template_create)
            .on_update(prepare::pod_template_update),
    );
    registry.add(
        V1.namespaced("ReplicationController", "replicationcontrollers")
            .table(columns::REPLICATION_CONTROLLER)
            .short(&["rc"])
            .category("all")
            .with_status()
            .with_scale()
            .selectable(selectable::STATUS_REPLICAS)
            .defaults(workload::replication_controller)
            .on_create(prepare::replication_controller_create)
            .on_update(prepare::replication_controller_update)
            .generation(),
    );
    registry.add(
        V1.namespaced("ResourceQuota", "resourcequotas")
            .table(columns::QUOTA)
            .short(&["quota"])
            .with_status()
            .defaults(policy::resource_quota),
    );
    registry.add(
        V1.namespaced("Secret", "secrets")
            .table(columns::SECRET)
            .selectable(selectable::SECRET)
            .defaults(policy::secret),
    );
    registry.add(
        V1.namespaced("ServiceAccount", "serviceaccounts")
            .table(columns::NAME_AND_AGE)
            .short(&["sa"])
            .on_create(prepare::service_account_create)
            .on_update(prepare::service_account_update)
            .sub_of(
                "token",
                GroupVersion("authentication.k8s.io", "v1"),
                "TokenRequest",
                &["create"],
            ),
    );
    registry.add(
        V1.namespaced("Service", "services")
            .table(columns::SERVICE)
            .short(&["svc"])
            .category("all")
            .with_status()
            .with_proxy("ServiceProxyOptions")
            .selectable(selectable::SERVICE)
            .defaults(network::service)
            .create_on_update(),
    );
}

fn small(registry: &mut Registry) {
    registry.add(V1.namespaced("Binding", "bindings").verbs(Verbs::CREATE));
    registry.add(
        V1.cluster("ComponentStatus", "componentstatuses")
            .table(columns::COMPONENT_STATUS)
            .short(&["cs"])
            .verbs(Verbs((&["get", "list"][..]).into())),
    );
    registry
        .add(V1.namespaced("ConfigMap", "configmaps").table(columns::CONFIG_MAP).short(&["cm"]));
    registry.add(
        V1.namespaced("Endpoints", "endpoints")
            .table(columns::ENDPOINTS)
            .short(&["ep"])
            .defaults(network::endpoints)
            .create_on_update(),
    );
    registry.add(
        V1.namespaced("Event", "events")
            .table(columns::EVENT)
            .short(&["ev"])
            .selectable(selectable::EVENT)
            .create_on_update(),
    );
    registry.add(
        V1.namespaced("LimitRange", "limitranges")
            .short(&["limits"])
            .defaults(policy::limit_range)
            .create_on_update(),
    );
}

fn namespaces_and_nodes(registry: &mut Registry) {
    registry.add(
        V1.cluster("Namespace", "namespaces")
            .table(columns::NAMESPACE)
            .short(&["ns"])
            .verbs(Verbs(
                (&["create", "delete", "get", "list", "patch", "update", "watch"][..]).into(),
            ))
            .sub("finalize", "Namespace", &["update"])
            .with_status()
            .selectable(selectable::NAMESPACE)
            .defaults(policy::namespace)
            .on_create(prepare::namespace_create)
            .on_update(prepare::namespace_update),
    );
    registry.add(
        V1.cluster("Node", "nodes")
            .table(columns::NODE)
            .short(&["no"])
            .with_proxy("NodeProxyOptions")
            .with_status()
            .selectable(selectable::NODE)
            .status_at_creation()
            .defaults(policy::node)
            .on_create(prepare::node_create)
            .on_update(prepare::node_update)
            .on_status_update(prepare::node_status_update),
    );
}

fn volumes(registry: &mut Registry) {
    registry.add(
        V1.namespaced("PersistentVolumeClaim", "persistentvolumeclaims")
            .table(columns::CLAIM)
            .short(&["pvc"])
            .with_status()
            .defaults(storage::persistent_volume_claim)
            .on_create(prepare::claim_create)
            .on_update(prepare::claim_update),
    );
    registry.add(
        V1.cluster("PersistentVolume", "persistentvolumes")
            .table(columns::VOLUME)
            .short(&["pv"])
            .with_status()
            .defaults(storage::persistent_volume)
            .on_create(prepare::volume_create)
            .on_status_update(prepare::volume_status_update),
    );
}

fn pod() -> Kind {
    V1.namespaced("Pod", "pods")
        .table(columns::POD)
        .short(&["po"])
        .category("all")
        .sub("attach", "PodAttachOptions", CONNECT)
        .sub("binding", "Binding", &["create"])
        .sub_self("ephemeralcontainers", Verbs::GET_PATCH_UPDATE)
        .sub_of("eviction", GroupVersion("policy", "v1"), "Eviction", &["create"])
        .sub("exec", "PodExecOptions", CONNECT)
        .sub("log", "Pod", &["get"])
        .sub("portforward", "PodPortForwardOptions", CONNECT)
        .with_proxy("PodProxyOptions")
        .sub_self("resize", Verbs::GET_PATCH_UPDATE)
        .with_status()
        .selectable(selectable::POD)
        .defaults(pod::pod)
        .on_create(prepare::pod_create)
        .on_update(prepare::pod_update)
        .on_status_update(prepare::pod_status_update)
        .generation()
        .grace(pod_grace_seconds)
}

/// A pod that is bound and has not ended gets the grace that its spec names.
fn pod_grace_seconds(pod: &Value) -> u64 {
    let bound = pod["spec"]["nodeName"].as_str().is_some_and(|n| !n.is_empty());
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !bound || ended {
        return 0;
    }
    let seconds = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    // What is negative counts as the least that is not at once.
    u64::try_from(seconds).unwrap_or(1)
}
