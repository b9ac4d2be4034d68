//! Which checks belong to which kind.

use super::names::{self, NameRule};
use super::{ErrorList, batch, cluster, config, network, pod, rbac, service, storage, workload};
use serde_json::Value;

/// The checks of one kind besides its metadata's.
pub struct Rules {
    /// The format of its names.
    pub name: NameRule,
    /// Whether its strategy validates the whole metadata again at an update.
    pub revalidates_metadata: bool,
    /// Checks a new object.
    pub create: fn(&Value) -> ErrorList,
    /// Checks an update of the main resource: (new, old).
    pub update: fn(&Value, &Value) -> ErrorList,
    /// Checks an update of the status: (new, old).
    pub status: fn(&Value, &Value) -> ErrorList,
}

const NONE: Rules = Rules {
    name: names::subdomain,
    revalidates_metadata: false,
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
        match group {
            "" => core(kind),
            "apps" => apps(kind),
            "batch" => jobs(kind),
            "rbac.authorization.k8s.io" => rbac_kind(kind),
            "networking.k8s.io" | "discovery.k8s.io" => networking(kind),
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
}

fn core(kind: &str) -> Rules {
    match kind {
        "ConfigMap" => of(config::config_map, config::config_map_update).whole(),
        "Secret" => of(config::secret, config::secret_update).whole(),
        "Pod" => of(pod::create, pod::update).with_status(pod::status).whole(),
        "Namespace" => of(workload::namespace, |_, _| ErrorList::new()).named(names::label),
        "Service" => of(service::create, service::update)
            .named(names::label)
            .with_status(service::status)
            .whole(),
        "Endpoints" => of(service::endpoints, |new, _| service::endpoints(new)),
        "Node" => of(cluster::node, cluster::node_update),
        "Event" => of(cluster::event, |_, _| ErrorList::new()).named(names::path_segment),
        "ResourceQuota" => of(cluster::quota, cluster::quota_update),
        "PersistentVolume" => of(storage::volume, storage::volume_update).whole(),
        "PersistentVolumeClaim" => of(storage::claim, storage::claim_update),
        "PodTemplate" => of(workload::pod_template, |new, _| workload::pod_template(new)),
        "ReplicationController" => {
            of(workload::replication_controller, workload::replication_controller_update)
                .with_status(workload::replica_status)
        }
        _ => NONE,
    }
}

fn apps(kind: &str) -> Rules {
    match kind {
        "Deployment" => of(workload::deployment, workload::deployment_update),
        "ReplicaSet" => of(workload::replica_set, workload::replica_set_update)
            .with_status(workload::replica_status),
        "StatefulSet" => {
            of(workload::stateful_set, workload::stateful_set_update).named(names::label)
        }
        "DaemonSet" => of(workload::daemon_set, workload::daemon_set_update),
        "ControllerRevision" => {
            of(workload::controller_revision, workload::controller_revision_update)
        }
        _ => NONE,
    }
}

fn jobs(kind: &str) -> Rules {
    match kind {
        "Job" => of(batch::job, batch::job_update),
        "CronJob" => of(batch::cron_job, |new, _| batch::cron_job(new)),
        _ => NONE,
    }
}

fn rbac_kind(kind: &str) -> Rules {
    let rules = match kind {
        "Role" => of(rbac::role, |new, _| rbac::role(new)),
        "ClusterRole" => of(rbac::cluster_role, |new, _| rbac::cluster_role(new)),
        "RoleBinding" => of(rbac::role_binding, rbac::role_binding_update),
        "ClusterRoleBinding" => of(rbac::cluster_role_binding, rbac::cluster_role_binding_update),
        _ => NONE,
    };
    rules.named(names::path_segment)
}

fn networking(kind: &str) -> Rules {
    match kind {
        "Ingress" => {
            of(network::ingress, network::ingress_update).with_status(network::ingress_status)
        }
        "IngressClass" => of(network::ingress_class, network::ingress_class_update),
        "IPAddress" => of(network::address, network::address_update).named(network::address_name),
        "EndpointSlice" => of(network::endpoint_slice, network::endpoint_slice_update),
        _ => NONE,
    }
}

fn other(kind: &str) -> Rules {
    match kind {
        "PriorityClass" => of(cluster::priority_class, cluster::priority_class_update),
        "Lease" => of(cluster::lease, |new, _| cluster::lease(new)),
        "RuntimeClass" => of(cluster::runtime_class, cluster::runtime_class_update),
        "StorageClass" => of(storage::class, storage::class_update),
        "PodDisruptionBudget" => {
            of(workload::disruption_budget, |new, _| workload::disruption_budget(new))
                .named(names::path_segment)
                .with_status(workload::disruption_status)
        }
        _ => NONE,
    }
}
