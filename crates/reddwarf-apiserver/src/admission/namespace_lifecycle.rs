//! `NamespaceLifecycle`: nothing is made in a namespace that is missing or going away.

use super::refusal::{forbidden, not_found};
use super::{Attributes, Operation, Plugin};
use async_trait::async_trait;
use reddwarf_core::status::StatusCause;
use reddwarf_core::{Expectation, ObjectKey, Precondition, Status};

/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

/// The plugin.
pub struct NamespaceLifecycle;

#[async_trait]
impl Plugin for NamespaceLifecycle {
    fn name(&self) -> &'static str {
        "NamespaceLifecycle"
    }

    async fn admit(&self, attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
        let is_namespace = attributes.kind.group.is_empty() && attributes.kind.kind == "Namespace";
        if is_namespace {
            return keep_immortal(attributes);
        }
        let exempt = attributes.namespace.is_empty()
            || attributes.operation == Operation::Delete
            || attributes.kind.group == "authorization.k8s.io";
        if exempt { Ok(()) } else { require_live(attributes) }
    }
}

fn keep_immortal(attributes: &Attributes<'_>) -> Result<(), Box<Status>> {
    let refused = attributes.operation == Operation::Delete && IMMORTAL.contains(&attributes.name);
    if refused { Err(forbidden(attributes, "this namespace may not be deleted")) } else { Ok(()) }
}

/// The namespace's phase may change between this check and the write, so a creation carries
/// the namespace's revision as a precondition.
fn require_live(attributes: &mut Attributes<'_>) -> Result<(), Box<Status>> {
    let name = attributes.namespace;
    let key = ObjectKey::new("", "namespaces", "", name);
    let Some(namespace) = attributes.view.get(&key) else {
        return Err(not_found("", "namespaces", name));
    };
    if attributes.operation != Operation::Create || !attributes.subresource.is_empty() {
        return Ok(());
    }
    if namespace.index.field("status.phase") == "Terminating" {
        return Err(terminating(attributes));
    }
    let expect = Expectation::At(namespace.revision);
    attributes.preconditions.push(Precondition { key, expect });
    Ok(())
}

fn terminating(attributes: &Attributes<'_>) -> Box<Status> {
    let name = attributes.namespace;
    let why =
        format!("unable to create new content in namespace {name} because it is being terminated");
    let mut status = forbidden(attributes, why);
    if let Some(details) = &mut status.details {
        details.causes.push(StatusCause {
            reason: "NamespaceTerminating".into(),
            message: format!("namespace {name} is being terminated"),
            field: "metadata.namespace".into(),
        });
    }
    status
}
