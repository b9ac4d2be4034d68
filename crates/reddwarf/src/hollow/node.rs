//! One simulated node: how it registers and what it reports.

use super::HOLLOW;
use super::api::{Api, MERGE, STRATEGIC};
use super::status::now_seconds;
use crate::client::ClientError;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The taint of nodes that were never ready; no controller takes it away here.
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Addresses that a node has for its pods.
const POD_ADDRESSES: u8 = 250;
/// Attempts to register before the next heartbeat tries again.
const REGISTER_ATTEMPTS_MAX: u32 = 5;

/// A simulated node.
pub struct HollowNode {
    /// Its name.
    pub name: String,
    at: u32,
    /// Since when it is ready.
    since: String,
    /// Which of its pod addresses are taken.
    addresses: Mutex<Addresses>,
}

impl HollowNode {
    pub fn new(prefix: &str, at: u32) -> Self {
        HollowNode {
            name: format!("{prefix}{at}"),
            at,
            since: now_seconds(),
            addresses: Mutex::default(),
        }
    }

    fn high_low(&self) -> (u8, u8) {
        // At most 16,384 nodes: the high part stays below 64.
        ((self.at >> 8) as u8 & 63, (self.at & 255) as u8)
    }

    /// The node's own address.
    pub fn address(&self) -> Ipv4Addr {
        let (high, low) = self.high_low();
        Ipv4Addr::new(10, high, low, 1)
    }

    fn pod_address(&self, n: u8) -> Ipv4Addr {
        let (high, low) = self.high_low();
        Ipv4Addr::new(10, 128 + high, low, n + 2)
    }

    /// A free address for a pod; they begin again when all are taken.
    pub fn take_address(&self) -> Ipv4Addr {
        self.pod_address(self.addresses.lock().take())
    }

    /// Marks an address as taken that a pod already has.
    pub fn claim_address(&self, address: Ipv4Addr) {
        if let Some(n) = self.number(address) {
            self.addresses.lock().taken[usize::from(n)] = true;
        }
    }

    /// Gives a pod's address back.
    pub fn free_address(&self, address: Ipv4Addr) {
        if let Some(n) = self.number(address) {
            self.addresses.lock().taken[usize::from(n)] = false;
        }
    }

    fn number(&self, address: Ipv4Addr) -> Option<u8> {
        (0..POD_ADDRESSES).find(|n| self.pod_address(*n) == address)
    }

    /// Registers, reports as ready, and takes away the taint of a node that is not.
    pub async fn register(&self, api: &Api) {
        for _ in 0..REGISTER_ATTEMPTS_MAX {
            match self.try_register(api).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(node = self.name, %error, "cannot register"),
            }
        }
    }

    async fn try_register(&self, api: &Api) -> Result<bool, ClientError> {
        let json = "application/json";
        let made = api.send(Method::POST, "/api/v1/nodes", json, &self.object()).await?;
        if !made.status.is_success() && made.status != StatusCode::CONFLICT {
            let text = String::from_utf8_lossy(&made.body);
            tracing::warn!(node = self.name, code = %made.status, %text, "cannot register");
            return Ok(false);
        }
        Ok(self.report(api).await? && self.remove_taint(api).await?)
    }

    /// Writes the status; `false` when the node is not there (any more).
    ///
    /// # Errors
    /// No member answered.
    pub async fn report(&self, api: &Api) -> Result<bool, ClientError> {
        let path = format!("/api/v1/nodes/{}/status", self.name);
        let body = json!({ "status": self.status() });
        let answer = api.send(Method::PATCH, &path, STRATEGIC, &body).await?;
        Ok(answer.status.is_success())
    }

    async fn remove_taint(&self, api: &Api) -> Result<bool, ClientError> {
        let path = format!("/api/v1/nodes/{}", self.name);
        let answer = api.get(&path).await?;
        let node: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(taints) = node["spec"]["taints"].as_array() else {
            return Ok(answer.status.is_success());
        };
        let rest: Vec<_> = taints.iter().filter(|taint| taint["key"] != NOT_READY).collect();
        if rest.len() == taints.len() {
            return Ok(true);
        }
        let rest = if rest.is_empty() { Value::Null } else { json!(rest) };
        // The version keeps a taint that someone adds meanwhile.
        let version = &node["metadata"]["resourceVersion"];
        let body = json!({"metadata": {"resourceVersion": version}, "spec": {"taints": rest}});
        let answer = api.send(Method::PATCH, &path, MERGE, &body).await?;
        Ok(answer.status.is_success())
    }

    /// The Node as it is made.
    pub fn object(&self) -> Value {
        let (high, low) = self.high_low();
        let range = format!("10.{}.{low}.0/24", 128 + high);
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": {
                    "kubernetes.io/hostname": self.name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": architecture(),
                    HOLLOW: "true",
                },
                "annotations": {HOLLOW: "true"},
            },
            "spec": {
                "podCIDR": range,
                "podCIDRs": [range],
                "providerID": format!("hollow://{}", self.name),
            },
        })
    }

    /// The status as it stands.
    pub fn status(&self) -> Value {
        let capacity = json!({
            "cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110",
            "hugepages-1Gi": "0", "hugepages-2Mi": "0",
        });
        let now = now_seconds();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now, "lastTransitionTime": self.since,
            })
        };
        json!({
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "HollowNodeReady", "a simulated node is always ready"),
            ],
            "addresses": [
                {"type": "InternalIP", "address": self.address()},
                {"type": "Hostname", "address": self.name},
            ],
            "nodeInfo": {
                "architecture": architecture(),
                "operatingSystem": "linux",
                "osImage": "none (simulated by reddwarf hollow)",
                "kernelVersion": "none",
                "containerRuntimeVersion": "hollow://0",
                "kubeletVersion": concat!("v1.36.0-hollow+reddwarf-", env!("CARGO_PKG_VERSION")),
                "kubeProxyVersion": "",
                "machineID": "", "systemUUID": "", "bootID": "",
            },
        })
    }

    /// The Lease as it is first written.
    pub fn lease(&self, now_micros: &str) -> Value {
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": "kube-node-lease"},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": 40,
                "renewTime": now_micros,
            },
        })
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

struct Addresses {
    taken: [bool; POD_ADDRESSES as usize],
    next: u8,
}

impl Default for Addresses {
    fn default() -> Self {
        Addresses { taken: [false; POD_ADDRESSES as usize], next: 0 }
    }
}

impl Addresses {
    fn take(&mut self) -> u8 {
        for _ in 0..POD_ADDRESSES {
            let n = self.next;
            self.next = (n + 1) % POD_ADDRESSES;
            if !std::mem::replace(&mut self.taken[usize::from(n)], true) {
                return n;
            }
        }
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_given_twice() {
        let node = HollowNode::new("n", 300);
        let first = node.take_address();
        assert_eq!(first, Ipv4Addr::new(10, 129, 44, 2));
        let claimed = Ipv4Addr::new(10, 129, 44, 3);
        node.claim_address(claimed);
        let mut seen: Vec<_> = (0..POD_ADDRESSES - 2).map(|_| node.take_address()).collect();
        seen.extend([first, claimed]);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), usize::from(POD_ADDRESSES));
        node.free_address(claimed);
        assert_eq!(node.take_address(), claimed);
    }
}
