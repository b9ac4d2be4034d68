//! The pure logic of subresources other than `/status`, and of kinds that are only posted to.
//!
//! The verbs read, propose and answer; what a binding, an eviction, a scale or a finalize means
//! is decided here, data in and data out.

mod binding;
mod connect;
mod eviction;
mod partial;
mod reply;
mod review;
mod scale;
mod token;

pub use connect::{CONNECTIONS, Connect, connect, proxied_name};
pub use token::defaults as token_defaults;

use crate::registry::Kind;
use crate::request::UserInfo;
use crate::token::Keyring;
use reddwarf_core::{Reason, Revision, Status, View};
use serde_json::Value;

/// A POST to a subresource (`pods/binding`, `pods/eviction`, `serviceaccounts/token`), or to a
/// kind that stores nothing (`subresource` is then empty).
pub struct Post<'a> {
    /// The kind of the main resource.
    pub kind: &'a Kind,
    /// The subresource.
    pub subresource: &'a str,
    /// Namespace, empty for a cluster-scoped object.
    pub namespace: &'a str,
    /// Name in the path.
    pub name: &'a str,
    /// The posted object, decoded.
    pub body: &'a Value,
    /// The stored main object.
    pub current: Option<&'a Value>,
    /// Who asks.
    pub user: &'a UserInfo,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The state against which the request is computed.
    pub view: &'a View,
    /// What issues and checks tokens.
    pub tokens: &'a Keyring,
}

/// What a POST does.
pub enum Effect {
    /// Nothing is stored; the object is the answer (201).
    Reply(Value),
    /// The main object becomes `object`, on condition that it is still as it was read.
    Update {
        /// The new main object.
        object: Value,
        /// Other objects stored in the same commit.
        also: Vec<Also>,
        /// The answer (201).
        reply: Value,
    },
    /// The main object is deleted with these `DeleteOptions`.
    Delete {
        /// `DeleteOptions` as JSON.
        options: Value,
        /// What the main object becomes before it is deleted.
        first: Option<Value>,
        /// Other objects stored in one commit with that, before the deletion.
        also: Vec<Also>,
        /// Whether this is right only for the object as it is: when it changes meanwhile, all is
        /// computed anew.
        exact: bool,
        /// The answer (201).
        reply: Value,
    },
    /// A POST elsewhere: `bindings` is `pods/{name}/binding`.
    Redirect {
        /// Plural of the core resource.
        resource: &'static str,
        /// Its subresource.
        subresource: &'static str,
        /// Name of the main object.
        name: String,
    },
}

/// Another object that a request changes, e.g. the disruption budget of an evicted pod.
pub struct Also {
    /// Group of the kind in its storage version.
    pub group: &'static str,
    /// Storage version.
    pub version: &'static str,
    /// Plural.
    pub resource: &'static str,
    /// The new object, of which only the status is another one.
    pub object: Value,
    /// The object as it is stored.
    pub before: Value,
    /// The revision that must still be stored.
    pub at: Revision,
}

/// Computes a POST.
///
/// # Errors
/// The refusal.
pub fn post(request: &Post<'_>) -> Result<Effect, Box<Status>> {
    match (request.kind.group.as_ref(), request.kind.plural.as_ref(), request.subresource) {
        ("", "bindings", "") => Ok(binding::redirect(request)),
        ("", "pods", "binding") => binding::bind(request),
        ("", "pods", "eviction") => eviction::evict(request),
        ("", "serviceaccounts", "token") => token::issue(request),
        (_, _, "") => review::review(request).unwrap_or_else(|| Err(not_found())),
        _ => Err(not_found()),
    }
}

/// The form in which a subresource shows the main object: a `Scale` for `scale`, the object
/// itself for most others.
///
/// # Errors
/// The refusal.
pub fn read(kind: &Kind, subresource: &str, object: &Value) -> Result<Value, Box<Status>> {
    match subresource {
        "scale" => Ok(scale::read(kind, object)),
        _ => Ok(object.clone()),
    }
}

/// A PUT or PATCH of a subresource: brings `form` (what [`read`] gave, changed by the client)
/// into the main object `current`.
///
/// # Errors
/// The refusal.
pub fn write(
    kind: &Kind,
    subresource: &str,
    form: &Value,
    current: &Value,
) -> Result<Value, Box<Status>> {
    let mut object = match (kind.group.as_ref(), kind.plural.as_ref(), subresource) {
        (_, _, "scale") => scale::write(form, current),
        ("", "namespaces", "finalize") => partial::finalize(form, current),
        ("", "pods", "ephemeralcontainers") => partial::ephemeral_containers(form, current),
        ("", "pods", "resize") => partial::resize(form, current),
        ("certificates.k8s.io", _, "approval") => partial::approval(form, current),
        _ => Err(not_found()),
    }?;
    // A version that the client names is what its change is conditional on.
    let version = crate::object::meta(form, "resourceVersion");
    if !version.is_empty() {
        object["metadata"]["resourceVersion"] = version.into();
    }
    Ok(object)
}

fn not_found() -> Box<Status> {
    let message = "the server could not find the requested resource";
    Box::new(Status::failure(Reason::NotFound, message).with_details(Default::default()))
}
