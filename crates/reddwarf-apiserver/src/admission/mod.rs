//! The admission chain.

mod certificate_subject;
mod class_defaults;
mod custom_terminating;
mod default_tolerations;
mod namespace_lifecycle;
mod priority;
mod protection;
pub mod refusal;
mod runtime_class;
mod service_account;
mod stored;

use crate::registry::Kind;
use crate::request::UserInfo;
use async_trait::async_trait;
use reddwarf_core::{Precondition, Status, View};
use serde_json::Value;

/// What a request does to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A creation.
    Create,
    /// An update or patch.
    Update,
    /// A deletion.
    Delete,
    /// A connection to a subresource such as `exec`.
    Connect,
}

/// A request as the plugins see it.
pub struct Attributes<'a> {
    /// The kind of the main resource.
    pub kind: &'a Kind,
    /// The subresource, empty for the main resource.
    pub subresource: &'a str,
    /// What is being done.
    pub operation: Operation,
    /// Namespace, empty for a cluster-scoped object.
    pub namespace: &'a str,
    /// Name; empty on a creation with `generateName` that has no name yet.
    pub name: &'a str,
    /// The object to be stored (for a deletion, the stored one).
    pub object: &'a mut Value,
    /// The stored object that an update replaces.
    pub old: Option<&'a Value>,
    /// Who asks.
    pub user: &'a UserInfo,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The state against which the request is computed.
    pub view: &'a View,
    /// What must still hold when the write is applied; plugins add to it.
    pub preconditions: Vec<Precondition>,
    /// Texts for `Warning` headers; plugins add to it.
    pub warnings: Vec<String>,
}

/// One admission plugin. The mutating pass of all plugins runs before the validating pass.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Its upstream name.
    fn name(&self) -> &'static str;

    /// May change the object, or refuse.
    ///
    /// # Errors
    /// The refusal.
    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        let _ = attributes;
        Ok(())
    }

    /// May only refuse.
    ///
    /// # Errors
    /// The refusal.
    async fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        let _ = attributes;
        Ok(())
    }
}

/// The plugins in upstream's order.
#[derive(Default)]
pub struct Chain {
    /// In the order in which they run.
    pub plugins: Vec<Box<dyn Plugin>>,
}

impl Chain {
    /// Runs the mutating pass.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        for plugin in &self.plugins {
            plugin.admit(attributes).await?;
        }
        Ok(())
    }

    /// Runs the validating pass.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn validate(&self, attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
        for plugin in &self.plugins {
            plugin.validate(attributes).await?;
        }
        Ok(())
    }
}

/// The plugins that are built in, in upstream's order.
///
/// Quota, limit ranges, pod security, node restriction, webhooks and policies take their
/// places in between.
pub fn builtin_chain() -> Chain {
    Chain {
        plugins: vec![
            Box::new(custom_terminating::CustomTerminating),
            Box::new(namespace_lifecycle::NamespaceLifecycle),
            Box::new(service_account::ServiceAccount),
            Box::new(protection::TaintNodesByCondition),
            Box::new(priority::Priority),
            Box::new(default_tolerations::DefaultTolerationSeconds),
            Box::new(class_defaults::DefaultStorageClass),
            Box::new(protection::StorageObjectInUseProtection),
            Box::new(runtime_class::RuntimeClass),
            Box::new(certificate_subject::CertificateSubjectRestriction),
            Box::new(class_defaults::DefaultIngressClass),
        ],
    }
}

impl Attributes<'_> {
    /// Whether the request writes the main resource of this kind.
    fn is(&self, group: &str, kind: &str) -> bool {
        self.kind.group == group && self.kind.kind == kind && self.subresource.is_empty()
    }

    /// Whether the request writes a pod itself.
    fn is_pod(&self) -> bool {
        self.is("", "Pod")
    }
}
