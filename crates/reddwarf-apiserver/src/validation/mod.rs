//! Validation of objects, and the errors that it finds.
//!
//! [`create`], [`update`] and [`update_status`] are all that the pipeline calls: each runs the
//! checks of the metadata, those built in for the kind, and the kind's own hooks.

pub mod access_review;
mod address;
mod admission;
mod api_service;
mod apps;
mod autoscaling;
mod batch;
mod budget;
mod certificate;
mod check;
mod cluster;
mod condition;
mod config;
mod csi;
mod endpoint_slice;
mod endpoints;
mod event;
mod expression;
pub mod field_error;
mod flow;
pub mod labels;
mod limit_range;
mod load_balancer;
pub mod meta;
pub mod names;
mod namespace;
mod network;
mod network_policy;
mod node;
mod persistent_volume;
pub mod pod;
mod quota;
mod rbac;
pub mod read;
mod replication;
mod resource;
mod resource_name;
mod rules;
mod runtime_class;
mod semantic;
mod service;
pub mod service_address;
mod service_range;
mod storage_class;
mod volume_claim;
mod volume_source;
mod warnings;
mod workload;
mod workload_warning;

pub use certificate::requested_groups;
pub use field_error::{ErrorKind, ErrorList, FieldError, FieldPath, invalid};
pub use meta::{metadata, metadata_update, version_required};
pub use namespace::finalize;
pub use warnings::{early_warnings, status_warnings, warnings};

use crate::registry::Kind;
use rules::Rules;
use serde_json::Value;

/// Detail of a number that may not be negative.
pub(crate) const NEGATIVE: &str = "must be greater than or equal to 0";

/// Validates an object that is to be created, its name chosen and its defaults filled in.
pub fn create(kind: &Kind, object: &Value) -> ErrorList {
    let rules = Rules::of(&kind.group, &kind.kind);
    if rules.metadata_last {
        let errors = (rules.create)(object);
        let fine = errors.is_empty();
        return if fine { metadata(object, kind.namespaced(), rules.name) } else { errors };
    }
    let mut errors = metadata(object, kind.namespaced(), rules.name);
    if rules.known_finalizers {
        errors.extend(meta::known_finalizers(object));
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
    let mut errors = update_metadata(kind, new, old, &rules);
    if rules.revalidates_metadata {
        errors.extend(metadata(new, kind.namespaced(), rules.name));
        if rules.known_finalizers {
            errors.extend(meta::known_finalizers(new));
        }
    }
    errors.extend((rules.update)(new, old));
    errors.extend((kind.hooks.validate_update)(new, old));
    errors
}

/// Validates an update of `/status`.
pub fn update_status(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    let rules = Rules::of(&kind.group, &kind.kind);
    let mut errors = update_metadata(kind, new, old, &rules);
    errors.extend((rules.status)(new, old));
    errors.extend((kind.hooks.validate_status_update)(new, old));
    errors
}

/// Validates an update through a subresource that has checked its own part already: what the
/// main resource forbids to change is what these are there to change.
pub fn update_part(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    let rules = Rules { compares_metadata: true, ..Rules::of(&kind.group, &kind.kind) };
    update_metadata(kind, new, old, &rules)
}

/// Validates an update through `/approval`, which decides on a certificate request.
pub fn update_approval(kind: &Kind, new: &Value, old: &Value) -> ErrorList {
    let mut errors = update_metadata(
        kind,
        new,
        old,
        &Rules { compares_metadata: true, ..Rules::of(&kind.group, &kind.kind) },
    );
    errors.extend(certificate::approval(new, old));
    errors
}

/// The checks for all kinds, and once more those of a strategy that compares with the old object.
fn update_metadata(kind: &Kind, new: &Value, old: &Value, rules: &Rules) -> ErrorList {
    let mut errors = metadata(new, kind.namespaced(), names::path_segment);
    let against_old = metadata_update(new, old);
    if rules.compares_metadata {
        errors.extend(against_old.iter().cloned());
    }
    errors.extend(against_old);
    if rules.compares_metadata && rules.known_finalizers {
        errors.extend(meta::known_finalizers(new));
    }
    errors
}
