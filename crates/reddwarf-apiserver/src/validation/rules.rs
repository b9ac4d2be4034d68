//! Which checks belong to which kind.

use super::names::{self, NameRule};
use super::{
    ErrorList, admission, api_service, apps, autoscaling, batch, budget, certificate, cluster,
    config, csi, endpoint_slice, endpoints, event, flow, limit_range, load_balancer, namespace,
    network, network_policy, node, persistent_volume, pod, quota, rbac, replication, resource,
    runtime_class, service, service_range, storage_class, volume_claim,
};
use serde_json::Value;

/// The checks of one kind besides its metadata's.
pub struct Rules {
    /// The format of its names.
    pub name: NameRule,
    /// Whether its strategy validates the whole metadata again at an update.
    pub revalidates_metadata: bool,
    /// Whether its strategy compares the metadata with the stored one again at an update.
    pub compares_metadata: bool,
    /// Whether a finalizer without a domain must be one of those that are known.
    pub known_finalizers: bool,
    /// Whether the metadata of a new object is looked at when all else is fine.
    pub metadata_last: bool,
    /// Checks a new object.
    pub create: fn(&Value) -> ErrorList,
    /// Checks an update of the main resource: (new, old).
    pub update: fn(&Value, &Value) -> ErrorList,
    /// Checks an update of the status: (new, old).
    pub status: fn(&Value, &Value) -> ErrorList,
}

/// The groups whose kinds ask that a finalizer is known when it has no domain.
const KNOWN_FINALIZERS: [&str; 14] = [
    "",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "discovery.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

const NONE: Rules = Rules {
    name: names::subdomain,
    revalidates_metadata: false,
    compares_metadata: true,
    known_finalizers: false,
    metadata_last: false,
    create: |_| ErrorList::new(),
    update: |_, _| ErrorList::new(),
    status: |_, _| ErrorList::new(),
};

const fn of(create: fn(&Value) -> ErrorList, update: fn(&Value, &Value) -> ErrorList) -> Rules {
    Rules { create, update, ..NONE }
}

impl Rules {
    /// The rules of a built-in kind; a kind that is not listed has plain metadata.
    pub fn of(group: &str, kind: &str) -> Rules {
        Rules { known_finalizers: KNOWN_FINALIZERS.contains(&group), ..Rules::of_kind(group, kind) }
    }

    fn of_kind(group: &str, kind: &str) -> Rules {
        match group {
            "" => core(kind),
            "apps" => apps_kind(kind),
            "batch" => jobs(kind),
            "autoscaling" => {
                of(autoscaling::create, autoscaling::update).with_status(autoscaling::status)
            }
            "certificates.k8s.io" => of(certificate::create, certificate::update)
                .named(certificate::name)
                .with_status(certificate::status)
                .whole(),
            "rbac.authorization.k8s.io" => rbac_kind(kind),
            "events.k8s.io" => of(event::create, event::update).named(names::path_segment).once(),
            "networking.k8s.io" | "discovery.k8s.io" => networking(kind),
            "storage.k8s.io" => storage_kind(kind),
            "resource.k8s.io" => devices(kind),
            "admissionregistration.k8s.io" => admission_kind(kind),
            "flowcontrol.apiserver.k8s.io" => flow_control(kind),
            "apiregistration.k8s.io" => of(api_service::create, |new, _| api_service::create(new))
                .named(names::path_segment)
                .with_status(api_service::status)
                .whole(),
            _ => other(kind),
        }
    }

    const fn named(self, name: NameRule) -> Rules {
        Rules { name, ..self }
    }

    const fn with_status(self, status: fn(&Value, &Value) -> ErrorList) -> Rules {
        Rules { status, ..self }
    }

    /// Its update validates the whole object again, metadata included.
    const fn whole(self) -> Rules {
        Rules { revalidates_metadata: true, ..self }
    }

    /// Its strategy leaves the metadata to the checks for all kinds, or checks it itself.
    const fn once(self) -> Rules {
        Rules { compares_metadata: false, metadata_last: true, ..self }
    }

    /// Its update looks at the metadata no more than those of all kinds do.
    const fn uncompared(self) -> Rules {
        Rules { compares_metadata: false, ..self }
    }

    /// Its update validates the new object as a creation does, and compares no metadata.
    const fn anew(self) -> Rules {
        Rules { revalidates_metadata: true, compares_metadata: false, ..self }
    }
}

fn core(kind: &str) -> Rules {
    match kind {
        "ConfigMap" => of(config::config_map, config::config_map_update).whole(),
        "Secret" => of(config::secret, config::secret_update).whole(),
        "Pod" => of(pod::create, pod::update).with_status(pod::status).whole(),
        "Namespace" => of(namespace::create, |new, _| namespace::create(new))
            .named(names::label)
            .with_status(namespace::status)
            .whole(),
        "Service" => of(service::create, service::update)
            .named(names::label)
            .with_status(load_balancer::status),
        "Endpoints" => of(endpoints::create, endpoints::update).whole(),
        "Node" => of(node::create, node::update).with_status(node::status).whole(),
        "Event" => of(event::core, |new, _| event::core(new)).named(names::path_segment).once(),
        "LimitRange" => of(limit_range::limit_range, |new, _| limit_range::limit_range(new)).anew(),
        "ResourceQuota" => of(quota::create, quota::update).with_status(quota::status),
        "PersistentVolume" => of(persistent_volume::create, persistent_volume::update).whole(),
        "PersistentVolumeClaim" => {
            of(volume_claim::create, volume_claim::update).with_status(volume_claim::status).whole()
        }
        "PodTemplate" => of(replication::template, replication::template_update),
        "ReplicationController" => of(replication::controller, replication::controller_update)
            .with_status(replication::status),
        "ServiceAccount" => NONE.whole(),
        _ => NONE,
    }
}

fn apps_kind(kind: &str) -> Rules {
    match kind {
        "Deployment" => {
            of(apps::deployment, apps::deployment_update).with_status(apps::deployment_status)
        }
        "ReplicaSet" => {
            of(apps::replica_set, apps::replica_set_update).with_status(apps::replica_set_status)
        }
        "StatefulSet" => of(apps::stateful_set, apps::stateful_set_update)
            .named(names::label)
            .with_status(apps::stateful_set_status),
        "DaemonSet" => {
            of(apps::daemon_set, apps::daemon_set_update).with_status(apps::daemon_set_status)
        }
        "ControllerRevision" => {
            of(apps::controller_revision, apps::controller_revision_update).whole()
        }
        _ => NONE,
    }
}

fn jobs(kind: &str) -> Rules {
    match kind {
        "Job" => of(batch::job, batch::job_update).with_status(batch::job_status).whole(),
        "CronJob" => of(batch::cron_job, batch::cron_job_update),
        _ => NONE,
    }
}

fn rbac_kind(kind: &str) -> Rules {
    let rules = match kind {
        "Role" => of(rbac::role, |new, _| rbac::role(new)),
        "ClusterRole" => of(rbac::cluster_role, rbac::cluster_role_update),
        "RoleBinding" => of(rbac::role_binding, rbac::role_binding_update),
        "ClusterRoleBinding" => of(rbac::cluster_role_binding, rbac::cluster_role_binding_update),
        _ => NONE,
    };
    rules.named(names::path_segment).whole()
}

fn networking(kind: &str) -> Rules {
    match kind {
        "Ingress" => of(network::ingress, network::ingress_update)
            .with_status(network::ingress_status)
            .whole(),
        "IngressClass" => of(network::ingress_class, network::ingress_class_update).whole(),
        "NetworkPolicy" => of(network_policy::create, network_policy::update),
        "IPAddress" => of(service_range::address, service_range::address_update)
            .named(service_range::address_name)
            .whole(),
        "ServiceCIDR" => of(service_range::cidr, service_range::cidr_update),
        "EndpointSlice" => of(endpoint_slice::create, endpoint_slice::update).anew(),
        _ => NONE,
    }
}

fn storage_kind(kind: &str) -> Rules {
    match kind {
        "StorageClass" => of(storage_class::class, storage_class::class_update).whole(),
        "VolumeAttributesClass" => {
            of(storage_class::attributes, storage_class::attributes_update).whole()
        }
        "CSIDriver" => of(csi::driver, csi::driver_update).whole(),
        "CSINode" => of(csi::node, csi::node_update).anew(),
        "CSIStorageCapacity" => of(csi::capacity, csi::capacity_update).whole(),
        "VolumeAttachment" => {
            of(csi::attachment, csi::attachment_update).with_status(csi::attachment_update).anew()
        }
        _ => NONE,
    }
}

fn devices(kind: &str) -> Rules {
    match kind {
        "DeviceClass" => of(resource::class, resource::class_update).whole(),
        "ResourceClaim" => {
            of(resource::claim, resource::claim_update).with_status(resource::claim_status).whole()
        }
        "ResourceClaimTemplate" => of(resource::template, resource::template_update),
        "ResourceSlice" => of(resource::slice, resource::slice_update),
        _ => NONE,
    }
}

fn admission_kind(kind: &str) -> Rules {
    let rules = match kind {
        "MutatingWebhookConfiguration" => {
            of(admission::mutating_webhooks, admission::mutating_webhooks_update)
        }
        "ValidatingWebhookConfiguration" => {
            of(admission::validating_webhooks, admission::validating_webhooks_update)
        }
        "MutatingAdmissionPolicy" => {
            of(admission::mutating_policy, admission::mutating_policy_update)
        }
        "ValidatingAdmissionPolicy" => {
            of(admission::validating_policy, admission::validating_policy_update)
                .with_status(admission::validating_policy_status)
        }
        "MutatingAdmissionPolicyBinding" => {
            of(admission::mutating_binding, |new, _| admission::mutating_binding(new))
        }
        "ValidatingAdmissionPolicyBinding" => {
            of(admission::validating_binding, |new, _| admission::validating_binding(new))
        }
        _ => NONE,
    };
    rules.anew()
}

fn flow_control(kind: &str) -> Rules {
    match kind {
        "FlowSchema" => {
            of(flow::schema, |new, _| flow::schema(new)).with_status(flow::status).anew()
        }
        "PriorityLevelConfiguration" => {
            of(flow::level, |new, _| flow::level(new)).with_status(flow::status).anew()
        }
        _ => NONE,
    }
}

fn other(kind: &str) -> Rules {
    match kind {
        "PriorityClass" => of(cluster::priority_class, cluster::priority_class_update),
        "Lease" => of(cluster::lease, |new, _| cluster::lease(new)),
        "RuntimeClass" => of(runtime_class::create, runtime_class::update).whole(),
        "PodDisruptionBudget" => of(budget::disruption_budget, budget::disruption_budget_update)
            .named(names::path_segment)
            .with_status(budget::disruption_status)
            .uncompared(),
        _ => NONE,
    }
}
