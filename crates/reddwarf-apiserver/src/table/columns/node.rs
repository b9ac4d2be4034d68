//! Nodes.

use super::cell::{condition, flag, or};
use super::{AGE, NAME, column, field, worded};
use crate::defaults::fill::{at, list, text};
use crate::registry::{Column, RowContext};
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
const ROLE: &str = "kubernetes.io/role";

/// Nodes.
pub const NODE: &[Column] = &[
    NAME,
    worded("Status", "The status of the node", status),
    worded("Roles", "The roles of the node", roles),
    AGE,
    column("Version", field::<core::NodeSystemInfo>("kubeletVersion"), |o, _| {
        text(o, "status.nodeInfo.kubeletVersion").into()
    }),
    column("Internal-IP", field::<core::NodeStatus>("addresses"), |o, _| address(o, "InternalIP"))
        .wide(),
    column("External-IP", field::<core::NodeStatus>("addresses"), |o, _| address(o, "ExternalIP"))
        .wide(),
    column("OS-Image", field::<core::NodeSystemInfo>("osImage"), |o, _| {
        or(o, "status.nodeInfo.osImage", "<unknown>")
    })
    .wide(),
    column("Kernel-Version", field::<core::NodeSystemInfo>("kernelVersion"), kernel).wide(),
    column(
        "Container-Runtime",
        field::<core::NodeSystemInfo>("containerRuntimeVersion"),
        |o, _| or(o, "status.nodeInfo.containerRuntimeVersion", "<unknown>"),
    )
    .wide(),
];

fn status(node: &Value, _: &RowContext) -> Value {
    let ready = match condition(node, "Ready") {
        Some(condition) if condition["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if flag(node, "spec.unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordoned}").into()
}

fn roles(node: &Value, _: &RowContext) -> Value {
    let Some(Value::Object(labels)) = at(node, "metadata.labels") else { return "<none>".into() };
    let mut roles: Vec<&str> = labels
        .iter()
        .filter_map(|(label, value)| match label.strip_prefix(ROLE_PREFIX) {
            Some(role) => Some(role),
            None if label == ROLE => value.as_str(),
            None => None,
        })
        .filter(|role| !role.is_empty())
        .collect();
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() { "<none>".into() } else { roles.join(",").into() }
}

fn address(node: &Value, kind: &str) -> Value {
    let found = list(node, "status.addresses").iter().find(|a| a["type"] == kind);
    found.map_or("<none>", |a| text(a, "address")).into()
}

fn kernel(node: &Value, _: &RowContext) -> Value {
    let kernel = or(node, "status.nodeInfo.kernelVersion", "<unknown>");
    match (kernel.as_str(), text(node, "status.nodeInfo.architecture")) {
        (Some(kernel), architecture) if !architecture.is_empty() => {
            format!("{kernel} ({architecture})").into()
        }
        _ => kernel,
    }
}
