//! `DefaultStorageClass` and `DefaultIngressClass`: who names no class gets the one that is
//! marked as default.

use super::{Attributes, Operation, Plugin, stored};
use crate::object;
use crate::validation::read::{has, text};
use async_trait::async_trait;
use reddwarf_core::Status;
use serde_json::Value;
use std::cmp::Reverse;

/// Marks the default storage class.
const STORAGE: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];
const INGRESS: [&str; 1] = ["ingressclass.kubernetes.io/is-default-class"];

/// The plugin for claims.
pub struct DefaultStorageClass;

/// The plugin for ingresses.
pub struct DefaultIngressClass;

fn is_marked(class: &Value, marks: &[&str]) -> bool {
    marks.iter().any(|mark| text(&class["metadata"]["annotations"], mark) == "true")
}

#[async_trait]
impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        if !attributes.is("", "PersistentVolumeClaim") || attributes.operation != Operation::Create
        {
            return Ok(());
        }
        let annotations = &attributes.object["metadata"]["annotations"];
        let named = has(&attributes.object["spec"], "storageClassName")
            || annotations.get("volume.beta.kubernetes.io/storage-class").is_some();
        if named {
            return Ok(());
        }
        // The newest of several, then the first by name.
        let class = stored::list(attributes.view, "storage.k8s.io", "storageclasses")
            .filter(|class| is_marked(class, &STORAGE))
            .min_by_key(|class| Reverse(object::meta(class, "creationTimestamp").to_owned()));
        if let Some(class) = class {
            attributes.object["spec"]["storageClassName"] = object::name(&class).into();
        }
        Ok(())
    }
}

#[async_trait]
impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        let group = "networking.k8s.io";
        if !attributes.is(group, "Ingress") || attributes.operation != Operation::Create {
            return Ok(());
        }
        let annotations = &attributes.object["metadata"]["annotations"];
        let named = has(&attributes.object["spec"], "ingressClassName")
            || annotations.get("kubernetes.io/ingress.class").is_some();
        if named {
            return Ok(());
        }
        let mut classes: Vec<Value> = stored::list(attributes.view, group, "ingressclasses")
            .filter(|class| is_marked(class, &INGRESS))
            .collect();
        classes.sort_by_key(|class| Reverse(object::meta(class, "creationTimestamp").to_owned()));
        if let Some(class) = classes.first() {
            attributes.object["spec"]["ingressClassName"] = object::name(class).into();
        }
        Ok(())
    }
}
