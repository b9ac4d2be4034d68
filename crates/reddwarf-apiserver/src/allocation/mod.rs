//! What a service takes from shared pools: cluster IPs and node ports.
//!
//! An address is taken by an `IPAddress` object, a port by a marker in a collection that the
//! API does not serve. Both are put in the commit that stores the service, under the
//! precondition that nothing is there, so two members cannot give away the same one.

mod addresses;
mod ports;
mod range;
mod service;
#[cfg(test)]
mod tests;

pub use range::ServiceRange;

use crate::registry::Kind;
use reddwarf_core::{ObjectKey, Precondition, Status, View};
use serde_json::Value;

/// What a write changes besides its own object, in the same commit.
#[derive(Debug, Default)]
pub struct Extra {
    /// Further objects to store or remove.
    pub changes: Vec<ExtraChange>,
    /// What must hold. When one of these fails, the request is computed again on a newer view.
    pub preconditions: Vec<Precondition>,
}

/// One further object.
#[derive(Debug)]
pub enum ExtraChange {
    /// Store it; metadata is complete but for `resourceVersion`.
    Put {
        /// Where.
        key: ObjectKey,
        /// What.
        object: Value,
    },
    /// Remove it.
    Delete {
        /// Where.
        key: ObjectKey,
    },
}

/// Allocates for a new object; runs after the mutating admission pass and before validation.
/// A dry run drops the answer.
///
/// # Errors
/// The 422 that upstream answers for an address or port that cannot be had.
pub fn on_create(kind: &Kind, object: &mut Value, view: &View) -> Result<Extra, Box<Status>> {
    if is_service(kind) { service::create(object, view) } else { Ok(Extra::default()) }
}

/// Allocates and releases for an update of the main resource, at the same place of the
/// pipeline.
///
/// # Errors
/// As [`on_create`].
pub fn on_update(
    kind: &Kind,
    object: &mut Value,
    old: &Value,
    view: &View,
) -> Result<Extra, Box<Status>> {
    if is_service(kind) { service::update(object, old, view) } else { Ok(Extra::default()) }
}

/// Releases what an object holds that is about to be removed for good.
pub fn on_remove(kind: &Kind, object: &Value, view: &View) -> Extra {
    if is_service(kind) { service::remove(object, view) } else { Extra::default() }
}

fn is_service(kind: &Kind) -> bool {
    kind.group.is_empty() && kind.kind == "Service"
}
