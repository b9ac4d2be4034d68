//! The columns of every built-in kind.

mod cell;
mod event;
mod extension;
mod network;
mod node;
mod pod;
mod policy;
mod scaling;
mod storage;
mod workload;

pub use event::EVENT;
pub use extension::{API_SERVICE, MUTATING_POLICY, POLICY_BINDING, VALIDATING_POLICY, WEBHOOKS};
pub use network::{
    ENDPOINT_SLICE, ENDPOINTS, INGRESS, INGRESS_CLASS, IP_ADDRESS, NETWORK_POLICY, SERVICE,
    SERVICE_CIDR,
};
pub use node::NODE;
pub use pod::POD;
pub use policy::{
    BUDGET, CERTIFICATE_REQUEST, CLUSTER_ROLE_BINDING, COMPONENT_STATUS, CONFIG_MAP, FLOW_SCHEMA,
    LEASE, NAMESPACE, PRIORITY_CLASS, PRIORITY_LEVEL, QUOTA, RESOURCE_CLAIM, RESOURCE_SLICE,
    ROLE_BINDING, RUNTIME_CLASS, SECRET,
};
pub use scaling::{AUTOSCALER, SCALE};
pub use storage::{
    ATTACHMENT, ATTRIBUTES_CLASS, CLAIM, CSI_DRIVER, CSI_NODE, STORAGE_CLASS, VOLUME,
};
pub use workload::{
    CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, POD_TEMPLATE, REPLICA_SET, REPLICATION_CONTROLLER,
    REVISION, STATEFUL_SET,
};

use super::doc::field;
use super::duration::since;
use crate::defaults::fill::text;
use crate::registry::{Column, Doc, RowContext};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

const NAME: Column =
    column("Name", field::<ObjectMeta>("name"), |o, _| text(o, "metadata.name").into())
        .format("name");
const AGE: Column = column("Age", field::<ObjectMeta>("creationTimestamp"), age);
/// A cell without a definition, as upstream's table of IP addresses has one.
const UNNAMED_AGE: Column = column("", Doc::Text(""), age);
const CREATED_AT: Column =
    column("Created At", field::<ObjectMeta>("creationTimestamp"), |o, _| {
        text(o, "metadata.creationTimestamp").into()
    })
    .of("date");

/// Of kinds for which upstream has no printer.
pub const NAME_AND_CREATION: &[Column] = &[NAME, CREATED_AT];
/// The descriptions of the name and of the time of creation.
pub const METADATA_DOCS: [Doc; 2] = [NAME.description, CREATED_AT.description];
/// Of kinds that show nothing else.
pub const NAME_AND_AGE: &[Column] = &[NAME, AGE];

/// A column of text that is always shown.
const fn column(
    name: &'static str,
    description: Doc,
    cell: fn(&Value, &RowContext) -> Value,
) -> Column {
    Column { name, kind: "string", format: "", description, priority: 0, cell }
}

/// The same with a description of its own.
const fn worded(
    name: &'static str,
    description: &'static str,
    cell: fn(&Value, &RowContext) -> Value,
) -> Column {
    column(name, Doc::Text(description), cell)
}

impl Column {
    const fn wide(mut self) -> Self {
        self.priority = 1;
        self
    }

    const fn of(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    const fn format(mut self, format: &'static str) -> Self {
        self.format = format;
        self
    }
}

fn age(object: &Value, context: &RowContext) -> Value {
    since(text(object, "metadata.creationTimestamp"), context.now_ms).into()
}
