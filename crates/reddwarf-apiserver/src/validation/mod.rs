//! Validation of objects, and the errors that it finds.
//!
//! [`create`], [`update`] and [`update_status`] are all that the pipeline calls: each runs the
//! checks of the metadata, those built in for the kind, and the kind's own hooks.

mod address;
mod admission;
mod api_service;
mod batch;
mod check;
mod cluster;
mod condition;
mod config;
mod csi;
mod endpoint_slice;
mod expression;
pub mod field_error;
mod flow;
pub mod labels;
pub mod meta;
pub mod names;
mod network;
mod network_policy;
mod pod;
mod rbac;
pub mod read;
mod resource;
mod rules;
mod runtime_class;
mod service;
mod service_range;
mod storage;
mod storage_class;
mod warnings;
mod workload;

pub(crate) use admission::webhook_client;
pub use field_error::{ErrorKind, ErrorList, FieldError, FieldPath, invalid};
pub use meta::{metadata, metadata_update, plain_metadata, version_required};
pub use pod::ephemeral_containers;
pub use warnings::warnings;

use crate::custom;
use crate::registry::Kind;
use rules::Rules;
use serde_json::Value;

/// Detail of a number that may not be negative.
pub(crate) const NEGATIVE: &str = "must be greater than or equal to 0";

/// Validates an object that is to be created, its name chosen and its defaults filled in.
pub fn create(kind: &Kind, object: &Value) -> ErrorList {
    let rules = Rules::of(&kind.group, &kind.kind);
    let mut errors = own_metadata(kind, object, rules.name);
    if let Some(custom) = &kind.custom {
        return custom::object::create(custom, object, errors);
    }
    errors.extend((rules.create)(object));
    errors.extend((kind.hooks.validate)(object));
    errors
}

/// Validates an update of the main resource.
///
/// Upstream checks the metadata twice, once for all kinds and once in the kind's strategy, so
/// that an error in it is listed twice; so it is here.
pub fn update(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    let rules = Rules::of(&kind.group, &kind.kind);
    let mut errors = update_metadata(kind, new, old, rules.compares_metadata);
    if let Some(custom) = &kind.custom {
        return custom::object::update(custom, new, old, errors);
    }
    if rules.revalidates_metadata {
        errors.extend(own_metadata(kind, new, rules.name));
    }
    errors.extend((rules.update)(new, old));
    errors.extend((kind.hooks.validate_update)(new, old));
    errors
}

/// Validates an update of `/status`.
pub fn update_status(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    let rules = Rules::of(&kind.group, &kind.kind);
    let mut errors = update_metadata(kind, new, old, rules.compares_metadata);
    if let Some(custom) = &kind.custom {
        return custom::object::update_status(custom, new, old, errors);
    }
    errors.extend((rules.status)(new, old));
    errors.extend((kind.hooks.validate_status_update)(new, old));
    errors
}

/// Validates an update through a subresource that has checked its own part already: what the
/// main resource forbids to change is what these are there to change.
pub fn update_part(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    update_metadata(kind, new, old, true)
}

/// The checks for all kinds, and once more those of a strategy that compares with the old object.
fn own_metadata(kind: &Kind, object: &Value, rule: names::NameRule) -> ErrorList {
    let plain = kind.custom.is_some()
        || matches!(kind.group.as_ref(), "apiextensions.k8s.io" | "apiregistration.k8s.io");
    let check = if plain { plain_metadata } else { metadata };
    check(object, kind.namespaced(), rule)
}

fn update_metadata(kind: &Kind, new: &Value, old: &Value, compared_again: bool) -> ErrorList {
    let mut errors = own_metadata(kind, new, names::path_segment);
    let against_old = metadata_update(new, old);
    if compared_again {
        errors.extend(against_old.iter().cloned());
    }
    errors.extend(against_old);
    errors
}
