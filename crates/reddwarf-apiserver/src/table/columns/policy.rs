//! Configuration, access, limits, priorities and devices.

use super::cell::{condition, count, flag, is_deleted, number, or, plain};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use crate::table::duration::human;
use k8s_openapi::api::{
    certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core,
    flowcontrol::v1 as flowcontrol, resource::v1 as resource, scheduling::v1 as scheduling,
};
use serde_json::Value;

/// Config maps.
pub const CONFIG_MAP: &[Column] = &[
    NAME,
    column("Data", field::<core::ConfigMap>("data"), |o, _| {
        (count(o, "data") + count(o, "binaryData")).into()
    }),
    AGE,
];

/// Secrets.
pub const SECRET: &[Column] = &[
    NAME,
    column("Type", field::<core::Secret>("type"), |o, _| text(o, "type").into()),
    column("Data", field::<core::Secret>("data"), |o, _| count(o, "data").into()),
    AGE,
];

/// Namespaces.
pub const NAMESPACE: &[Column] = &[
    NAME,
    worded("Status", "The status of the namespace", |o, _| text(o, "status.phase").into()),
    AGE,
];

/// Component statuses.
pub const COMPONENT_STATUS: &[Column] = &[
    NAME,
    worded("Status", "Status of the component conditions", |o, _| {
        let is_healthy = healthy(o).is_some_and(|c| c["status"] == "True");
        if is_healthy { "Healthy".into() } else { "Unhealthy".into() }
    }),
    worded("Message", "Message of the component conditions", |o, _| {
        healthy(o).map_or("", |c| text(c, "message")).into()
    }),
    worded("Error", "Error of the component conditions", |o, _| {
        healthy(o).map_or("", |c| text(c, "error")).into()
    }),
];

/// The condition that a component is healthy: the last one of that type.
fn healthy(component: &Value) -> Option<&Value> {
    list(component, "conditions").iter().rfind(|c| c["type"] == "Healthy")
}

/// Resource quotas.
pub const QUOTA: &[Column] = &[
    NAME,
    worded(
        "Request",
        "Request represents a minimum amount of cpu/memory that a container may consume.",
        |o, _| used_of_hard(o, false),
    ),
    worded(
        "Limit",
        "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
        |o, _| used_of_hard(o, true),
    ),
    AGE,
];

/// `resource: used/hard` of all resources, or of those about limits.
fn used_of_hard(quota: &Value, limits: bool) -> Value {
    let status = &quota["status"];
    let Some(Value::Object(hard)) = at(status, "hard") else { return "".into() };
    let mut shown: Vec<(&String, String)> = hard
        .iter()
        .filter(|(name, _)| name.starts_with("limits.") == limits)
        .map(|(name, hard)| {
            let used = status["used"].get(name).map_or_else(|| "0".to_owned(), plain);
            (name, format!("{name}: {used}/{}", plain(hard)))
        })
        .collect();
    shown.sort_unstable();
    shown.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(", ").into()
}

/// Disruption budgets.
pub const BUDGET: &[Column] = &[
    NAME,
    worded("Min Available", "The minimum number of pods that must be available.", |o, _| {
        at(o, "spec.minAvailable").map_or_else(|| "N/A".to_owned(), plain).into()
    }),
    worded("Max Unavailable", "The maximum number of pods that may be unavailable.", |o, _| {
        at(o, "spec.maxUnavailable").map_or_else(|| "N/A".to_owned(), plain).into()
    }),
    worded(
        "Allowed Disruptions",
        "Calculated number of pods that may be disrupted at this time.",
        |o, _| number(o, "status.disruptionsAllowed").into(),
    )
    .of("integer"),
    AGE,
];

/// Priority classes.
pub const PRIORITY_CLASS: &[Column] = &[
    NAME,
    column("Value", field::<scheduling::PriorityClass>("value"), |o, _| number(o, "value").into())
        .of("integer"),
    column("Global-Default", field::<scheduling::PriorityClass>("globalDefault"), |o, _| {
        flag(o, "globalDefault").into()
    })
    .of("boolean"),
    AGE,
    column("PreemptionPolicy", field::<scheduling::PriorityClass>("preemptionPolicy"), |o, _| {
        text(o, "preemptionPolicy").into()
    }),
];

/// Leases.
pub const LEASE: &[Column] = &[
    NAME,
    column("Holder", field::<coordination::LeaseSpec>("holderIdentity"), |o, _| {
        text(o, "spec.holderIdentity").into()
    }),
    AGE,
];

/// Runtime classes.
pub const RUNTIME_CLASS: &[Column] =
    &[NAME, worded("Handler", "", |o, _| text(o, "handler").into()), AGE];

/// Certificate requests.
pub const CERTIFICATE_REQUEST: &[Column] = &[
    NAME,
    AGE,
    worded("SignerName", SIGNER_DESCRIPTION, |o, _| or(o, "spec.signerName", "<none>")),
    worded("Requestor", "Base64-encoded PKCS#10 CSR data", |o, _| text(o, "spec.username").into()),
    column(
        "RequestedDuration",
        field::<certificates::CertificateSigningRequestSpec>("expirationSeconds"),
        |o, _| match at(o, "spec.expirationSeconds").and_then(Value::as_i64) {
            Some(seconds) => human(seconds * 1000).into(),
            None => "<none>".into(),
        },
    ),
    worded(
        "Condition",
        "Conditions applied to the request, such as approval or denial.",
        request_condition,
    ),
];

const SIGNER_DESCRIPTION: &str = "Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will be defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n    \"kubernetes.io/kube-apiserver-client-kubelet\".\n 2. If it's a kubelet serving certificate, it is assigned\n    \"kubernetes.io/kubelet-serving\".\n 3. Otherwise, it is assigned \"kubernetes.io/legacy-unknown\".\nDistribution of trust for signers happens out of band. You can select on this field using `spec.signerName`.";

fn request_condition(request: &Value, _: &RowContext) -> Value {
    let verdict = match () {
        () if condition(request, "Denied").is_some() => "Denied",
        () if condition(request, "Approved").is_some() => "Approved",
        () => "Pending",
    };
    let failed = if condition(request, "Failed").is_some() { ",Failed" } else { "" };
    let issued = if text(request, "status.certificate").is_empty() { "" } else { ",Issued" };
    format!("{verdict}{failed}{issued}").into()
}

/// Bindings of roles in a namespace.
pub const ROLE_BINDING: &[Column] = &[
    NAME,
    worded(
        "Role",
        "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        role,
    ),
    AGE,
    worded("Users", "Users in the roleBinding", |o, _| subjects(o, "User")).wide(),
    worded("Groups", "Groups in the roleBinding", |o, _| subjects(o, "Group")).wide(),
    worded("ServiceAccounts", "ServiceAccounts in the roleBinding", |o, _| {
        subjects(o, "ServiceAccount")
    })
    .wide(),
];

/// Bindings of roles in the cluster.
pub const CLUSTER_ROLE_BINDING: &[Column] = &[
    NAME,
    worded(
        "Role",
        "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        role,
    ),
    AGE,
    worded("Users", "Users in the clusterRoleBinding", |o, _| subjects(o, "User")).wide(),
    worded("Groups", "Groups in the clusterRoleBinding", |o, _| subjects(o, "Group")).wide(),
    worded("ServiceAccounts", "ServiceAccounts in the clusterRoleBinding", |o, _| {
        subjects(o, "ServiceAccount")
    })
    .wide(),
];

fn role(binding: &Value, _: &RowContext) -> Value {
    format!("{}/{}", text(binding, "roleRef.kind"), text(binding, "roleRef.name")).into()
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let names: Vec<String> = list(binding, "subjects")
        .iter()
        .filter(|s| s["kind"] == kind)
        .map(|s| match kind {
            "ServiceAccount" => format!("{}/{}", text(s, "namespace"), text(s, "name")),
            _ => text(s, "name").to_owned(),
        })
        .collect();
    names.join(", ").into()
}

/// Flow schemas.
pub const FLOW_SCHEMA: &[Column] = &[
    NAME,
    column(
        "PriorityLevel",
        field::<flowcontrol::PriorityLevelConfigurationReference>("name"),
        |o, _| or(o, "spec.priorityLevelConfiguration.name", "<none>"),
    ),
    column(
        "MatchingPrecedence",
        field::<flowcontrol::FlowSchemaSpec>("matchingPrecedence"),
        |o, _| number(o, "spec.matchingPrecedence").into(),
    ),
    column(
        "DistinguisherMethod",
        field::<flowcontrol::FlowSchemaSpec>("distinguisherMethod"),
        |o, _| or(o, "spec.distinguisherMethod.type", "<none>"),
    ),
    AGE,
    worded(
        "MissingPL",
        "references a broken or non-existent PriorityLevelConfiguration",
        |o, _| condition(o, "Dangling").map_or("?", |c| text(c, "status")).into(),
    ),
];

/// Priority levels.
pub const PRIORITY_LEVEL: &[Column] = &[
    NAME,
    column("Type", field::<flowcontrol::PriorityLevelConfigurationSpec>("type"), |o, _| {
        text(o, "spec.type").into()
    }),
    column(
        "NominalConcurrencyShares",
        field::<flowcontrol::LimitedPriorityLevelConfiguration>("nominalConcurrencyShares"),
        |o, _| {
            let limited = at(o, "spec.limited.nominalConcurrencyShares");
            or_none(limited.or_else(|| at(o, "spec.exempt.nominalConcurrencyShares")))
        },
    ),
    column("Queues", field::<flowcontrol::QueuingConfiguration>("queues"), |o, _| {
        or_none(at(o, "spec.limited.limitResponse.queuing.queues"))
    }),
    column("HandSize", field::<flowcontrol::QueuingConfiguration>("handSize"), |o, _| {
        or_none(at(o, "spec.limited.limitResponse.queuing.handSize"))
    }),
    column(
        "QueueLengthLimit",
        field::<flowcontrol::QueuingConfiguration>("queueLengthLimit"),
        |o, _| or_none(at(o, "spec.limited.limitResponse.queuing.queueLengthLimit")),
    ),
    AGE,
];

fn or_none(number: Option<&Value>) -> Value {
    number.cloned().unwrap_or_else(|| "<none>".into())
}

/// Claims of devices.
pub const RESOURCE_CLAIM: &[Column] = &[
    NAME,
    worded(
        "State",
        "A summary of the current state (allocated, pending, reserved, etc.).",
        claim_state,
    ),
    AGE,
];

fn claim_state(claim: &Value, _: &RowContext) -> Value {
    let mut states = Vec::new();
    if is_deleted(claim) {
        states.push("deleted");
    }
    if at(claim, "status.allocation").is_some() {
        states.push("allocated");
        if count(claim, "status.reservedFor") > 0 {
            states.push("reserved");
        }
    } else if !is_deleted(claim) {
        states.push("pending");
    }
    states.join(",").into()
}

/// Devices of a node or driver.
pub const RESOURCE_SLICE: &[Column] = &[
    NAME,
    column("Node", field::<resource::ResourceSliceSpec>("nodeName"), |o, _| {
        text(o, "spec.nodeName").into()
    }),
    column("Driver", field::<resource::ResourceSliceSpec>("driver"), |o, _| {
        text(o, "spec.driver").into()
    }),
    column("Pool", field::<resource::ResourcePool>("name"), |o, _| {
        text(o, "spec.pool.name").into()
    }),
    AGE,
];
