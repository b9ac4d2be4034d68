//! `StorageObjectInUseProtection` and `TaintNodesByCondition`: marks that new objects get and
//! controllers take off.

use super::{Attributes, Operation, Plugin};
use crate::validation::read::{items, text};
use async_trait::async_trait;
use reddwarf_core::Status;
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Keeps a volume or claim that is in use from being removed.
pub struct StorageObjectInUseProtection;

/// Keeps pods off a node that has not said that it is ready.
pub struct TaintNodesByCondition;

#[async_trait]
impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        if attributes.operation != Operation::Create || !attributes.subresource.is_empty() {
            return Ok(());
        }
        let finalizer = match (&*attributes.kind.group, &*attributes.kind.kind) {
            ("", "PersistentVolumeClaim") => "kubernetes.io/pvc-protection",
            ("", "PersistentVolume") => "kubernetes.io/pv-protection",
            ("storage.k8s.io", "VolumeAttributesClass") => "kubernetes.io/vac-protection",
            _ => return Ok(()),
        };
        append_new(&mut attributes.object["metadata"], "finalizers", finalizer.into());
        Ok(())
    }
}

#[async_trait]
impl Plugin for TaintNodesByCondition {
    fn name(&self) -> &'static str {
        "TaintNodesByCondition"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        if !attributes.is("", "Node") || attributes.operation != Operation::Create {
            return Ok(());
        }
        let spec = &mut attributes.object["spec"];
        let tainted = items(spec, "taints")
            .iter()
            .any(|taint| text(taint, "key") == NOT_READY && text(taint, "effect") == "NoSchedule");
        if !tainted {
            append_new(spec, "taints", json!({"key": NOT_READY, "effect": "NoSchedule"}));
        }
        Ok(())
    }
}

fn append_new(object: &mut Value, list: &str, item: Value) {
    match object[list].as_array_mut() {
        Some(items) if items.contains(&item) => {}
        Some(items) => items.push(item),
        None => object[list] = json!([item]),
    }
}
